"""One export, as `api.export` has it: from the cache where nothing has changed, else by a run.

PyTorch is loaded where something has to be made.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from .artifacts.cache import Cache, chosen_limit
from .artifacts.metadata.card import Card
from .errors import InputError, UsageError
from .exporters.ingredients import CHECK_PHOTOS, Asked, as_loaded, ingredients
from .exporters.journal import ExportEvent, Watcher
from .exporters.options import CoreMLOutput, Options
from .exporters.recipes import RecipeSearch, recipes_of
from .exporters.targets import needs_photos, select
from .exporters.warm import Known, from_cache
from .formats import Need, Target
from .imaging.convert import photo_to_input
from .imaging.photos import read_photo, say_left_out
from .models import catalog
from .models.download import cache_folder
from .models.factory import with_options
from .models.origins import RANDOM, origin_of
from .quantization.calibration import chosen_photos, generated
from .quantization.recipe import Recipe, recipe_of
from .scenes import scene
from .sdks.needs import stands_in
from .specs import ImageSpec, ModelSpec

if TYPE_CHECKING:
    from torch import nn

    from .artifacts.bundle import Bundle
    from .artifacts.manifest import Checkpoint
    from .models.resolve import Resolved
    from .quantization.budget import Budget, Prefer

__all__ = ["ExportEvent", "cache_of_exports", "check_photos", "export"]

# Below the folder of all that maskport keeps.
_FOLDER = "exports"


def cache_of_exports() -> Cache:
    """Where exports are kept: ``exports`` in $MASKPORT_CACHE, or in the platform's place.

    Raises:
        UsageError: There is no such place.
    """
    return Cache(cache_folder() / _FOLDER)


def export(
    network: str | nn.Module,
    *,
    weights: str | PathLike[str] | None = None,
    weights_key: str | None = None,
    spec: ModelSpec | None = None,
    size: int | tuple[int, int] | None = None,
    targets: str | Iterable[str] = ("all",),
    calibration: str | PathLike[str] | None = None,
    photos: str | PathLike[str] | None = None,
    recipe: Recipe | str | PathLike[str] | None = None,
    budget: Budget | str | None = None,
    prefer: Prefer = "latency",
    out: str | PathLike[str] | None = None,
    coreml_output: CoreMLOutput = "image",
    coreml_sizes: str | Iterable[int | str | tuple[int, int]] = (),
    tflite_layout: Literal["NHWC", "NCHW"] = "NHWC",
    author: str = "",
    license: str = "",
    source: str = "",
    jobs: int | None = None,
    cache: bool = True,
    watch: Watcher | None = None,
) -> Bundle:
    """Export a network to files for phones, each checked against PyTorch, as one bundle.

    Args:
        network: A name of the catalog, ``"package.module:factory"`` of a callable that returns
            a network, or the network itself, which maps normalised photos (N, 3, H, W) to maps;
            a copy of it is exported, and it stays as it is.
        weights: A ``.pth``, ``.pt``, ``.safetensors`` or ``.onnx`` file, or ``"random:SEED"``
            for reproducible untrained weights. Left out, a catalog network's weights are those
            that come with maskport, or the published ones, which are fetched; any other network
            keeps the weights that it has.
        weights_key: Which weights, where the file holds several sets: ``"ema"``, or a dotted path
            of keys and of what names begin with.
        spec: How photos go in and what the output means. Needed where ``network`` is not of
            the catalog.
        size: Another size than the specification's: a side, or (height, width).
        targets: Names of targets or formats, or ``"all"``. See `formats`. Without
            calibration photos a format's name doesn't mean its targets that need some.
        calibration: Folder or list file of photos that give INT8 files their ranges, or
            ``"scenes:N"`` for generated ones. Left out, what the catalog says of the network.
        photos: Folder or list file of photos that every file is checked on. Left out, some of
            the calibration photos are used, or generated scenes.
        recipe: What all targets that have one are quantised by, instead of their own: a recipe,
            its name (``"best"``, ``"plain"``) or its TOML file.
        budget: What the masks of ``tflite-mixed`` must hold: parts beyond those that ``recipe``
            leaves in float are found for it. Where both are None, ``"iou>=0.999"``. See
            `quantization.budget.read_budget`.
        prefer: The fastest mix that holds it, or with parts in float that cost next to nothing.
        out: The bundle's folder, ``exports/NAME-SIZE`` by default. A bundle that is there is
            replaced in one step at the end.
        coreml_output: What Core ML files give: an 8-bit grayscale image, one of float16 values in
            [0, 1] (``"half"``), or a multi-array.
        coreml_sizes: Sizes that Core ML files take as well, all of which are checked; those of
            coreml-w8a8 take one.
        tflite_layout: Of image and mask in TFLite files; ``"NCHW"`` for apps that feed planes.
        author: Embedded in the files.
        license: Of the weights; embedded in the files.
        source: Where the weights came from, for the manifest.
        jobs: Processes at once.
        cache: Take what has been made before, of the same weights, photos and options by the same
            tools, and keep what is made (docs/cache.md). Only networks of the catalog are.
        watch: Called with each `ExportEvent`, in this thread.

    Returns:
        The bundle. Targets that failed are in its manifest's ``failures``.

    Raises:
        InputError: Something given can't be used.
        ToolError: No target could be made, or weights could not be fetched.
        BudgetError: No target could be made, because no recipe holds ``budget``.
    """
    if jobs is not None and jobs < 1:
        raise UsageError(f"{jobs} jobs make nothing.", "Give 1 or more, or leave it out.")
    entry = catalog.entry(network) if isinstance(network, str) and ":" not in network else None
    watcher = watch or (lambda event: None)
    found = None
    if entry is None:  # what is wrong with it is said before anything else
        watcher(ExportEvent("step", text="loading PyTorch"))
        from .models.resolve import resolve

        found = resolve(network, spec, size)
    if calibration is None and entry is not None:
        calibration = entry.calibration or None
    names = [targets] if isinstance(targets, str) else targets
    rows = select(names, calibrated=calibration is not None)
    needing = [row.name for row in rows if needs_photos(row)]
    if calibration is None and needing:
        raise UsageError(
            f"{', '.join(needing)} needs photos to calibrate on: they decide which values its "
            "integers stand for.",
            "Give --calibration DIR with some dozens of typical photos, or leave the target out. "
            "For a try, --calibration scenes:32 generates some.",
        )
    recipes = recipes_of(
        rows, None if recipe is None else recipe_of(recipe), _budget_of(budget), prefer
    )
    other = coreml_sizes.split(",") if isinstance(coreml_sizes, str) else tuple(coreml_sizes)
    given = _Given(
        network=network,
        entry=entry,
        weights=weights,
        weights_key=weights_key,
        spec=spec,
        size=size,
        rows=rows,
        calibration=calibration,
        seen=photos or (None if generated(calibration) else calibration),
        recipes=recipes,
        coreml_output=coreml_output,
        coreml_sizes=other,
        tflite_layout=tflite_layout,
        author=author,
        license=license,
        source=source,
    )
    if cache:
        chosen_limit()  # said now, and not when all is made
    known = _known(given) if cache else None
    if known is not None:
        folder = _folder(out, known.asked.spec)
        _say_left_out(given, watcher)
        bundle = from_cache(known, rows, folder, watcher)
        if bundle is not None:
            return bundle
    watcher(ExportEvent("step", text="loading PyTorch"))
    return _made(given, found, known, out, jobs, watcher)


@dataclass(frozen=True, slots=True)
class _Given:
    """What `export` is asked for, as far as it is the same whether it is made or taken."""

    network: str | nn.Module
    entry: catalog.Entry | None
    weights: str | PathLike[str] | None
    weights_key: str | None
    spec: ModelSpec | None
    size: int | tuple[int, int] | None
    rows: tuple[Target, ...]
    calibration: str | PathLike[str] | None
    seen: str | PathLike[str] | None
    recipes: Mapping[str, Recipe | RecipeSearch]
    coreml_output: CoreMLOutput
    coreml_sizes: tuple[int | str | tuple[int, int], ...] | list[str]
    tflite_layout: Literal["NHWC", "NCHW"]
    author: str
    license: str
    source: str


def _known(given: _Given) -> Known | None:
    """What an export depends on, where that can be known without making it: of a network of the
    catalog. None also where anything is wrong with what is given, which the run then says.
    """
    entry = given.entry
    drawn = isinstance(given.weights, str) and given.weights.startswith(RANDOM)
    keyless = given.weights is None or drawn
    if entry is None or not entry.network.startswith("."):  # not maskport's own code
        return None
    if given.weights_key is not None and keyless:
        return None
    sized = [row for row in given.rows if row.format == "coreml" and not row.recipe]
    if given.coreml_sizes and not sized:
        return None
    with suppress(InputError, OSError):
        spec = given.spec or entry.spec
        if given.size is not None:
            spec = with_options(spec, {"size": given.size})
        others = [with_options(spec, {"size": size}).image for size in given.coreml_sizes]
        sizes = dict.fromkeys((image.height, image.width) for image in others)
        sizes.pop((spec.image.height, spec.image.width), None)
        origin = origin_of(entry, entry.name, given.weights)
        asked = Asked(
            network=entry.name,
            spec=spec,
            origin=origin,
            weights_key=given.weights_key,
            author=given.author,
            license=given.license or origin.license,
            source=given.source or origin.source,
            photos=given.seen,
            calibration=given.calibration,
            recipes=given.recipes,
            options=Options(given.coreml_output, given.tflite_layout, tuple(sizes)),
        )
        found = ingredients(asked)
        if not as_loaded(found) or any(map(stands_in, _needs(given.rows))):
            return None
        return Known(cache_of_exports(), asked, found)
    return None


def _needs(rows: Iterable[Target]) -> Iterable[Need]:
    kinds = {row.format: row.shared for row in rows}.values()
    return (need for kind in kinds for way in kind.runtimes for need in way.needs or kind.needs)


def _made(
    given: _Given,
    found: Resolved | None,
    known: Known | None,
    out: str | PathLike[str] | None,
    jobs: int | None,
    watcher: Watcher,
) -> Bundle:
    """By a run, which takes from the cache what it has."""
    from .exporters.export import ExportRequest, default_jobs, run_export
    from .exporters.flexible import other_sizes
    from .exporters.subject import subject_of
    from .models.resolve import load, resolve
    from .quantization.calibration import load_calibration

    found = found or resolve(given.network, given.spec, given.size)
    subject = subject_of(
        found, load(found, given.weights, given.weights_key), given.source, given.license
    )
    if subject.said:
        watcher(ExportEvent("note", text=f"Weights of {subject.checkpoint.file}: {subject.said}"))
    sizes = other_sizes(subject.reference, given.coreml_sizes, given.rows)
    image = found.spec.image
    calibrated = load_calibration(given.calibration, image) if given.calibration else None
    check = check_photos(image, given.seen)
    check_at = {size: check_photos(image.resized(*size), given.seen) for size in sizes}
    if known is None:
        _say_left_out(given, watcher)
    request = ExportRequest(
        subject=subject,
        targets=given.rows,
        card=_card(found, subject.checkpoint, given.author),
        options=Options(given.coreml_output, given.tflite_layout, sizes),
        calibration=calibrated,
        recipes=given.recipes,
        check=check,
        check_at=check_at,
        jobs=jobs or default_jobs(),
        known=known,
    )
    return run_export(request, _folder(out, found.spec), watcher)


def check_photos(image: ImageSpec, source: str | PathLike[str] | None) -> NDArray[np.float32]:
    """The photos that files are checked on, (N, 3, H, W) in [0, 1]: evenly spaced over a folder or
    a list file, generated where there is none."""
    if source is None:
        photos = [scene(seed).photo for seed in range(CHECK_PHOTOS)]
    else:
        photos = [read_photo(path) for path in chosen_photos(source, CHECK_PHOTOS).paths]
    return np.concatenate([photo_to_input(photo, image) for photo in photos])


def _folder(out: str | PathLike[str] | None, spec: ModelSpec) -> Path:
    image = spec.image
    side = str(image.height) if image.height == image.width else f"{image.height}x{image.width}"
    return Path(out) if out is not None else Path("exports") / f"{spec.name}-{side}"


def _say_left_out(given: _Given, watcher: Watcher) -> None:
    sources = [given.calibration, given.seen]
    files = [one for one in sources if one is not None and not generated(one)]
    reasons = [reason for one in files for reason in chosen_photos(one, CHECK_PHOTOS).unread]
    say_left_out(reasons, lambda text: watcher(ExportEvent("note", text=text)))


def _budget_of(given: Budget | str | None) -> Budget | None:
    if given is None:
        return None
    from .quantization.budget import budget_of

    return budget_of(given)


def _card(found: Resolved, checkpoint: Checkpoint, author: str) -> Card:
    image = found.spec.image
    summary = found.entry.summary if found.entry else found.factory
    return Card(
        name=found.spec.name,
        author=author or "exported with maskport",
        license=checkpoint.license,
        version=checkpoint.sha256[:12],
        description=f"{summary}. Takes {image.width}x{image.height} RGB.",
        source=checkpoint.source,
    )
