"""From a mask to what a cut-out is made of: opacity, and the object's own colors at its edges."""

from __future__ import annotations

from contextlib import redirect_stdout
from io import StringIO
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

from ..errors import MissingToolError

__all__ = ["cleaned", "foreground", "matted"]

Pixels = NDArray[np.uint8]
Map = NDArray[np.float32]

# Below and above, a mask is taken for nothing and for all: a veil over the whole photo shows on any
# new background.
LOW, HIGH = 0.04, 0.96
# Islands smaller than that part of the photo are specks.
SPECK: Final = 2e-4
# Longest side at which colors are spread, and the widths of the passes there.
SMALL: Final = 256
WIDTHS: Final = (45, 15, 5)
# Sides of a trimap's unknown band, as a part of the photo's diagonal.
BAND: Final = 0.01


def cleaned(alpha: Map) -> Map:
    """Opacity (H, W) in [0, 1] without veils, and without islands that are specks.

    What is nearest to the largest part is never taken out: an object of specks stays.
    """
    stretched: Map = np.clip((alpha - np.float32(LOW)) / np.float32(HIGH - LOW), 0, 1)
    islands, count = ndimage.label(stretched > 0)
    if count > 1:
        sizes = np.bincount(islands.ravel(), minlength=count + 1)
        least = min(SPECK * alpha.size, sizes[1:].max())
        small = np.flatnonzero(sizes < least)
        if len(small):
            stretched[np.isin(islands, small)] = 0
    return stretched


def foreground(photo: Pixels, alpha: Map) -> Pixels:
    """The object's own colors (H, W, 3) where it is partly transparent; elsewhere the photo's.

    A photo's pixel at an edge is a mix of the object and what is behind it. M. Forte, "Approximate
    Fast Foreground Colour Estimation", ICIP 2021: colors of either side are spread by blurs, from
    wide to narrow, and corrected by what the photo shows. The blurs are made at no more than 256
    pixels.

    Args:
        photo: (H, W, 3), RGB bytes.
        alpha: (H, W) in [0, 1].
    """
    edge = (alpha > 0) & (alpha < 1)
    if not edge.any():
        return photo
    height, width = alpha.shape
    scale = min(1.0, SMALL / max(height, width))
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    small = _resized(photo, size).astype(np.float32)
    opacity = _plane(alpha, size)[..., None]
    front, back = small, small
    for blur in WIDTHS:
        front, back = _spread(small, front, back, opacity, blur)
    at = np.nonzero(edge)
    fronts, backs = (_at(side, (width, height), at) for side in (front, back))
    weight = alpha[at][:, None]
    seen = photo[at].astype(np.float32)
    corrected = fronts + weight * (seen - weight * fronts - (1 - weight) * backs)
    colors = photo.copy()
    colors[at] = np.clip(np.rint(corrected), 0, 255)
    return colors


def matted(photo: Pixels, alpha: Map) -> Map:
    """Opacity (H, W) in [0, 1] whose edges are solved for from the photo, for hair and fur.

    A. Levin et al., "A Closed-Form Solution to Natural Image Matting", 2008, by pymatting; unknown
    is a band around the mask's edge. At no more than a megapixel, which takes ten seconds or more.

    Raises:
        MissingToolError: pymatting is not installed.
    """
    try:
        import pymatting
    except ImportError as exc:
        raise MissingToolError("pymatting", "apps", "alpha matting") from exc
    height, width = alpha.shape
    scale = min(1.0, (1e6 / alpha.size) ** 0.5)
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    trimap = _trimap(_plane(alpha, size))
    if not (trimap == 0).any() or not (trimap == 1).any():
        return alpha  # it solves between what is surely in and surely out
    colors = _resized(photo, size).astype(np.float64) / 255
    with redirect_stdout(StringIO()):  # it prints of a slower way to the same result
        solved: Any = pymatting.estimate_alpha_cf(colors, trimap.astype(np.float64))
    return np.clip(_plane(solved.astype(np.float32), (width, height)), 0, 1)


def _trimap(alpha: Map) -> Map:
    """0 behind, 1 in front, 0.5 in a band between."""
    rounds = max(1, round(BAND * float(np.hypot(*alpha.shape))))
    sure = ndimage.binary_erosion(alpha > HIGH, iterations=rounds)
    maybe = ndimage.binary_dilation(alpha > LOW, iterations=rounds)
    return np.where(sure, 1, np.where(maybe, 0.5, 0)).astype(np.float32)


def _spread(seen: Map, front: Map, back: Map, alpha: Map, width: int) -> tuple[Map, Map]:
    """One pass of the method: colors of both sides, everywhere."""

    def blurred(values: Map) -> Map:
        made: Map = ndimage.uniform_filter(values, size=(width, width, 0), mode="nearest")
        return made

    opacity = blurred(alpha)
    fronts = blurred(front * alpha) / (opacity + np.float32(1e-5))
    backs = blurred(back * (1 - alpha)) / (1 - opacity + np.float32(1e-5))
    corrected = fronts + alpha * (seen - alpha * fronts - (1 - alpha) * backs)
    return np.clip(corrected, 0, 255), backs


def _resized(photo: Pixels, size: tuple[int, int]) -> Pixels:
    image = Image.fromarray(photo)
    return np.asarray(image.resize(size, Image.Resampling.BOX) if image.size != size else image)


def _plane(values: Map, size: tuple[int, int]) -> Map:
    """A plane at another (width, height)."""
    image = Image.fromarray(np.ascontiguousarray(values, np.float32))
    return np.asarray(image.resize(size, Image.Resampling.BILINEAR))


def _at(colors: Map, size: tuple[int, int], at: tuple[NDArray[Any], ...]) -> Map:
    """Some pixels of colors (h, w, 3) that are brought to (width, height)."""
    return np.stack([_plane(colors[..., i], size)[at] for i in range(3)], -1)
