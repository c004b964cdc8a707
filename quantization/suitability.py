"""Whether a calibration set can give ranges that hold for other photos."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from torch import Tensor

__all__ = [
    "ENOUGH",
    "LIGHTS",
    "NOTHING",
    "VARIED",
    "apart",
    "evenly_spaced",
    "objections",
    "unsure",
]

LIGHTS = (0.6, 1.4)
"""The least and the most light of photos that are varied."""

# Of photos that are given as one set, every so many-th is kept for a verification.
KEPT_APART = 3

ENOUGH = 16
"""Below so many photos a range is that of single ones."""

VARIED = 24
"""From so many photos on, they vary enough by themselves (docs/quantization.md)."""

# Photos are compared as so many cells a side.
CELLS = 8
# Mean standard deviation of a cell's colour over the photos, in grey levels. Ten crops of one
# photo in changing light have 10 to 25; sets of photos of one kind (skies, people) 42 to 56.
ALIKE = 20.0
# Share of a photo below which its mask is empty, and above whose complement it is full.
NOTHING = 0.002
# Where a mask says neither no nor yes, and the share of a photo that is most of it.
SURE = 0.05
MOST = 0.5


def objections(
    pixels: NDArray[np.uint8], masks: NDArray[np.float32], threshold: float
) -> tuple[str, ...]:
    """What speaks against a calibration set, each with its reason; nothing where it will do.

    Args:
        pixels: (N, 3, H, W), all photos of the set.
        masks: (M, C, H, W) in [0, 1], what the network draws for some of them.
        threshold: From which a pixel belongs to the object.
    """
    found = []
    count = len(pixels)
    if count < ENOUGH:
        found.append(
            f"{count} calibration photo{'s' if count > 1 else ''}: ranges follow each of so few; "
            f"{ENOUGH} or more of the kind that users take hold better"
        )
    if count > 1 and _spread(pixels) < ALIKE:
        found.append(
            "the calibration photos are all alike: other photos have values beyond their ranges; "
            "take other scenes, light and colours too"
        )
    if masks.shape[1] == 1 and len(masks):
        covered = (masks >= threshold).mean((1, 2, 3))
        if (covered < NOTHING).all():
            found.append(
                "the network draws nothing on the calibration photos: ranges of its last layers "
                "are those of background; take photos with something to draw"
            )
        elif (covered > 1 - NOTHING).all():
            found.append(
                "the network's masks of the calibration photos are all full: take photos with "
                "background too"
            )
    return tuple(found)


def apart(count: int) -> NDArray[np.bool_]:
    """Which of so many photos are kept for a verification; none of fewer than three."""
    chosen: NDArray[np.bool_] = np.arange(count) % KEPT_APART == KEPT_APART - 1
    return chosen


def unsure(masks: Tensor) -> Tensor:
    """(N,) of masks (N, C, H, W): whether most of one is between `SURE` and ``1 - SURE``."""
    between = (masks > SURE) & (masks < 1 - SURE)
    return between.flatten(1).float().mean(1) > MOST


def evenly_spaced(count: int, most: int) -> NDArray[np.int64]:
    """Positions of at most ``most`` of ``count`` items, the first and the last among them."""
    return np.linspace(0, count - 1, min(count, most)).round().astype(np.int64)


def _spread(pixels: NDArray[np.uint8]) -> float:
    """How much the photos' cells differ from photo to photo, in grey levels."""
    _, _, height, width = pixels.shape
    rows, columns = (np.array_split(np.arange(n), min(CELLS, n)) for n in (height, width))
    cells = [
        pixels[:, :, r[0] : r[-1] + 1, c[0] : c[-1] + 1].mean((2, 3)) for r in rows for c in columns
    ]
    return float(np.std(np.stack(cells), axis=1).mean())
