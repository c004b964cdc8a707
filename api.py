"""What the command line does, as functions.

This module wires the rooms together, so it may import all of them; the logic is theirs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from .artifacts.bundle import Bundle
from .artifacts.manifest import Checkpoint
from .errors import UsageError
from .exporters.adopt import AdoptRequest, run_adoption, size_of
from .exporters.export import ExportEvent, ExportRequest, Watcher, default_jobs, run_export
from .exporters.flexible import other_sizes
from .exporters.recipes import recipes_of
from .exporters.run import Card, CoreMLOutput, Options
from .exporters.subject import subject_of
from .exporters.targets import needs_photos, select
from .exporters.ways import Way
from .imaging.convert import photo_to_input
from .imaging.photos import list_photos, read_photo
from .models.devices import best_device
from .models.prepared import PreparedMask, Reference, check_output, prepare
from .models.resolve import Resolved, Weights, load, resolve
from .quantization.budget import Budget, Prefer, budget_of
from .quantization.calibration import generated, load_calibration
from .quantization.mix import Mixed, check_apart, find_mix, held_out
from .quantization.recipe import Recipe, named, recipe_of
from .quantization.search import Try
from .quantization.sensitivity import Analysis, analyse
from .quantization.suitability import evenly_spaced
from .runtimes.inspect.isolated import Inspector
from .runtimes.isolated import Limits, default_memory_limit
from .scenes import scene
from .scenes.seeds import EVALUATION
from .specs import ImageSpec, ModelSpec

if TYPE_CHECKING:
    from torch import nn

__all__ = ["ExportEvent", "adopt", "export", "quantize", "sensitivity"]

# So many photos are enough to tell a broken file, and few enough not to cost time.
CHECK_PHOTOS = 4
# Seconds that loading a file of another tool may take, and one photo in it.
ADOPTING = 120.0
# Each costs a sensitivity analysis an inference a part.
JUDGED = 8


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
    found = resolve(network, spec, size)
    if calibration is None and found.entry is not None:
        calibration = found.entry.calibration or None
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
    given = None if recipe is None else recipe_of(recipe)
    recipes = recipes_of(rows, given, None if budget is None else budget_of(budget), prefer)
    watcher = watch or (lambda event: None)

    def note(text: str) -> None:
        watcher(ExportEvent("note", text=text))

    taken = load(found, weights, weights_key)
    _say_taken(taken, note)
    subject = subject_of(found, taken, source, license)
    other = coreml_sizes.split(",") if isinstance(coreml_sizes, str) else coreml_sizes
    sizes = other_sizes(subject.reference, other, rows)
    calibrated = load_calibration(calibration, found.spec.image) if calibration else None
    image = found.spec.image
    seen = photos or (None if generated(calibration) else calibration)
    check, unread = _check_photos(image, seen)
    check_at = {size: _check_photos(image.resized(*size), seen)[0] for size in sizes}
    _say_left_out([*(calibrated.unread if calibrated is not None else ()), *unread], note)
    side = str(image.height) if image.height == image.width else f"{image.height}x{image.width}"
    request = ExportRequest(
        subject=subject,
        targets=rows,
        card=_card(found, subject.checkpoint, author),
        options=Options(coreml_output, tflite_layout, sizes),
        calibration=calibrated,
        recipes=recipes,
        check=check,
        check_at=check_at,
        jobs=jobs or default_jobs(),
    )
    folder = Path(out) if out is not None else Path("exports") / f"{found.spec.name}-{side}"
    return run_export(request, folder, watcher)


def adopt(
    files: Iterable[str | PathLike[str]],
    *,
    network: str | nn.Module,
    out: str | PathLike[str],
    weights: str | PathLike[str] | None = None,
    weights_key: str | None = None,
    spec: ModelSpec | None = None,
    size: int | str | tuple[int, int] | None = None,
    photos: str | PathLike[str] | None = None,
    license: str = "",
    source: str = "",
    time_limit: float | None = None,
    memory_limit: int | None = None,
    watch: Callable[[str], None] = lambda text: None,
) -> tuple[Bundle, list[Way]]:
    """Make a bundle of files that other tools made, how each is fed and read found by trying.

    Args:
        files: Of any format that maskport makes.
        network: What they draw, as `export` takes it.
        out: The bundle's folder; a bundle that is there is replaced.
        weights: As `export` takes them.
        weights_key: Likewise.
        spec: Likewise.
        size: Likewise; what the files say where None.
        photos: Folder or list file of photos to try them on; generated scenes where None.
        license: Of the weights, for the manifest.
        source: Where they came from, likewise.
        time_limit: Seconds that loading a file may take, and one photo in it; 120 where None.
        memory_limit: Bytes that a file's process may take; half of the memory where None.
        watch: Told what is being done.

    Returns:
        The bundle, and the way of each of its artifacts.

    Raises:
        InputError: A file can't be read, or draws another mask than the network however it is fed.
    """
    with Inspector() as inspector:
        found_files = []
        for path in map(Path, files):
            watch(f"reading {path.name}")
            found_files.append((path, inspector.inspect(path)))
    watch("loading the network")
    found = resolve(network, spec, size or size_of(found_files))
    if (found.spec.image.height, found.spec.image.width) == (1, 1):
        raise UsageError("No file says the size of its photo.", "Give --size.")
    subject = subject_of(found, load(found, weights, weights_key), source, license)
    images, unread = _check_photos(found.spec.image, photos)
    _say_left_out(unread, watch)
    seconds = time_limit or ADOPTING
    limits = Limits(seconds, seconds, memory_limit or default_memory_limit())
    request = AdoptRequest(subject, tuple(found_files), images, limits)
    return run_adoption(request, Path(out), watch)


def sensitivity(
    network: str | nn.Module,
    *,
    weights: str | PathLike[str] | None = None,
    weights_key: str | None = None,
    spec: ModelSpec | None = None,
    size: int | str | tuple[int, int] | None = None,
    calibration: str | PathLike[str] | None = None,
    photos: str | PathLike[str] | None = None,
    recipe: Recipe | None = None,
    watch: Callable[[str, int, int], None] = lambda text, done, total: None,
    note: Callable[[str], None] = lambda text: None,
) -> Analysis:
    """What INT8 costs each part of a network: fidelity in integers, time in float.

    Args:
        network: As `export` takes it.
        weights: Likewise.
        weights_key: Likewise.
        spec: Likewise.
        size: Likewise, or as text: ``"320"``, ``"320x480"``.
        calibration: Likewise.
        photos: Folder or list file, or ``"scenes:N"``, of photos to compare masks on; eight of
            the calibration photos where None.
        recipe: Its rewrites and ranges are used; those of ``best`` where None.
        watch: Told what is being done, how far it is, and of how much (0 where that is unknown).
        note: Told what of a file was taken, and which photos were left out.

    Raises:
        InputError: Something given can't be used.
    """
    seen = _calibrated_view(
        network, weights, weights_key, spec, size, calibration, photos, watch, note
    )
    shown, judged, base = seen.shown, seen.others, recipe or named("best")
    if judged is None:
        judged = shown[evenly_spaced(len(shown), JUDGED)]
    return analyse(seen.view, shown, judged, seen.threshold, base, watch, best_device())


def quantize(
    network: str | nn.Module,
    *,
    budget: Budget | str,
    prefer: Prefer = "latency",
    weights: str | PathLike[str] | None = None,
    weights_key: str | None = None,
    spec: ModelSpec | None = None,
    size: int | str | tuple[int, int] | None = None,
    calibration: str | PathLike[str] | None = None,
    photos: str | PathLike[str] | None = None,
    recipe: Recipe | str | PathLike[str] | None = None,
    watch: Callable[[str, int, int], None] = lambda text, done, total: None,
    tell: Callable[[Try], None] = lambda tried: None,
    note: Callable[[str], None] = lambda text: None,
) -> Mixed:
    """The recipe that holds a budget, found on some photos and verified on others.

    Args:
        network: As `export` takes it.
        budget: What masks must hold, see `quantization.budget.read_budget`.
        prefer: The fastest that holds it, or with parts in float that cost next to nothing.
        weights: As `export` takes them.
        weights_key: Likewise.
        spec: Likewise.
        size: Likewise, or as text: ``"320"``, ``"320x480"``.
        calibration: Likewise.
        photos: Folder or list file, or ``"scenes:N"``, of photos to verify on; every third of
            the calibration photos where None, which then is not calibrated on.
        recipe: What is done to the parts in integers; ``best`` where None. Its ``finetune`` is the
            last resort: so many steps of what comes nearest, where no mix holds the budget within
            the time that it allows.
        watch: Told what is being done, how far it is, and of how much (0 where that is unknown).
        tell: Told of each mix that was tried.
        note: Told what of a file was taken, and which photos were left out.

    Raises:
        InputError: Something given can't be used.
    """
    base, wanted = recipe_of(recipe or "best"), budget_of(budget)
    seen = _calibrated_view(
        network, weights, weights_key, spec, size, calibration, photos, watch, note
    )
    shown, others = (seen.shown, seen.others) if seen.others is not None else held_out(seen.shown)
    check_apart(shown, others)
    view, threshold, device = seen.view, seen.threshold, best_device()
    return find_mix(view, shown, others, threshold, base, wanted, prefer, watch, tell, device)


@dataclass(frozen=True)
class _CalibratedView:
    """A network as it is exported, and photos (N, 3, H, W) to calibrate and to judge on."""

    view: PreparedMask
    threshold: float
    shown: NDArray[np.uint8]
    others: NDArray[np.uint8] | None


def _calibrated_view(
    network: str | nn.Module,
    weights: str | PathLike[str] | None,
    weights_key: str | None,
    spec: ModelSpec | None,
    size: int | str | tuple[int, int] | None,
    calibration: str | PathLike[str] | None,
    photos: str | PathLike[str] | None,
    watch: Callable[[str, int, int], None],
    note: Callable[[str], None],
) -> _CalibratedView:
    found = resolve(network, spec, size)
    calibration = calibration or (found.entry.calibration if found.entry else "")
    if not calibration:
        raise UsageError(
            "Ranges of integers come from photos, and none were given.",
            "Give --calibration DIR with some dozens of typical photos.",
        )
    watch("loading the weights", 0, 0)
    _say_taken(load(found, weights, weights_key), note)
    check_output(Reference(found.module, found.spec), found.spec)
    image = found.spec.image
    shown = load_calibration(calibration, image)
    others = load_calibration(photos, image, first=EVALUATION) if photos else None
    _say_left_out([*shown.unread, *(others.unread if others is not None else ())], note)
    view, judged = prepare(found.module, found.spec), None if others is None else others.pixels
    return _CalibratedView(view, found.spec.mask.threshold, shown.pixels, judged)


def _say_taken(weights: Weights, note: Callable[[str], None]) -> None:
    """What of a file was taken for weights, where it is more than weights."""
    if str(weights.taken):
        note(f"Weights of {weights.file}: {weights.taken}")


def _say_left_out(reasons: Iterable[str], note: Callable[[str], None]) -> None:
    """Photos that were given and are not read."""
    for reason in dict.fromkeys(reasons):
        note(f"Photos left out: {reason}")


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


def _check_photos(
    image: ImageSpec, source: str | PathLike[str] | None
) -> tuple[NDArray[np.float32], list[str]]:
    """(N, 3, H, W) in [0, 1], evenly spaced over the source; and which of it is not read."""
    unread: list[str] = []
    if source is None:
        chosen = [scene(seed).photo for seed in range(CHECK_PHOTOS)]
    else:
        found = list_photos(Path(source))
        paths, unread = found.paths, found.reasons
        chosen = [read_photo(paths[i]) for i in evenly_spaced(len(paths), CHECK_PHOTOS)]
    return np.concatenate([photo_to_input(photo, image) for photo in chosen]), unread
