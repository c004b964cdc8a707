"""Errors as heat maps: colours whose steps look equally far apart."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

__all__ = ["COLORS", "NOT_A_NUMBER", "Heat", "heat_map"]

# A colour that the ramp never comes near, in any kind of colour vision.
NOT_A_NUMBER: Final = (0, 229, 255)
# Tops of scales. Few, so that maps of one scale compare by eye.
SCALES = (0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0)
# Of the pixels, these many percent lie within the scale; a few outliers must not blacken the rest.
WITHIN = 99.5

# sRGB, from no error to the scale's top: black over violet, red and orange to pale yellow. Oklab's
# lightness rises evenly from 0.06 to 0.97, so that it alone tells the order, in grays and to the
# colour-blind; hue only helps.
COLORS: Final = np.frombuffer(
    bytes.fromhex(
        """
        010003 02010c 060218 0d0324 160431 1f043e 2a044a 360256
        410b5d 4e0a67 5d0e6b 71016e 81076b 910e66 a1155f b01e57
        be284d ca3441 d64030 df4f21 e65e1d ec6c1c f27a1d f78823
        fb962b ffa538 fdb54f fbc466 fad37d f9e094 faedab fcf9c2
        """
    ),
    np.uint8,
).reshape(-1, 3)


@dataclass(frozen=True)
class Heat:
    """An error map, ready to be drawn.

    Attributes:
        pixels: (h, w, 3) bytes.
        scale: The error that has the brightest colour; larger ones share it.
        maximum: Largest error that is a number; None where none is.
        at: Where it is: x and y in [0, 1] from the top left corner.
        not_numbers: Pixels without a number, drawn in `NOT_A_NUMBER`.
    """

    pixels: NDArray[np.uint8]
    scale: float
    maximum: float | None
    at: tuple[float, float]
    not_numbers: int


def heat_map(error: NDArray[np.floating], side: int) -> Heat:
    """Colour an error map.

    Args:
        error: (h, w), at least 0, or not finite.
        side: Longest side of the result; a pixel shows the largest error of those it stands for.
    """
    error = error.astype(np.float32)
    finite = np.isfinite(error)
    known = np.where(finite, error, 0)
    row, column = np.unravel_index(int(known.argmax()), error.shape)
    top = float(np.percentile(known[finite], WITHIN)) if finite.any() else 0.0
    scale = next((step for step in SCALES if step >= top), SCALES[-1])
    small = _largest(np.where(finite, error, np.inf), side)
    steps = np.minimum(small / scale, 1) * (len(COLORS) - 1)
    pixels = COLORS[np.rint(steps).astype(np.intp)]
    pixels[np.isinf(small)] = NOT_A_NUMBER
    return Heat(
        pixels,
        scale,
        float(known.max()) if finite.any() else None,
        ((float(column) + 0.5) / error.shape[1], (float(row) + 0.5) / error.shape[0]),
        int(np.count_nonzero(~finite)),
    )


def _largest(error: NDArray[np.float32], side: int) -> NDArray[np.float32]:
    """Scale down by the largest of each block, so that no peak is lost."""
    step = max(error.shape) / side
    if step <= 1:
        return error
    for axis in (0, 1):
        size = max(1, math.floor(error.shape[axis] / step))
        starts = np.arange(size) * error.shape[axis] // size
        error = np.maximum.reduceat(error, starts, axis)
    return error
