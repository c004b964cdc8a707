"""Putting a scene together: backdrop, by-standers, the objects meant and where they stand, what is
before them.

By-standers, what is in front and the margin are in the photo and in no mask.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from .backdrops import Backdrop, draw_backdrop
from .colors import Color
from .creatures import bust
from .fields import Plane, Planes, blurred
from .figures import any_figure, drawn
from .outlines import Point, ellipse, leaf, stroke
from .painting import Layer, Light, cast, coverage, lay, mirrored, paint, softened
from .sketch import Sketch

__all__ = ["add_foreground", "add_margin", "compose"]


def compose(rng: Generator, height: int, width: int) -> tuple[Planes, Plane]:
    """One scene of one to three salient objects; now and then it is unusable (`visibility`).

    Returns:
        (3, height, width), about [0, 1], the scene in plain light; and (height, width) in
        [0, 1], how much of each pixel is a salient object that is not hidden.
    """
    short = min(height, width)
    relief = rng.uniform(0.1, 0.6) if rng.random() < 0.85 else 0.02
    light = Light(rng.uniform(-1, 1), rng.uniform(-1, 0.3), relief)
    backdrop = draw_backdrop(rng, height, width)
    planes = _calmed(rng, backdrop.planes)
    if rng.random() < 0.5:
        for _ in range(int(rng.integers(1, 5))):
            _add_bystander(rng, planes, backdrop)
    if rng.random() < 0.45:
        planes = blurred(planes, short * math.exp(rng.uniform(math.log(0.003), math.log(0.03))))
    mask = np.zeros((height, width), np.float32)
    grounded = backdrop.horizon is not None or rng.random() < 0.3
    for place in _placed(rng, height, width, backdrop):
        ground = _mean_color(planes, place)
        contrast = rng.uniform(0.1, 0.2) if rng.random() < 0.12 else rng.uniform(0.2, 0.45)
        layer = paint(rng, place.sketch, place.matrix, ground, contrast, light)
        if rng.random() < 0.65:
            _shadow(rng, planes, layer.alpha, place, light, grounded)
        if grounded and place.sketch.upright and rng.random() < 0.12:
            image = mirrored(layer, rng.uniform(0.1, 0.5))
            lay(planes, image, place.top + layer.alpha.shape[0] - 2, place.left)
        if rng.random() < 0.12 and short > 60:
            soft = softened(layer.alpha, rng.uniform(1.2, 0.008 * short + 1.3))
            layer = Layer(layer.planes, np.minimum(soft, layer.alpha))
        opacity = lay(planes, layer, place.top, place.left)
        mask += opacity * (1 - mask)
    if rng.random() < 0.13:
        add_foreground(rng, planes, mask, light)
    if short > 30 and rng.random() < 0.025:
        add_margin(rng, planes, mask)
    return planes, np.clip(mask, 0, 1)


def _add_bystander(rng: Generator, planes: Planes, backdrop: Backdrop) -> None:
    """Something small and pale that is not what the photo is of; in no mask."""
    _, height, width = planes.shape
    sketch = drawn(any_figure(rng), rng)
    area = height * width * math.exp(rng.uniform(math.log(0.001), math.log(0.015)))
    matrix, wide, high = _sized(rng, sketch, area, height, width, cut=False)
    x, y = rng.uniform(0, width), rng.uniform(0, height)
    if backdrop.horizon is not None and sketch.upright:
        y = backdrop.horizon + rng.uniform(-0.02, 0.15) * height - high / 2
    place = Place(sketch, matrix, round(y - high / 2), round(x - wide / 2), high, wide)
    ground = _mean_color(planes, place)
    layer = paint(rng, sketch, matrix, ground, 0.0, Light(0, 0, 0))
    pale = layer.planes + rng.uniform(0.4, 0.8) * (ground[:, None, None] - layer.planes)
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
            middle = (x, y + short * rng.uniform(-0.1, 0.1))
            line = [(-3.0, y), middle, (width + 3.0, rng.uniform(0, height))]
            sketch.add(stroke(line, thick, thick * rng.uniform(0.3, 1)))
        else:  # leaves and lights in a corner
            corner = rng.choice([0, 1], 2) * (width, height)
            x, y = corner + rng.normal(0, 0.12, 2) * short
            rx, ry = short * rng.uniform(0.05, 0.2), short * rng.uniform(0.03, 0.1)
            sketch.add(ellipse(x, y, rx, ry, x))
    corner = np.min([part.outline.min(0) for part in sketch.parts], axis=0)
    ground = planes[:, height // 4 : height * 3 // 4 + 1, width // 4 : width * 3 // 4 + 1]
    layer = paint(rng, sketch, np.eye(2), ground.mean((1, 2)), 0.15, light)
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
    planes[:, outside] = 1.0 if rng.random() < 0.6 else rng.uniform(0, 1)
    mask[outside] = 0


def _calmed(rng: Generator, planes: Planes) -> Planes:
    """Busy backdrops lose contrast most of the time, so that they stay in the background."""
    mean = planes.mean((1, 2), keepdims=True)
    spread = float(planes.std())
    keep = min(1.0, rng.uniform(0.06, 0.25) / (spread + 1e-6)) if rng.random() < 0.75 else 1.0
    calm: Planes = mean + keep * (planes - mean)
    return calm


def _shadow(
    rng: Generator, planes: Planes, alpha: Plane, place: Place, light: Light, grounded: bool
) -> None:
    short = min(planes.shape[1:])
    darkness = rng.uniform(0.15, 0.65)
    if grounded and place.sketch.upright:
        softness = short * rng.uniform(0.008, 0.05)
        squash = rng.uniform(0.1, 0.5) * rng.choice([-1, 1])
        cast(planes, alpha, place.top, place.left, -light.x * 1.2, squash, softness, darkness)
        # Where it touches the ground, whatever the light.
        size = min(place.wide / 2, float(short))
        disc = _disc(size * rng.uniform(0.6, 0.9), size * rng.uniform(0.08, 0.2))
        foot = place.top + place.high - disc.shape[0] / 2
        left = place.left + place.wide / 2 - disc.shape[1] / 2
        cast(planes, disc, foot, left, 0.0, 1.0, softness, darkness)
    else:
        away = short * rng.uniform(0.01, 0.08)
        softness = max(1.0, away * rng.uniform(0.3, 1.2))
        top, left = place.top - light.y * away, place.left - light.x * away
        cast(planes, alpha, top, left, 0.0, 1.0, softness, darkness)


def _disc(rx: float, ry: float) -> Plane:
    y = np.linspace(-1.3, 1.3, max(3, round(2.6 * ry)), dtype=np.float32)[:, None]
    x = np.linspace(-1.3, 1.3, max(3, round(2.6 * rx)), dtype=np.float32)[None]
    disc: Plane = np.clip((1 - np.sqrt(x * x + y * y)) * 4, 0, 1)
    return disc


# Share of the frame: the exponential of a uniform number between their logarithms.
SMALLEST, LARGEST = 0.07, 0.65
# Pixels that an object covers at least, where the frame has them.
FEWEST = 30


@dataclass(frozen=True)
class Place:
    """Where a sketch goes.

    Attributes:
        sketch: What is there.
        matrix: From the sketch's units to pixels.
        top: Row of the painted layer's first row; may lie outside the frame.
        left: Column of its first column.
        high: Rows that the sketch takes up.
        wide: Columns that it takes up.
    """

    sketch: Sketch
    matrix: NDArray[np.float64]
    top: int
    left: int
    high: float
    wide: float


def _placed(rng: Generator, height: int, width: int, backdrop: Backdrop) -> list[Place]:
    """One to three objects, seldom overlapping by much; the first is the largest."""
    long_frame = max(height, width) > 3 * min(height, width)
    chances = [0.2, 0.4, 0.4] if long_frame else [0.66, 0.22, 0.12]
    count = int(rng.choice([1, 2, 3], p=chances))
    figure = any_figure(rng)
    share = math.exp(rng.uniform(math.log(SMALLEST), math.log(LARGEST))) / math.sqrt(count)
    share = max(share, min(0.6, FEWEST / (height * width)))
    cut = figure is bust or rng.random() < 0.14
    middle = np.array([0.5, 0.5]) + rng.normal(0, 0.11, 2)
    places: list[Place] = []
    for number in range(count):
        if number and rng.random() < 0.5:
            figure = any_figure(rng)
        sketch = drawn(figure, rng)
        part = share * (1.0 if number == 0 else rng.uniform(0.4, 1.0))
        matrix, wide, high = _sized(rng, sketch, part * height * width, height, width, cut)
        x, y = middle * (width, height)
        if number:
            side = -1 if number % 2 == (x < width / 2) else 1
            x += side * (places[0].wide + wide) * rng.uniform(0.4, 0.65)
            y += rng.normal(0, 0.08) * height
            if sketch.upright:
                y = places[0].top + places[0].high - high / 2 + rng.normal(0, 0.03) * height
        x = _within(x, wide, width)
        if sketch.upright and backdrop.horizon is not None:
            y = max(y, backdrop.horizon + rng.uniform(0.01, 0.2) * height - high / 2)
        y = _within(y, high, height)
        # Portraits stand on the lower edge.
        if figure is bust or (cut and number == 0):
            edge = 0 if figure is bust else int(rng.choice(4, p=[0.45, 0.15, 0.2, 0.2]))
            inside = 0.5 - rng.uniform(0.02, 0.3)
            if edge < 2:
                y = height - high * inside if edge == 0 else high * inside
            else:
                x = width - wide * inside if edge == 2 else wide * inside
        top, left = round(y - high / 2) - 1, round(x - wide / 2) - 1
        places.append(Place(sketch, matrix, top, left, high, wide))
    # What stands lower in the frame is nearer.
    return sorted(places, key=lambda place: place.top + place.high)


def _sized(
    rng: Generator, sketch: Sketch, area: float, height: int, width: int, cut: bool
) -> tuple[NDArray[np.float64], float, float]:
    """A map from the sketch's units to pixels, under which it covers ``area`` if that fits."""
    lean = rng.normal(0, 0.07) if sketch.upright else rng.uniform(0, 2 * math.pi)
    stretch, cos, sin = math.exp(rng.normal(0, 0.12)), math.cos(lean), math.sin(lean)
    mirror = -1 if rng.random() < 0.5 else 1
    matrix = np.array([[cos, -sin], [sin, cos]]) @ np.diag([mirror * stretch, 1 / stretch])
    covered, wide, high = coverage(sketch, matrix)
    scale = math.sqrt(area / covered)
    room = 1.15 if cut else rng.uniform(0.85, 0.97)
    scale = min(scale, room * width / wide, room * height / high)
    return matrix * scale, wide * scale, high * scale


def _mean_color(planes: Planes, place: Place) -> Color:
    """The colour of the picture where something will stand."""
    _, height, width = planes.shape
    rows = slice(max(0, place.top), max(1, min(height, round(place.top + place.high))))
    columns = slice(max(0, place.left), max(1, min(width, round(place.left + place.wide))))
    around = planes[:, rows, columns]
    if around.size == 0:
        around = planes
    mean: Color = np.clip(around[:, ::3, ::3].mean((1, 2)), 0, 1)
    return mean


def _within(center: float, length: float, limit: float) -> float:
    """Move a centre so that the length lies in the frame, if it can."""
    margin = min(length / 2 + 0.02 * limit, limit / 2)
    return min(max(center, margin), limit - margin)
