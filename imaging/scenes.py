"""Generated photos, for machines that have none: a lit background with a few objects on it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter

__all__ = ["scene"]


def scene(seed: int, height: int = 320, width: int = 320) -> NDArray[np.uint8]:
    """One picture, the same for the same arguments.

    A gradient with smooth texture, one to three shaded shapes with a shadow each, a little
    sensor noise.

    Returns:
        (height, width, 3) RGB bytes that reach from near black to near white.
    """
    rng = np.random.default_rng([seed, height, width])
    canvas = _background(rng, height, width)
    short = min(height, width)
    for _ in range(int(rng.integers(1, 4))):
        shape = Image.new("L", (width, height))
        centre = rng.uniform(0.25, 0.75, 2) * (width, height)
        angles = np.sort(rng.uniform(0, 2 * np.pi, int(rng.integers(5, 14))))
        radii = rng.uniform(0.12, 0.3, angles.size) * short
        corners = centre + np.stack([np.cos(angles), np.sin(angles)], 1) * radii[:, None]
        ImageDraw.Draw(shape).polygon([(float(x), float(y)) for x, y in corners], fill=255)
        shadow = shape.filter(ImageFilter.GaussianBlur(short * 0.03))
        canvas *= 1 - 0.5 * np.roll(_unit(shadow), short // 30, axis=(0, 1))[..., None]
        alpha = _unit(shape.filter(ImageFilter.GaussianBlur(0.8)))[..., None]
        dim, lit = rng.uniform(0.5, 1.2, 2)
        shade = np.linspace(dim, lit, width)[None, :, None]
        canvas = canvas * (1 - alpha) + alpha * shade * rng.uniform(0, 1, 3)
    canvas = canvas + rng.normal(0, 0.01, canvas.shape)
    low, high = np.percentile(canvas, (0.5, 99.5))
    pixels = np.round(np.clip((canvas - low) / (high - low), 0, 1) * 255)
    return np.asarray(pixels, dtype=np.uint8)


def _background(rng: np.random.Generator, height: int, width: int) -> NDArray[np.float64]:
    """(height, width, 3) around [0, 1]: a two-colour gradient and low-frequency texture."""
    y, x = np.mgrid[0 : 1 : height * 1j, 0 : 1 : width * 1j]
    angle = rng.uniform(0, 2 * np.pi)
    ramp = (np.cos(angle) * x + np.sin(angle) * y + 1.5)[..., None] / 3
    first, second = rng.uniform(0, 1, (2, 3))
    coarse = Image.fromarray(rng.integers(0, 256, (9, 9, 3), dtype=np.uint8))
    texture = np.asarray(coarse.resize((width, height), Image.Resampling.BICUBIC)) / 255
    gradient: NDArray[np.float64] = first * (1 - ramp) + second * ramp + 0.3 * (texture - 0.5)
    return gradient


def _unit(image: Image.Image) -> NDArray[np.float64]:
    return np.asarray(image, dtype=np.float64) / 255
