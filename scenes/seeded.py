"""One photo and its mask from a seed."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .camera import photographed
from .composition import compose
from .visibility import visibility

__all__ = ["Scene", "scene"]

# A scene that fails is drawn again from the next stream of its seed; one in fifty does.
ATTEMPTS = 12
# Least visibility of the objects' edges in the photo, which may be dark, hazy or restless; found
# by looking: below it, one in two is hard to find.
VISIBLE = 0.06
# Least and most of the frame that objects may cover.
LEAST, MOST = 0.025, 0.68


@dataclass(frozen=True)
class Scene:
    """A photo and what is salient in it.

    Attributes:
        photo: (H, W, 3), RGB bytes.
        mask: (H, W) in [0, 1]: the share of each pixel that belongs to a salient object and is
            not hidden. Edges are smooth; holes and gaps are left out, and so are shadows and
            reflections.
    """

    photo: NDArray[np.uint8]
    mask: NDArray[np.float32]


def scene(seed: int, height: int = 320, width: int = 320) -> Scene:
    """A generated photo of one to three objects, the same for the same arguments.

    The numbers are NumPy's PCG64 and the drawing is Pillow's, so other versions of either may
    draw slightly other pixels.

    Args:
        seed: Not negative. Different seeds give unlike scenes: another backdrop, other objects,
            other light, another camera.
        height: Rows, from 1.
        width: Columns, from 1.
    """
    # A long frame has no room for an object that covers much of it.
    least = LEAST * min(1.0, 2 * min(height, width) / max(height, width))
    failed: list[Scene] = []
    for attempt in range(ATTEMPTS):
        rng = np.random.default_rng([seed, height, width, attempt])
        planes, mask = compose(rng, height, width)
        covered = float(mask.mean())
        sound = least <= covered <= MOST and bool(mask.max() > 0.5)
        drawn = Scene(photographed(rng, planes), mask)
        if sound and visibility(drawn.photo, mask) >= VISIBLE:
            return drawn
        failed.append(drawn)
    # Frames of a few pixels have no edges to judge: there the largest object is taken.
    return max(failed, key=lambda drawn: float(drawn.mask.mean()))
