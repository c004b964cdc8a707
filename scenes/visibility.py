"""Whether a person would find the objects of a photo."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from .colors import apart
from .fields import Plane, resized, to_planes

__all__ = ["visibility"]

# From here on an edge is clear, and this much of the ground's deviation is taken off, because
# in a restless ground the same edge is harder to see.
CLEAR, UNREST = 0.2, 0.3


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
    clear = np.minimum(apart(*steps), np.float32(CLEAR)).mean()
    weights = np.array([0.3, 0.59, 0.11], np.float32)
    ground = np.tensordot(weights, planes, 1)[mask < 0.05]
    return float(clear) - UNREST * float(np.std(ground) if ground.size else 0)
