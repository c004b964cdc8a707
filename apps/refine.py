"""Masks of a small network at the size of a large photo, with the photo's own edges.

The fast guided filter: K. He, J. Sun, "Fast Guided Filter", 2015 (arXiv 1505.00996). Near each
pixel the mask is taken for a linear function of the photo's colors; which one is found at the
mask's size, and applied at the photo's.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy.ndimage import uniform_filter

__all__ = ["refined"]

# Pixels of the network's map around each, and what a difference of colors has to pass to be an
# edge: a variance of real values in [0, 1]. By benchmarks/refine.py.
RADIUS: Final = 1
EPSILON: Final = 1e-5

Map = NDArray[np.float32]


def refined(
    masks: Map, photo: NDArray[np.uint8], radius: int = RADIUS, epsilon: float = EPSILON
) -> Map:
    """Masks (C, h, w) in [0, 1] of a photo (H, W, 3), as (C, H, W) in [0, 1].

    Args:
        masks: At the network's size.
        photo: RGB bytes.
        radius: In pixels of the network's map.
        epsilon: How weak an edge of the photo may be.
    """
    channels, rows, columns = masks.shape
    height, width = photo.shape[:2]
    small = np.asarray(
        Image.fromarray(photo).resize((columns, rows), Image.Resampling.BOX), np.float32
    ) / np.float32(255)
    mean = _mean(small, radius)
    products = _mean((small[..., :, None] * small[..., None, :]).reshape(rows, columns, 9), radius)
    outer = (mean[..., :, None] * mean[..., None, :]).reshape(rows, columns, 9)
    spread = (products - outer).reshape(rows, columns, 3, 3) + epsilon * np.eye(3, dtype=np.float32)
    result = np.empty((channels, height, width), np.float32)
    for channel, mask in enumerate(masks):
        mean_mask = _mean(mask[..., None], radius)
        together = _mean(small * mask[..., None], radius) - mean * mean_mask
        slope = np.linalg.solve(spread, together[..., None])[..., 0]
        offset = mean_mask[..., 0] - (slope * mean).sum(-1)
        # What holds near each pixel, on average of all windows that it is in.
        linear = _mean(np.concatenate((slope, offset[..., None]), -1), radius)
        result[channel] = _applied(linear, photo)
    return result


def _applied(linear: Map, photo: NDArray[np.uint8]) -> Map:
    """slope . color + offset at the photo's size, (h, w, 4) to (H, W); in strips, as large photos'
    coefficients would take gigabytes."""
    height, width = photo.shape[:2]
    rows = linear.shape[0]
    given = np.empty((height, width), np.float32)
    planes = [Image.fromarray(np.ascontiguousarray(linear[..., i])) for i in range(4)]
    for top in range(0, height, _STRIP):
        bottom = min(top + _STRIP, height)
        box = (0.0, top * rows / height, float(linear.shape[1]), bottom * rows / height)
        size = (width, bottom - top)
        a, b, c, offset = (
            np.asarray(plane.resize(size, Image.Resampling.BILINEAR, box=box)) for plane in planes
        )
        colors = photo[top:bottom].astype(np.float32) / np.float32(255)
        strip = a * colors[..., 0] + b * colors[..., 1] + c * colors[..., 2] + offset
        given[top:bottom] = np.clip(strip, 0, 1)
    return given


_STRIP = 512


def _mean(values: Map, radius: int) -> Map:
    """Of the square around each pixel; borders are mirrored."""
    averaged: Map = uniform_filter(values, size=(2 * radius + 1, 2 * radius + 1, 0), mode="mirror")
    return averaged
