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

__all__ = ["cleaned", "foreground", "matted", "near"]

Pixels = NDArray[np.uint8]
Map = NDArray[np.float32]

# Below and above, a mask is taken for nothing and for all: a veil over the whole photo shows on any
# new background.
LOW, HIGH = 0.04, 0.96
# Islands smaller than that part of the photo are specks.
SPECK: Final = 2e-4
# Colors are spread in passes, the last one first: its longest side, and its blur's width there.
PASSES: Final = ((256, 5), (128, 7), (64, 11))
# What is near an object is told in blocks of that many pixels: encoders work in such.
BLOCK: Final = 16
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
    wide to narrow, and corrected by what the photo shows. Wide blurs are made small.

    Args:
        photo: (H, W, 3), RGB bytes.
        alpha: (H, W) in [0, 1].
    """
    edge = (alpha > 0) & (alpha < 1)
    if not edge.any():
        return photo
    size = (alpha.shape[1], alpha.shape[0])
    levels = []
    shown, opacity = photo, alpha
    for side, blur in PASSES:
        scale = min(1.0, side / max(size))
        small = (max(1, round(size[0] * scale)), max(1, round(size[1] * scale)))
        shown, opacity = _resized(shown, small), _plane(opacity, small)
        levels.append((small, shown, opacity, blur))
    front = back = shown
    for small, shown, opacity, blur in reversed(levels):
        front, back = _spread(shown, _resized(front, small), _resized(back, small), opacity, blur)
    at = rows, columns = np.nonzero(edge)
    small = (rows * front.shape[0] // size[1], columns * front.shape[1] // size[0])
    fronts, backs = (side[small].astype(np.float32) for side in (front, back))
    weight = alpha[at][:, None]
    mixed = photo[at].astype(np.float32)
    corrected = fronts + weight * (mixed - weight * fronts - (1 - weight) * backs)
    colors = photo.copy()
    colors[at] = _bytes(corrected)
    return colors


def near(alpha: Map) -> NDArray[np.bool_]:
    """Where (H, W) there is an object, or one is close. Colors elsewhere can't be seen: they would
    take most of a file, and give away what was to be cut out."""
    height, width = alpha.shape
    rows, columns = -(-height // BLOCK), -(-width // BLOCK)
    padded = np.zeros((rows * BLOCK, columns * BLOCK), bool)
    padded[:height, :width] = alpha > 0
    blocks = padded.reshape(rows, BLOCK, columns, BLOCK).any((1, 3))
    around: NDArray[np.bool_] = ndimage.binary_dilation(blocks, np.ones((3, 3), bool))
    return around.repeat(BLOCK, 0).repeat(BLOCK, 1)[:height, :width]


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


def _spread(
    seen: Pixels, front: Pixels, back: Pixels, opacity: Map, width: int
) -> tuple[Pixels, Pixels]:
    """One pass of the method: colors of both sides, everywhere."""

    def blurred(values: Map) -> Map:
        made: Map = ndimage.uniform_filter(values, size=(width, width, 0), mode="nearest")
        return made

    alpha = opacity[..., None]
    share = blurred(alpha)
    fronts = blurred(front * alpha) / (share + np.float32(1e-5))
    backs = blurred(back * (1 - alpha)) / (1 - share + np.float32(1e-5))
    corrected = fronts + alpha * (seen - alpha * fronts - (1 - alpha) * backs)
    return _bytes(corrected), _bytes(backs)


def _bytes(colors: Map) -> Pixels:
    return np.clip(np.rint(colors), 0, 255).astype(np.uint8)


def _resized(photo: Pixels, size: tuple[int, int]) -> Pixels:
    """A picture at another (width, height)."""
    image = Image.fromarray(photo)
    smaller = size < image.size
    kind = Image.Resampling.BOX if smaller else Image.Resampling.BILINEAR
    return np.asarray(image.resize(size, kind) if image.size != size else image)


def _plane(values: Map, size: tuple[int, int]) -> Map:
    """A plane at another (width, height)."""
    image = Image.fromarray(np.ascontiguousarray(values, np.float32))
    return np.asarray(image.resize(size, Image.Resampling.BILINEAR))
