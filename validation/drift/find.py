"""From an artifact to its drift: the artifact in a process of its own, the reference here."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ...errors import UsageError
from ...imaging.convert import photo_to_input
from ...imaging.photos import say_left_out
from ...precisions import PRECISIONS
from ...runtimes.isolated import IsolatedRunner, Limits, default_memory_limit
from ...specs import ImageSpec
from ..options import NetworkOptions
from ..photoset import find_photos
from ..reference import OWN, load_reference
from .findings import Drift
from .locate import Located
from .measure import measure_drift

__all__ = ["PHOTOS", "find_drift"]

# Drift is the same on all photos but for its size, so a few are enough.
PHOTOS = 3
# Seconds to start a runtime, and for one photo through a file with all its tensors shown.
LOAD_SECONDS = 120.0
RUN_SECONDS = 600.0


def find_drift(
    found: Located,
    given: NetworkOptions = OWN,
    *,
    images: Path | None = None,
    count: int = PHOTOS,
    tolerance: float | None = None,
    threads: int | None = None,
    force: bool = False,
    step: Callable[[str], None] = lambda text: None,
    note: Callable[[str], None] = lambda text: None,
) -> Drift:
    """Find where an artifact and the untouched network part ways.

    Args:
        found: From `locate`.
        given: What is taken instead of the bundle's own network and weights.
        images: A folder, a list file or a photo; the built-in scenes where not given.
        count: How many photos to take, evenly spaced.
        tolerance: Of a module's own error; its precision's where not given.
        threads: CPU threads of the artifact's runtime.
        force: Run a file that is not the one of its manifest.
        step: Called with what is being done.
        note: Called with what of a checkpoint was taken, and which photos are left out.

    Raises:
        InputError: The photos or the reference can't be had.
        ChangedError: The file is not the one of its manifest.
        ToolError: The artifact's runtime is missing, or fails.
    """
    precision = found.artifact.precision
    if tolerance is None and precision not in PRECISIONS:
        raise UsageError(
            f"Nothing is known of the precision {precision!r}.",
            "Say what is tolerated: --tolerance 0.1.",
        )
    step("loading the reference")
    reference = load_reference(found.bundle, given, note)
    # In a process of its own, because it may be anything.
    limits = Limits(LOAD_SECONDS, RUN_SECONDS, default_memory_limit())
    with IsolatedRunner(
        found.artifact, found.path, threads=threads, limits=limits, force=force
    ) as runner:
        return measure_drift(
            reference,
            _photos(images, count, reference.spec.image, note),
            runner.intermediates,
            target=found.artifact.target,
            tolerance=PRECISIONS[precision].drift if tolerance is None else tolerance,
            step=step,
        )


def _photos(
    images: Path | None, count: int, spec: ImageSpec, note: Callable[[str], None]
) -> NDArray[np.float32]:
    found = find_photos(images)
    say_left_out(found.left_out, note)
    sources, taken = found.sources, min(count, len(found.sources))
    places = np.linspace(0, len(sources) - 1, taken).round().astype(int)
    return np.concatenate([photo_to_input(sources[place].read(), spec) for place in places])
