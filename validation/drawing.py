"""The reference's masks of a run: drawn once, kept in a file, taken up again by `--resume`."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..imaging.convert import mask_for_photo
from ..models.devices import cpu_threads
from ..models.prepared import Reference, check_range
from ..specs import MaskSpec
from .comparison import truth_row, truth_values
from .journal import Journal
from .maps import MapStore
from .photoset import PhotoSet
from .planes import Planes
from .results import PhotoResult

__all__ = ["draw_references", "score_references"]

Map = NDArray[np.float32]


def draw_references(
    reference: Reference,
    photos: PhotoSet,
    device: str,
    file: Path,
    journal: Journal,
    maps: MapStore | None,
    step: Callable[[str], None],
    threads: int,
) -> Planes:
    """What the untouched network draws of each photo.

    Args:
        reference: The network.
        photos: Prepared.
        device: Where it draws.
        file: Keeps the masks.
        journal: Knows which of them are there, and is told of each.
        maps: Keeps them for the report; None where there is none.
        step: Called with what is being done.
        threads: Of the CPU; sums' last bits depend on how many there are.

    Returns:
        (N, C, H, W) in [0, 1], in the file.

    Raises:
        NetworkError: The network itself draws what is no mask.
        ToolError: There is no room for the file.
    """
    image, mask = reference.spec.image, reference.spec.mask
    shape = (len(photos), mask.channels, image.height, image.width)
    masks = Planes(file, shape, again=journal.resumed)
    missing = [p for p in range(len(photos)) if not (masks.kept and journal.reference_drawn(p))]
    drawn = reference.drawing((photos.inputs[p] for p in missing), device)
    with cpu_threads(threads), contextlib.closing(drawn):  # type: ignore[type-var]
        for count, position in enumerate(missing, 1):
            step(f"drawing the reference's masks on {device} {count}/{len(missing)}")
            began = time.monotonic()
            masks[position] = found = next(drawn)
            seconds = time.monotonic() - began
            check_range(found, reference.spec)
            if maps is not None:
                own = mask_for_photo(found, mask, image.height, image.width)
                maps.save_reference(position, own)
            journal.enter("drawn", position=position, seconds=seconds)
    return masks


def score_references(
    photos: PhotoSet, references: Planes, spec: MaskSpec
) -> tuple[list[NDArray[np.float64]], list[PhotoResult]]:
    """The reference's own masks against the ground truth: rows of `metrics.saliency_rows` of the
    photos that have one, and what is said of each.

    Nothing where there is no ground truth.
    """
    if not photos.wants_truth:
        return [], []
    rows, results = [], []
    for position, photo in enumerate(photos.photos):
        final = mask_for_photo(references[position], spec, photo.height, photo.width)
        row = truth_row(photos, position, final[None])
        if row is not None:
            rows.append(row)
        results.append(PhotoResult(photo=photo.name, metrics={}, truth=truth_values(row)))
    return rows, results
