"""Errors as heat maps: colours whose steps look equally far apart."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

__all__ = ["COLORS", "NOT_A_NUMBER", "Heat", "heat_map", "lightness"]

STEPS = 32
# A colour that the ramp never comes near, in any kind of colour vision.
NOT_A_NUMBER: Final = (0, 229, 255)
# Tops of scales. Few, so that maps of one scale compare by eye.
SCALES = (0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0)
# Of the pixels, these many percent lie within the scale; a few outliers must not blacken the rest.
WITHIN = 99.5

# Ottosson, "A perceptual color space for image processing" (2020): Oklab to linear sRGB.
_LAB_TO_LMS = np.array(
    [
        [1.0, 0.3963377774, 0.2158037573],
        [1.0, -0.1055613458, -0.0638541728],
        [1.0, -0.0894841775, -1.2914855480],
    ]
)
_LMS_TO_RGB = np.array(
    [
        [4.0767416621, -3.3077115913, 0.2309699292],
        [-1.2684380046, 2.6097574011, -0.3413193965],
        [-0.0041960863, -0.7034186147, 1.7076147010],
    ]
)


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
    steps = np.minimum(small / scale, 1) * (STEPS - 1)
    pixels = COLORS[np.rint(steps).astype(np.intp)]
    pixels[np.isinf(small)] = NOT_A_NUMBER
    return Heat(
        pixels,
        scale,
        float(known.max()) if finite.any() else None,
        ((float(column) + 0.5) / error.shape[1], (float(row) + 0.5) / error.shape[0]),
        int(np.count_nonzero(~finite)),
    )


def lightness(color: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Oklab's L in [0, 1] of (..., 3) sRGB bytes."""
    encoded = color / 255
    linear = np.where(encoded <= 0.04045, encoded / 12.92, ((encoded + 0.055) / 1.055) ** 2.4)
    lms = np.cbrt(linear @ np.linalg.inv(_LMS_TO_RGB).T)
    return np.asarray((lms @ np.linalg.inv(_LAB_TO_LMS).T)[..., 0], np.float64)


def _ramp(steps: int) -> NDArray[np.uint8]:
    """Black over violet, red and orange to pale yellow, lightness rising evenly.

    Lightness alone tells the order, in greys and to the colour-blind; hue only helps.
    """
    t = np.linspace(0, 1, steps)
    level = 0.06 + 0.91 * t
    hue = np.radians(np.interp(t, [0, 0.3, 0.6, 0.8, 1], [-80, -45, 35, 65, 105]))
    chroma = np.interp(t, [0, 0.3, 0.6, 0.8, 1], [0.02, 0.17, 0.19, 0.16, 0.07])
    for _ in range(40):
        lab = np.stack([level, chroma * np.cos(hue), chroma * np.sin(hue)], -1)
        rgb = (lab @ _LAB_TO_LMS.T) ** 3 @ _LMS_TO_RGB.T
        outside = ((rgb < 0) | (rgb > 1)).any(-1)
        if not outside.any():
            break
        # Out of what screens show: paler, at the same lightness.
        chroma = np.where(outside, chroma * 0.9, chroma)
    rgb = np.clip(rgb, 0, 1)
    encoded = np.where(rgb <= 0.0031308, 12.92 * rgb, 1.055 * rgb ** (1 / 2.4) - 0.055)
    colors: NDArray[np.uint8] = np.rint(encoded * 255).astype(np.uint8)
    return colors


COLORS: Final = _ramp(STEPS)
"""(32, 3) sRGB bytes, for no error to the scale's top."""


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
