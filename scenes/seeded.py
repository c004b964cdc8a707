"""One photo and its mask from a seed."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from .camera import photographed
from .colors import apart
from .composition import compose
from .fields import Plane, resized, to_planes

__all__ = ["Scene", "scene", "visibility"]

# A scene that fails is drawn again from the next stream of its seed; one in fifty does.
ATTEMPTS = 12
# Least visibility of the objects' edges in the photo, which may be dark, hazy or restless; found
# by looking: below it, one in two is hard to find.
VISIBLE = 0.06
# Least and most of the frame that objects may cover.
LEAST, MOST = 0.025, 0.68
# From here on an edge is clear, and this much of the ground's deviation is taken off, because
# in a restless ground the same edge is harder to see.
CLEAR, UNREST = 0.2, 0.3


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


def visibility(photo: NDArray[np.uint8], mask: Plane) -> float:
    """How clearly the objects' edges show in a photo, as `colours.difference` counts.

    At a quarter of 320 pixels the mean colours on both sides of each edge are compared. The
    result is the mean over the edge, where what is clear already counts no further, less a
    share of the ground's own contrasts: at most 0.2. 0 for an empty mask.
    """
    height, width = mask.shape
    factor = max(1.0, min(height, width) / 80)
    rows, columns = max(1, round(height / factor)), max(1, round(width / factor))
    reduced = Image.fromarray(photo).resize((columns, rows), Image.Resampling.BOX)
    planes = to_planes(reduced)
    mask = resized(mask, rows, columns, Image.Resampling.BOX)

    def around(plane: Plane) -> Plane:
        image = Image.fromarray(plane)
        tiny = image.resize((max(1, columns // 4), max(1, rows // 4)), Image.Resampling.BOX)
        return np.asarray(tiny.resize((columns, rows), Image.Resampling.BILINEAR))

    share = around(mask)
    edge = (share > 0.15) & (share < 0.85)
    if not edge.any():
        return 0.0
    steps = []
    for plane in planes:
        inside = around(plane * mask)[edge] / share[edge]
        outside = around(plane * (1 - mask))[edge] / (1 - share[edge])
        steps.append(inside - outside)
    clear = np.minimum(apart(*steps), CLEAR).mean()
    weights = np.array([0.3, 0.59, 0.11], np.float32)
    ground = np.tensordot(weights, planes, 1)[mask < 0.05]
    return float(clear) - UNREST * float(np.std(ground) if ground.size else 0)
