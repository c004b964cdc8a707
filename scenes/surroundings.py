"""What is in the photo and in no mask: small things around, things in front, a margin."""

from __future__ import annotations

import math

import numpy as np
from numpy.random import Generator

from .backdrops import Backdrop
from .canvas import lay, softened
from .fields import Plane, Planes
from .figures import any_figure, drawn
from .outlines import Point, ellipse, leaf, stroke
from .painting import Layer, Light, paint
from .placing import Place, mean_color, sized
from .sketch import Sketch

__all__ = ["add_bystander", "add_foreground", "add_margin"]


def add_bystander(rng: Generator, planes: Planes, backdrop: Backdrop) -> None:
    """Something small and pale that is not what the photo is of; in no mask."""
    _, height, width = planes.shape
    sketch = drawn(any_figure(rng), rng)
    area = height * width * math.exp(rng.uniform(math.log(0.001), math.log(0.015)))
    matrix, wide, high = sized(rng, sketch, area, height, width, cut=False)
    x, y = rng.uniform(0, width), rng.uniform(0, height)
    if backdrop.horizon is not None and sketch.upright:
        y = backdrop.horizon + rng.uniform(-0.02, 0.15) * height - high / 2
    place = Place(sketch, matrix, round(y - high / 2), round(x - wide / 2), high, wide)
    ground = mean_color(planes, place)
    layer = paint(rng, sketch, matrix, ground, 0.0, Light(0, 0, 0))
    pale = layer.planes + np.float32(rng.uniform(0.4, 0.8)) * (ground[:, None, None] - layer.planes)
    lay(planes, Layer(pale, layer.alpha), place.top, place.left)


def add_foreground(rng: Generator, planes: Planes, mask: Plane, light: Light) -> None:
    """Twigs, blades, wires or leaves before everything; what they hide leaves the mask."""
    _, height, width = planes.shape
    short = min(height, width)
    sketch = Sketch()
    kind = int(rng.integers(3))
    for _ in range(int(rng.integers(1, 8))):
        x, y = rng.uniform(0, width), rng.uniform(0, height)
        thick = short * rng.uniform(0.008, 0.04)
        if kind == 0:  # grass, from below
            foot: Point = (x, height + 3.0)
            tip = (x + short * rng.uniform(-0.3, 0.3), height - short * rng.uniform(0.1, 0.7))
            sketch.add(leaf(foot, tip, 2.5 * thick, rng.uniform(-0.2, 0.2)))
        elif kind == 1:  # wires and twigs, across
            ends = [
                (-3.0, y),
                (x, y + short * rng.uniform(-0.1, 0.1)),
                (width + 3.0, rng.uniform(0, height)),
            ]
            sketch.add(stroke(ends, thick, thick * rng.uniform(0.3, 1)))
        else:  # leaves and lights in a corner
            corner = rng.choice([0, 1], 2) * (width, height)
            x, y = corner + rng.normal(0, 0.12, 2) * short
            sketch.add(
                ellipse(x, y, short * rng.uniform(0.05, 0.2), short * rng.uniform(0.03, 0.1), x)
            )
    matrix = np.eye(2)
    corner = np.min([part.outline.min(0) for part in sketch.parts], axis=0)
    middle = planes[:, height // 4 : height * 3 // 4 + 1, width // 4 : width * 3 // 4 + 1]
    layer = paint(rng, sketch, matrix, middle.mean((1, 2)), 0.15, light)
    if rng.random() < 0.6:
        # Colour reaches as far as the soft edge does.
        inside = layer.alpha > 0.5
        if not inside.any():
            return
        tone = layer.planes[:, inside].mean(1)[:, None, None]
        filled = np.where(inside, layer.planes, tone)
        layer = Layer(filled, softened(layer.alpha, short * rng.uniform(0.008, 0.04)))
    top, left = math.floor(corner[1]) - 1, math.floor(corner[0]) - 1
    hidden = lay(np.zeros_like(planes), layer, top, left)
    if float((mask * hidden).sum()) <= 0.3 * float(mask.sum()):
        lay(planes, layer, top, left)
        mask *= 1 - hidden


def add_margin(rng: Generator, planes: Planes, mask: Plane) -> None:
    """A plain margin around the photo, as scans and catalogues have."""
    _, height, width = planes.shape
    thick = max(1, round(min(height, width) * rng.uniform(0.004, 0.04)))
    inner = (slice(thick, height - thick), slice(thick, width - thick))
    outside = np.ones((height, width), bool)
    outside[inner] = False
    planes[:, outside] = np.float32(1.0 if rng.random() < 0.6 else rng.uniform(0, 1))
    mask[outside] = 0
