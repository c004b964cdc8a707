"""What the command line does, as functions.

This module wires the rooms together, so it may import all of them; the logic is theirs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from .artifacts.bundle import Bundle
from .errors import UsageError
from .exporters.adopt import AdoptRequest, run_adoption, size_of
from .exporters.subject import subject_of
from .exporters.ways import Way
from .exporting import ExportEvent, check_photos, export
from .imaging.photos import say_left_out
from .models.devices import best_device
from .models.prepared import PreparedMask, Reference, check_output, prepare
from .models.resolve import Weights, load, resolve
from .quantization.budget import Budget, Prefer, budget_of
from .quantization.calibration import chosen_photos, load_calibration
from .quantization.mix import Mixed, check_apart, find_mix, held_out
from .quantization.recipe import Recipe, named, recipe_of
from .quantization.search import Try
from .quantization.sensitivity import Analysis, analyse
from .quantization.suitability import evenly_spaced
from .runtimes.inspect.isolated import Inspector
from .runtimes.isolated import Limits, default_memory_limit
from .scenes.seeds import EVALUATION
from .specs import ModelSpec

if TYPE_CHECKING:
    from torch import nn

__all__ = ["ExportEvent", "adopt", "export", "quantize", "sensitivity"]

# Seconds that loading a file of another tool may take, and one photo in it.
ADOPTING = 120.0
# Each costs a sensitivity analysis an inference a part.
JUDGED = 8


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
    images = check_photos(found.spec.image, photos)
    say_left_out(chosen_photos(photos).unread if photos else (), watch)
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
    say_left_out([*shown.unread, *(others.unread if others is not None else ())], note)
    view, judged = prepare(found.module, found.spec), None if others is None else others.pixels
    return _CalibratedView(view, found.spec.mask.threshold, shown.pixels, judged)


def _say_taken(weights: Weights, note: Callable[[str], None]) -> None:
    """What of a file was taken for weights, where it is more than weights."""
    if str(weights.taken):
        note(f"Weights of {weights.origin.file}: {weights.taken}")
