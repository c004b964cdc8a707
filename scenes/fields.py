"""Smooth random fields and ramps: the raw material of every ground, surface and light.

Everything is drawn as planes of float32: in (3, height, width) a plane of weights multiplies
the colours in contiguous runs, several times faster than in (height, width, 3).
"""

from __future__ import annotations

import math

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from PIL import Image, ImageFilter

__all__ = [
    "Plane",
    "Planes",
    "blurred",
    "fractal",
    "lattice",
    "lowpass",
    "ramp",
    "resized",
    "to_bytes",
    "to_planes",
    "unit",
]

Plane = NDArray[np.float32]  # (height, width)
Planes = NDArray[np.float32]  # (3, height, width), RGB, about [0, 1]


def resized(
    plane: Plane, height: int, width: int, resample: Image.Resampling = Image.Resampling.BICUBIC
) -> Plane:
    """(h, w) to (height, width); Pillow resizes 32-bit floats as they are."""
    if plane.shape == (height, width):
        return plane
    return np.array(Image.fromarray(plane).resize((width, height), resample))


def lattice(height: int, width: int) -> tuple[Plane, Plane]:
    """y (height, 1) and x (1, width) of the pixels' centres, in pixels from the middle."""
    y = np.arange(height, dtype=np.float32) - (height - 1) / 2
    x = np.arange(width, dtype=np.float32) - (width - 1) / 2
    return y[:, None], x[None, :]


def fractal(
    rng: Generator,
    height: int,
    width: int,
    cell: float,
    octaves: int = 4,
    persistence: float = 0.5,
    stretch: float = 1.0,
) -> Plane:
    """Value noise of several octaves, mean 0 and deviation 1.

    Built as a pyramid: each octave's grid is added to the coarser ones scaled up to it, so all
    octaves together cost little more than the last.

    Args:
        rng: Where the numbers come from.
        height: Rows.
        width: Columns.
        cell: Size of the coarsest features in pixels.
        octaves: How many times the features are halved, the first included.
        persistence: Weight of an octave relative to the one before.
        stretch: Width of the features relative to their height.
    """
    field = np.zeros((1, 1), np.float32)
    for octave in range(octaves):
        size = max(1.0, cell / 2**octave)
        rows = max(2, min(height, math.ceil(height / size)))
        columns = max(2, min(width, math.ceil(width / (size * stretch))))
        noise = rng.random((rows, columns), dtype=np.float32) - 0.5
        noise *= persistence**octave
        field = resized(field, rows, columns) + noise
        if size == 1.0:
            break
    field = resized(field, height, width)
    field = field - field.mean()
    standard: Plane = field / (field.std() + 1e-6)
    return standard


def unit(field: Plane, contrast: float = 0.25) -> Plane:
    """A field of mean 0 and deviation 1 to [0, 1] around 0.5, clipped."""
    clipped: Plane = np.clip(0.5 + contrast * field, 0, 1)
    return clipped


def ramp(rng: Generator, height: int, width: int) -> Plane:
    """From 0 to 1: straight in a random direction, or outwards from a random point."""
    y, x = lattice(height, width)
    if rng.random() < 0.65:
        angle = rng.uniform(0, 2 * math.pi)
        field = (math.cos(angle) / width) * x + (math.sin(angle) / height) * y
    else:
        fx, fy = rng.uniform(-0.4, 0.4, 2).tolist()
        field = np.sqrt(((x - fx * width) / width) ** 2 + ((y - fy * height) / height) ** 2)
    low, high = field.min(), field.max()
    spread: Plane = (field - low) / (high - low + 1e-6)
    return spread


def lowpass(plane: Plane, radius: float) -> Plane:
    """A wide blur for shading: averaged down by about ``radius``, then scaled up smoothly."""
    height, width = plane.shape
    step = max(1.0, radius)
    rows, columns = max(1, round(height / step)), max(1, round(width / step))
    small = resized(plane, rows, columns, Image.Resampling.BOX)
    return resized(small, height, width, Image.Resampling.BICUBIC)


def to_bytes(planes: Planes) -> NDArray[np.uint8]:
    """(3, H, W) in [0, 1], clipped, to (H, W, 3) bytes."""
    scaled = planes * 255
    scaled += 0.5
    np.clip(scaled, 0, 255, out=scaled)
    return np.ascontiguousarray(scaled.astype(np.uint8).transpose(1, 2, 0))


def to_planes(pixels: NDArray[np.uint8] | Image.Image) -> Planes:
    """(H, W, 3) bytes, or an RGB image, to (3, H, W) in [0, 1]."""
    planes = np.asarray(pixels).transpose(2, 0, 1).astype(np.float32, order="C")
    planes *= 1 / 255
    return planes


def blurred(planes: Planes, radius: float) -> Planes:
    """Gaussian blur with ``radius`` as its deviation in pixels; wide ones on a reduced image."""
    _, height, width = planes.shape
    image = Image.fromarray(to_bytes(planes))
    factor = max(1, min(int(radius / 2), height, width))
    if factor > 1:
        image = image.reduce(factor)
    image = image.filter(ImageFilter.GaussianBlur(radius / factor))
    return to_planes(image.resize((width, height), Image.Resampling.BICUBIC))
