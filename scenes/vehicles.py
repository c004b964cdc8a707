"""Figures of what moves people, and of wheels by themselves."""

from __future__ import annotations

import math

import numpy as np
from numpy.random import Generator

from .outlines import box, ellipse, leaf, star, stroke
from .sketch import ACCENT, DARK, MAIN, PALE, SECOND, Sketch

__all__ = ["bicycle", "boat", "car", "plane", "wheel"]


def bicycle(rng: Generator) -> Sketch:
    u = rng.uniform
    sketch = Sketch(families={DARK: "black"})
    radius, thick = u(0.38, 0.48), u(0.035, 0.07)
    for x in (-0.62, 0.62):
        sketch.add(ellipse(x, 0.45, radius, radius), DARK)
        sketch.cut(ellipse(x, 0.45, radius - thick * 1.3, radius - thick * 1.3))
        for angle in np.arange(0, math.pi, math.pi / int(rng.integers(3, 8))):
            dx, dy = radius * math.cos(angle), radius * math.sin(angle)
            sketch.add(stroke([(x - dx, 0.45 - dy), (x + dx, 0.45 + dy)], 0.018), SECOND)
    pedal, seat, bar = (-0.08, 0.45), (-0.22, -0.15), (0.45, -0.22)
    for start, end in (((-0.62, 0.45), pedal), ((-0.62, 0.45), seat), (pedal, seat), (pedal, bar)):
        sketch.add(stroke([start, end], thick))
    sketch.add(stroke([seat, bar], thick))
    sketch.add(stroke([(0.62, 0.45), bar, (0.42, -0.4)], thick))
    sketch.add(stroke([(0.3, -0.42), (0.42, -0.42), (0.56, -0.34)], thick), DARK)
    sketch.add(leaf((-0.42, -0.24), (-0.02, -0.22), 0.14), DARK)
    sketch.add(ellipse(*pedal, 0.1, 0.1), SECOND)
    return sketch


def boat(rng: Generator) -> Sketch:
    u = rng.uniform
    sketch = Sketch(families={ACCENT: "white"} if rng.random() < 0.6 else {})
    deck, keel = u(0.35, 0.5), u(0.6, 0.8)
    mast = u(-0.2, 0.2)
    if rng.random() < 0.7:
        sketch.add(stroke([(mast, deck + 0.1), (mast, -1.1)], u(0.03, 0.06)), SECOND)
        sail = [(mast + 0.04, -1.05), (mast + u(0.5, 0.9), deck - 0.15), (mast + 0.04, deck - 0.1)]
        sketch.add(np.array(sail), ACCENT)
        if rng.random() < 0.7:
            jib = [
                (mast - 0.04, -0.95),
                (mast - u(0.4, 0.8), deck - 0.1),
                (mast - 0.04, deck - 0.1),
            ]
            sketch.add(np.array(jib), PALE)
    else:
        sketch.add(box(u(-0.3, 0.1), deck - 0.15, u(0.5, 0.9), 0.35, 0, 0.15), PALE)
        sketch.add(box(u(-0.3, 0.1), deck - 0.4, 0.15, 0.4), ACCENT)
    hull = [(-0.95, deck), (1.05, deck - 0.05), (0.75, keel), (-0.7, keel)]
    sketch.add(np.array(hull))
    sketch.mark(box(0, deck + 0.05, 3, 0.06), SECOND)
    return sketch


def car(rng: Generator) -> Sketch:
    u = rng.uniform
    sketch = Sketch(families={SECOND: "metal"})
    roof, front, back, wheel = u(0.4, 0.7), u(0.3, 0.6), u(0.2, 0.7), u(0.18, 0.28)
    body = [
        (-1.1, 0.25),
        (-1.12, -0.05),
        (-0.95, -0.15),
        (-back - 0.15, -0.2),
        (-back + 0.15, -roof),
    ]
    body += [(front - 0.25, -roof), (front + 0.1, -0.18), (0.98, -0.1), (1.12, 0.05), (1.1, 0.25)]
    sketch.add(np.array(body))
    edge, top = -0.18, -roof * 0.88
    split = (front - back) / 2
    for left, right in ((-back, split - 0.03), (split + 0.03, front)):
        slant_left = 0.2 if left == -back else 0.0
        slant_right = 0.25 if right == front else 0.0
        window = [(left, edge), (left + slant_left, top), (right - slant_right, top), (right, edge)]
        sketch.mark(np.array(window), DARK if rng.random() < 0.7 else PALE)
    sketch.mark(box(1.05, 0.02, 0.12, 0.1), PALE)
    sketch.mark(box(-1.08, 0.02, 0.1, 0.1), ACCENT)
    for x in (-0.66, 0.68):
        sketch.add(ellipse(x, 0.26, wheel, wheel), DARK)
        sketch.mark(ellipse(x, 0.26, wheel * 0.55, wheel * 0.55), SECOND)
    return sketch


def plane(rng: Generator) -> Sketch:
    u = rng.uniform
    sketch = Sketch(
        upright=rng.random() < 0.4, families={MAIN: "white"} if rng.random() < 0.4 else {}
    )
    thick, sweep = u(0.12, 0.22), u(0.2, 0.6)
    wing = [(0.25, 0.0), (-0.1 - sweep, u(0.6, 0.9)), (-0.3 - sweep, u(0.6, 0.9)), (-0.25, 0.0)]
    sketch.add(np.array(wing) * [1, -u(0.4, 1.0)], SECOND)
    sketch.add(np.array([(-0.75, 0.0), (-1.05, -u(0.35, 0.6)), (-0.9, 0.0)]), ACCENT)
    sketch.add(np.array([(-0.7, 0.0), (-1.05, u(0.2, 0.4)), (-0.92, 0.0)]), SECOND)
    sketch.add(stroke([(-0.95, -0.03), (0.0, 0.0), (0.85, 0.0)], thick * 0.5, thick * 1.3))
    sketch.add(np.array(wing), SECOND)
    for x in np.arange(-0.6, 0.7, 0.12):
        sketch.mark(ellipse(float(x), -0.03, 0.025, 0.025), DARK)
    return sketch


def wheel(rng: Generator) -> Sketch:
    """A wheel, gear, clock or plate; the gaps between the spokes show the ground."""
    u = rng.uniform
    sketch = Sketch(upright=False)
    inner = u(0.5, 0.9)
    if rng.random() < 0.4:
        inner *= 0.75  # less than the waist between the teeth
        sketch.add(star(0, 0, 1.0, int(rng.integers(8, 20)), u(0.8, 0.92)))
    else:
        sketch.add(ellipse(0, 0, 1, 1))
    if rng.random() < 0.75:
        sketch.cut(ellipse(0, 0, inner, inner))
        count = int(rng.integers(3, 17))
        for angle in np.arange(count) * 2 * math.pi / count:
            rim = (inner * 1.05 * math.cos(angle), inner * 1.05 * math.sin(angle))
            sketch.add(stroke([(0.0, 0.0), rim], u(0.03, 0.12)), SECOND)
        sketch.add(ellipse(0, 0, u(0.1, 0.25), u(0.1, 0.25)), ACCENT)
    else:
        sketch.mark(ellipse(0, 0, inner, inner), PALE)
        for angle in u(0, 2 * math.pi, 2):
            sketch.mark(
                stroke(
                    [(0.0, 0.0), (0.7 * inner * math.cos(angle), 0.7 * inner * math.sin(angle))],
                    0.06,
                ),
                DARK,
            )
    return sketch
