"""How large the objects of a scene are, and where they stand."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from .backdrops import Backdrop
from .colors import Color
from .creatures import bust
from .fields import Planes
from .figures import any_figure, drawn
from .painting import coverage
from .sketch import Sketch

__all__ = ["Place", "mean_color", "placed", "sized"]

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


def placed(rng: Generator, height: int, width: int, backdrop: Backdrop) -> list[Place]:
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
        matrix, wide, high = sized(rng, sketch, part * height * width, height, width, cut)
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
            beyond = rng.uniform(0.02, 0.3)
            if edge == 0:
                y = height - high * (0.5 - beyond)
            elif edge == 1:
                y = high * (0.5 - beyond)
            else:
                x = width - wide * (0.5 - beyond) if edge == 2 else wide * (0.5 - beyond)
        top, left = round(y - high / 2) - 1, round(x - wide / 2) - 1
        places.append(Place(sketch, matrix, top, left, high, wide))
    # What stands lower in the frame is nearer.
    return sorted(places, key=lambda place: place.top + place.high)


def sized(
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


def mean_color(planes: Planes, place: Place) -> Color:
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
