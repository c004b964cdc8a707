"""What cameras and files do to a picture: light, lens, sensor, compression."""

from __future__ import annotations

import io
import math

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from PIL import Image

from .fields import Planes, blurred, lattice, lowpass, ramp, resized, to_bytes

__all__ = ["photographed"]


def photographed(rng: Generator, planes: Planes) -> NDArray[np.uint8]:
    """(3, H, W) in [0, 1], consumed, to (H, W, 3) bytes of a photo of it.

    Nothing moves: what was at a pixel stays there, so masks remain valid.
    """
    planes = _lens(rng, planes)
    planes = _light(rng, planes)
    planes = _sensor(rng, planes)
    pixels = to_bytes(planes)
    if rng.random() < 0.65:
        pixels = _compressed(pixels, int(rng.triangular(25, 85, 98)))
    return pixels


def _lens(rng: Generator, planes: Planes) -> Planes:
    _, height, width = planes.shape
    unit_radius = max(min(height, width) / 320, 0.5)
    choice = rng.random()
    if choice < 0.2:
        return blurred(planes, unit_radius * rng.uniform(0.4, 1.6))
    if choice < 0.26:
        return _moved(planes, rng.uniform(0, math.pi), unit_radius * rng.uniform(2, 6))
    if choice < 0.34:  # scaled up from a smaller picture
        shrink = rng.uniform(1.3, 3.0)
        small = (max(1, round(height / shrink)), max(1, round(width / shrink)))
        channels = (resized(p, *small, Image.Resampling.BOX) for p in planes)
        return np.stack([resized(p, height, width) for p in channels])
    if choice < 0.45:  # sharpened by the camera
        gain = rng.uniform(0.3, 1.2)
        return planes + gain * (planes - blurred(planes, unit_radius * rng.uniform(0.6, 1.5)))
    return planes


def _moved(planes: Planes, angle: float, length: float) -> Planes:
    """The mean of five views along a line, the middle one in place."""
    _, height, width = planes.shape
    total = np.zeros_like(planes)
    reach = math.ceil(length / 2)
    padded = np.pad(planes, ((0, 0), (reach, reach), (reach, reach)), mode="edge")
    for part in np.linspace(-0.5, 0.5, 5):
        x = reach + round(part * length * math.cos(angle))
        y = reach + round(part * length * math.sin(angle))
        total += padded[:, y : y + height, x : x + width]
    total *= 1 / 5
    return total


def _light(rng: Generator, planes: Planes) -> Planes:
    _, height, width = planes.shape
    np.clip(planes, 0, 1, out=planes)
    if rng.random() < 0.5:
        warmth, tint = rng.normal(0, 0.08), rng.normal(0, 0.03)
        gains = np.array([1 + warmth, 1 + tint, 1 - warmth], np.float32)
        planes *= gains[:, None, None]
    if rng.random() < 0.3:
        y, x = lattice(height, width)
        corner = (height**2 + width**2) / 4
        planes *= 1 - rng.uniform(0.1, 0.6) * (x * x + y * y) / corner
    if rng.random() < 0.12:  # shade or a patch of light over everything
        edge = np.clip((ramp(rng, height, width) - 0.5) * rng.uniform(2, 12) + 0.5, 0, 1)
        planes *= 1 - rng.uniform(0.15, 0.5) * lowpass(edge, 3)
    exposure = rng.normal(0, 0.3)
    if rng.random() < 0.08:
        exposure += rng.choice([-0.7, 0.7])
    np.clip(planes, 0, 1.2, out=planes)
    planes = planes ** math.exp(exposure)
    if rng.random() < 0.25:
        gray = planes.mean(0)
        planes += rng.uniform(-0.4, 0.6) * (gray - planes)
    choice = rng.random()
    if choice < 0.15:  # haze, or a flat profile
        keep = np.float32(rng.uniform(0.4, 0.85))
        planes = planes * keep + (1 - keep) * np.float32(rng.uniform(0.1, 0.9))
    elif choice < 0.4:
        planes = (planes - 0.5) * rng.uniform(1, 1.35) + 0.5
    if rng.random() < 0.03:
        planes = np.broadcast_to(planes.mean(0), planes.shape)
    return planes


def _sensor(rng: Generator, planes: Planes) -> Planes:
    if rng.random() < 0.3:
        return planes
    strength = min(0.08, 0.012 * math.exp(rng.normal(0, 0.8)))
    shape = planes.shape[1:] if rng.random() < 0.5 else planes.shape
    return planes + strength * rng.standard_normal(shape, dtype=np.float32)


def _compressed(pixels: NDArray[np.uint8], quality: int) -> NDArray[np.uint8]:
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "JPEG", quality=quality)
    stream.seek(0)
    return np.array(Image.open(stream))
