"""From a path to its drift: the artifact in a process of its own, the reference here."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from torch import nn

from ...errors import UsageError
from ...imaging.convert import photo_to_input
from ...precisions import PRECISIONS
from ...runtimes.isolated import IsolatedRunner, Limits, default_memory_limit
from ...specs import ImageSpec
from ..photoset import find_photos
from ..reference import load_reference
from .findings import Drift
from .locate import Located, locate
from .measure import measure_drift

__all__ = ["PHOTOS", "DriftResult", "find_drift"]

# Drift is the same on all photos but for its size, so a few are enough.
PHOTOS = 3
# Seconds to start a runtime, and for one photo through a file with all its tensors shown.
LOAD_SECONDS = 120.0
RUN_SECONDS = 600.0


@dataclass(frozen=True, slots=True)
class DriftResult:
    """An artifact and its drift."""

    located: Located
    drift: Drift


def find_drift(
    path: Path,
    *,
    target: str | None = None,
    bundle: Path | None = None,
    images: Path | None = None,
    count: int = PHOTOS,
    tolerance: float | None = None,
    network: nn.Module | str | None = None,
    weights: Path | None = None,
    weights_key: str | None = None,
    threads: int | None = None,
    located: Callable[[Located], None] = lambda found: None,
    step: Callable[[str], None] = lambda text: None,
    note: Callable[[str], None] = lambda text: None,
) -> DriftResult:
    """Find where an artifact and the untouched network part ways.

    Args:
        path: An artifact of a bundle, or a bundle.
        target: Which of the bundle's artifacts it is.
        bundle: The bundle that ``path`` is a copy from, where it doesn't lie in it.
        images: A folder, a list file or a photo; the built-in scenes where not given.
        count: How many photos to take, evenly spaced.
        tolerance: Of a module's own error; its precision's where not given.
        network: Where the bundle's is not of the catalog; see `load_reference`.
        weights: A checkpoint, instead of the weights that the bundle holds.
        weights_key: Which weights, where the checkpoint holds several sets.
        threads: CPU threads of the artifact's runtime.
        located: Called when the artifact is known, before the work.
        step: Called with what is being done.
        note: Called with what of a checkpoint was taken, and which photos are left out.

    Raises:
        InputError: The artifact, the photos or the reference can't be had.
        ToolError: The artifact's runtime is missing, or fails.
    """
    found = locate(path, bundle, target)
    located(found)
    if tolerance is None:
        tolerance = _of_precision(found.artifact.precision)
    step("loading the reference")
    reference = load_reference(
        found.bundle, network=network, weights=weights, weights_key=weights_key, note=note
    )
    # In a process of its own, because it may be anything.
    limits = Limits(LOAD_SECONDS, RUN_SECONDS, default_memory_limit())
    with IsolatedRunner(found.artifact, found.path, threads=threads, limits=limits) as runner:
        drift = measure_drift(
            reference,
            _photos(images, count, reference.spec.image, note),
            runner.intermediates,
            target=found.artifact.target,
            tolerance=tolerance,
            step=step,
        )
    return DriftResult(found, drift)


def _of_precision(name: str) -> float:
    if name not in PRECISIONS:
        raise UsageError(
            f"Nothing is known of the precision {name!r}.",
            "Say what is tolerated: --tolerance 0.1.",
        )
    return PRECISIONS[name].drift


def _photos(
    images: Path | None, count: int, spec: ImageSpec, note: Callable[[str], None]
) -> NDArray[np.float32]:
    sources = find_photos(images, None, lambda reason: note(f"Photos left out: {reason}"))
    taken = min(count, len(sources))
    places = np.linspace(0, len(sources) - 1, taken).round().astype(int)
    return np.concatenate([photo_to_input(sources[place].read(), spec) for place in places])
