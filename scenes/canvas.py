"""Laying painted objects on a picture, and the shadows and reflections that they cast."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from .fields import Plane, Planes, lowpass, resized
from .painting import Layer

__all__ = ["cast", "lay", "mirrored", "softened"]

Box = tuple[slice, slice]


def _overlap(
    top: int, left: int, shape: tuple[int, int], frame: tuple[int, int]
) -> tuple[Box, Box] | None:
    """Where a rectangle and a frame overlap: slices of the frame and of the rectangle."""
    cut = []
    for start, length, limit in zip((top, left), shape, frame, strict=True):
        first, last = max(0, start), min(limit, start + length)
        if first >= last:
            return None
        cut.append((slice(first, last), slice(first - start, last - start)))
    return (cut[0][0], cut[1][0]), (cut[0][1], cut[1][1])


def lay(planes: Planes, layer: Layer, top: int, left: int) -> Plane:
    """Put a layer on a picture, in place; its opacity over the whole frame comes back."""
    frame = planes.shape[1:]
    opacity = np.zeros(frame, np.float32)
    found = _overlap(top, left, layer.alpha.shape, (frame[0], frame[1]))
    if found is not None:
        (rows, columns), (own_rows, own_columns) = found
        alpha = layer.alpha[own_rows, own_columns]
        below = planes[:, rows, columns]
        below += alpha * (layer.planes[:, own_rows, own_columns] - below)
        opacity[rows, columns] = alpha
    return opacity


def cast(
    planes: Planes,
    alpha: Plane,
    top: float,
    left: float,
    slant: float,
    squash: float,
    softness: float,
    darkness: float,
) -> None:
    """Darken a picture, in place, where the shadow of something falls.

    Args:
        planes: (3, H, W).
        alpha: (h, w) of the thing that casts it.
        top: The thing's row in the picture.
        left: The thing's column.
        slant: How far to the right a point's shadow lies, per height above the thing's foot.
        squash: How far up it lies; 1 is upright behind the thing, negative in front of it.
        softness: Width of its edge in pixels.
        darkness: How much light it takes away, 0 to 1.
    """
    _, height, width = planes.shape
    # Soft things need few pixels; the transform works on a picture reduced by this factor.
    step = max(2.0, min(softness, 8.0))
    rows, columns = max(1, round(height / step)), max(1, round(width / step))
    foot = top + alpha.shape[0]
    if abs(squash) < 0.05:
        squash = 0.05
    # From a pixel of the shadow (x, y) to the thing: t = (foot - y) / squash above its foot.
    down, right = height / rows, width / columns
    data = (
        right,
        slant * down / squash,
        -slant * foot / squash - left,
        0.0,
        down / squash,
        alpha.shape[0] - foot / squash,
    )
    stencil = Image.fromarray((alpha * 255).astype(np.uint8))
    shadow = np.asarray(
        stencil.transform((columns, rows), Image.Transform.AFFINE, data, Image.Resampling.BILINEAR)
    ).astype(np.float32)
    if softness > step:
        shadow = lowpass(shadow, softness / step)
    shade = np.clip(resized(shadow, height, width) * (1 / 255), 0, 1)
    planes *= 1 - darkness * shade


def mirrored(layer: Layer, strength: float) -> Layer:
    """A layer upside down and fading away from its foot, as wet or polished ground shows it."""
    fade = np.linspace(strength, 0, layer.alpha.shape[0], dtype=np.float32)[:, None]
    return Layer(layer.planes[:, ::-1], layer.alpha[::-1] * fade)


def softened(alpha: NDArray[np.float32], radius: float) -> NDArray[np.float32]:
    """Edges out of focus by about ``radius`` pixels."""
    return np.clip(lowpass(alpha, radius), 0, 1)
