"""Figures that grow, and figures of nothing in particular: leaves, fruit, polygons, letters."""

from __future__ import annotations

import math

import numpy as np
from numpy.random import Generator

from .outlines import blob, box, curve, ellipse, lathe, leaf, star, stroke
from .sketch import ACCENT, DARK, MAIN, PALE, SECOND, Sketch

__all__ = [
    "assembly",
    "cactus",
    "cluster",
    "flower",
    "foliage",
    "fruit",
    "lettering",
    "lump",
    "mushroom",
    "polygon",
    "potted",
    "ring",
    "tree",
]


def foliage(rng: Generator) -> Sketch:
    """A leaf, or several on a stalk, or a feather."""
    u = rng.uniform
    sketch = Sketch(upright=False, families={MAIN: "foliage"} if rng.random() < 0.6 else {})
    bend = u(-0.3, 0.3)
    if rng.random() < 0.45:
        sketch.add(stroke([(0, 0.5), (bend * 0.4, 1.0), (bend, 1.4)], 0.06), SECOND)
        sketch.add(leaf((0, 0.9), (0, -1.0), u(0.5, 1.3), bend))
        sketch.mark(leaf((0, 0.9), (0, -0.95), 0.06, bend), SECOND)
        for y in np.arange(-0.6, 0.7, u(0.2, 0.4)):
            for side in (-1, 1):
                tip = (side * 0.6 - bend, float(y) - 0.4)
                sketch.mark(
                    stroke([(-bend * 1.6 * (1 - y * y), float(y)), tip], 0.03, 0.015), SECOND
                )
        return sketch
    sketch.add(stroke([(0, 1.2), (bend, 0.2), (0, -1.0)], 0.06, 0.03), SECOND)
    width = u(0.1, 0.4)
    for y in np.linspace(-0.9, 0.8, int(rng.integers(3, 11))):
        for side in (-1, 1):
            tip = (side * u(0.5, 0.9), float(y) - u(0.1, 0.5))
            sketch.add(leaf((bend * (1 - float(y) ** 2) * 0.9, float(y)), tip, width, side * 0.1))
    return sketch


def flower(rng: Generator) -> Sketch:
    u = rng.uniform
    sketch = Sketch(upright=False, families={DARK: "foliage", ACCENT: "warm"})
    if rng.random() < 0.5:
        sketch.add(stroke([(0, 0), (u(-0.2, 0.2), 1.0), (u(-0.4, 0.4), 1.9)], u(0.05, 0.1)), DARK)
        sketch.add(leaf((0.0, 1.3), (u(0.3, 0.7), u(0.8, 1.1)), 0.25), DARK)
        sketch.upright = True
    petals, width, turn = int(rng.integers(4, 16)), u(0.3, 0.8), u(0, 1)
    for layer in range(int(rng.integers(1, 3))):
        reach = 1.0 - 0.3 * layer
        for angle in np.arange(petals) * 2 * math.pi / petals + turn + layer * 0.3:
            tip = (reach * math.cos(angle), reach * math.sin(angle))
            if width > 0.5:
                sketch.add(
                    ellipse(tip[0] * 0.6, tip[1] * 0.6, 0.42 * reach, width * 0.45, angle),
                    MAIN if layer == 0 else SECOND,
                )
            else:
                sketch.add(leaf((0, 0), tip, width), MAIN if layer == 0 else SECOND)
    heart = u(0.15, 0.4)
    sketch.add(ellipse(0, 0, heart, heart), ACCENT)
    return sketch


def mushroom(rng: Generator) -> Sketch:
    u = rng.uniform
    sketch = Sketch(families={SECOND: "sand"})
    thick = u(0.12, 0.35)
    sketch.add(
        lathe(0, [-0.2, 0.4, 0.9, 1.0], [thick, thick * 0.9, thick * u(0.9, 1.6), 0.05]), SECOND
    )
    wide, tall = u(0.6, 1.1), u(0.4, 1.0)
    cap = [
        (-wide, 0.0),
        (-wide * 0.8, -tall * 0.7),
        (0.0, -tall),
        (wide * 0.8, -tall * 0.7),
        (wide, 0.0),
        (0.0, u(-0.1, 0.15)),
    ]
    sketch.add(curve(cap, closed=True))
    for _ in range(int(rng.integers(0, 9))):
        r = u(0.04, 0.14)
        sketch.mark(ellipse(u(-0.8, 0.8) * wide, u(-0.9, 0.0) * tall, r, r * 0.8), PALE)
    return sketch


def fruit(rng: Generator) -> Sketch:
    u = rng.uniform
    families = {
        MAIN: ("warm", "foliage", "vivid", "warm")[int(rng.integers(4))],
        SECOND: "foliage",
        DARK: "wood",
    }
    sketch = Sketch(upright=rng.random() < 0.5, families=families)
    sketch.add(stroke([(0, -0.6), (u(-0.1, 0.1), -0.9), (u(-0.25, 0.25), -1.2)], 0.08, 0.1), DARK)
    kind = rng.random()
    if kind < 0.5:
        sketch.add(
            lathe(
                0,
                [-0.7, -0.78, -0.3, 0.3, 0.8, 0.75],
                [0.02, 0.35, u(0.5, 0.95), u(0.7, 1.0), 0.3, 0.02],
            )
        )
    elif kind < 0.75:  # a banana
        arc = [(-0.9, -0.5), (-0.5, 0.3), (0.3, 0.5), (1.0, 0.1)]
        sketch.parts.clear()
        sketch.add(stroke(arc, u(0.25, 0.4), u(0.15, 0.3)))
        sketch.mark(ellipse(1.02, 0.08, 0.12, 0.14), DARK)
    else:  # grapes, cherries, berries
        for _ in range(int(rng.integers(5, 16))):
            x, y, r = u(-0.5, 0.5), u(-0.6, 0.8), u(0.2, 0.3)
            sketch.add(ellipse(x * (1 - 0.5 * y), y, r, r), MAIN if rng.random() < 0.6 else ACCENT)
    if rng.random() < 0.6:
        sketch.add(leaf((0, -0.75), (u(0.4, 0.8), u(-1.2, -0.7)), u(0.2, 0.35), 0.1), SECOND)
    return sketch


def tree(rng: Generator) -> Sketch:
    u = rng.uniform
    sketch = Sketch(families={MAIN: "foliage", SECOND: "foliage", DARK: "earth"})
    sketch.add(
        stroke([(0, 1.2), (u(-0.1, 0.1), 0.4), (u(-0.2, 0.2), -0.3)], u(0.15, 0.35), 0.1), DARK
    )
    kind = rng.random()
    if kind < 0.35:
        for i in range(3):
            wide, y = 0.8 - 0.2 * i, 0.6 - 0.5 * i
            sketch.add(np.array([(-wide, y), (0.0, y - 0.9), (wide, y)]), SECOND if i % 2 else MAIN)
    elif kind < 0.7:
        for _ in range(int(rng.integers(3, 9))):
            x, y = u(-0.5, 0.5), u(-0.9, 0.0)
            sketch.add(blob(rng, x, y, u(0.3, 0.5), 0.4), MAIN if rng.random() < 0.6 else SECOND)
    else:  # a palm, or bare branches
        surface, thick = (MAIN, u(0.12, 0.3)) if rng.random() < 0.6 else (DARK, 0.0)
        for angle in u(-math.pi, 0.3, int(rng.integers(6, 13))):
            tip = (u(0.6, 1.0) * math.cos(angle), -0.3 + u(0.6, 1.0) * math.sin(angle))
            if thick:
                sketch.add(leaf((0, -0.3), tip, thick, u(-0.2, 0.2)), surface)
            else:
                sketch.add(
                    stroke([(0, 0.0), (tip[0] * 0.5, tip[1] * 0.3), tip], 0.09, 0.025), surface
                )
    return sketch


def cactus(rng: Generator) -> Sketch:
    u = rng.uniform
    sketch = Sketch(families={MAIN: "foliage"})
    thick = u(0.25, 0.45)
    sketch.add(stroke([(0, 1.0), (0, -0.8)], thick))
    for side in (-1, 1):
        if rng.random() < 0.8:
            y, out = u(-0.2, 0.5), side * u(0.4, 0.7)
            sketch.add(stroke([(0, y), (out, y), (out, y - u(0.3, 0.8))], thick * 0.7))
    for x in np.linspace(-0.35, 0.35, 4) * thick:
        sketch.mark(stroke([(float(x), 1.0), (float(x), -0.9)], 0.025), DARK)
    if rng.random() < 0.4:
        sketch.add(star(0, -0.85 - thick / 2, 0.2, 6, 0.5), ACCENT)
    if rng.random() < 0.6:
        sketch.add(np.array([(-0.5, 0.7), (0.5, 0.7), (0.38, 1.4), (-0.38, 1.4)]), SECOND)
    return sketch


def potted(rng: Generator) -> Sketch:
    u = rng.uniform
    sketch = Sketch(families={MAIN: "foliage", ACCENT: "foliage"})
    for _ in range(int(rng.integers(5, 16))):
        angle = u(-2.8, -0.35)
        length = u(0.6, 1.2)
        tip = (length * math.cos(angle), 0.2 + length * math.sin(angle))
        surface = MAIN if rng.random() < 0.6 else ACCENT
        if rng.random() < 0.5:
            sketch.add(stroke([(0, 0.3), (tip[0] * 0.4, tip[1] * 0.7), tip], 0.04), surface)
            sketch.add(ellipse(*tip, u(0.1, 0.22), u(0.08, 0.15), angle), surface)
        else:
            sketch.add(leaf((0, 0.3), tip, u(0.1, 0.3), u(-0.2, 0.2)), surface)
    wide = u(0.3, 0.5)
    sketch.add(
        np.array([(-wide, 0.2), (wide, 0.2), (wide * 0.75, 1.0), (-wide * 0.75, 1.0)]), SECOND
    )
    sketch.add(box(0, 0.22, wide * 2.25, 0.16, 0, 0.2), SECOND)
    return sketch


def polygon(rng: Generator) -> Sketch:
    u = rng.uniform
    sketch = Sketch(upright=False)
    if rng.random() < 0.5:
        sketch.add(star(0, 0, 1, int(rng.integers(3, 10)), u(0.4, 1.0)))
    else:
        angles = np.sort(u(0, 2 * math.pi, int(rng.integers(4, 12))))
        radii = u(0.5, 1.0, angles.size)
        corners = np.stack([radii * np.cos(angles), radii * np.sin(angles)], 1)
        sketch.add(np.concatenate([corners, corners[:1] * 0.9]))
        sketch.add(ellipse(0, 0, 0.45, 0.45))
    if rng.random() < 0.3:
        sketch.mark(blob(rng, 0, 0, u(0.2, 0.5), 0.3), SECOND)
    return sketch


def lump(rng: Generator) -> Sketch:
    """A stone, a cloud, a cushion, a loaf."""
    u = rng.uniform
    sketch = Sketch(upright=False)
    if rng.random() < 0.3:
        sketch.add(box(0, 0, 2, u(0.6, 2), 0, u(0.2, 1.0)))
    else:
        sketch.add(blob(rng, 0, 0, 1, u(0.1, 0.7)))
    for _ in range(int(rng.integers(0, 4))):
        sketch.mark(blob(rng, u(-0.6, 0.6), u(-0.6, 0.6), u(0.1, 0.4), 0.4), SECOND)
    return sketch


def ring(rng: Generator) -> Sketch:
    """A ring, frame, tyre, horseshoe or chain link: mostly hole."""
    u = rng.uniform
    sketch = Sketch(upright=False)
    thick, rounding = u(0.15, 0.6), 1.0 if rng.random() < 0.5 else u(0.0, 0.4)
    height = u(1.2, 2)
    sketch.add(box(0, 0, 2, height, 0, rounding))
    sketch.cut(box(0, 0, 2 - thick, height - thick, 0, rounding))
    if rng.random() < 0.25:
        sketch.cut(box(0, height / 2, u(0.3, 0.8), height))
    if rng.random() < 0.3:
        sketch.add(ellipse(0, -height / 2, 0.25, 0.25), SECOND)
    return sketch


def lettering(rng: Generator) -> Sketch:
    sketch = Sketch(upright=rng.random() < 0.6)
    count = int(rng.choice([1, 1, 1, 2, 3]))
    letters = list("ABCDEFGHJKLMNPQRSTUVWXYZabdefghkmnpqrstwxyz0123456789&?@#%")
    text = "".join(rng.choice(letters, count))
    sketch.write(text, box(0, 0, 2, 2 if count == 1 else 1.1), MAIN, "solid")
    return sketch


def cluster(rng: Generator) -> Sketch:
    """Several like things in a heap, seen as one."""
    u = rng.uniform
    sketch = Sketch(upright=False)
    kind = int(rng.integers(4))
    for _ in range(int(rng.integers(3, 9))):
        x, y = u(-0.7, 0.7, 2)
        r, turn = u(0.25, 0.5), u(0, 3.1)
        surface = (MAIN, MAIN, SECOND, ACCENT)[int(rng.integers(4))]
        if kind == 0:
            sketch.add(ellipse(x, y, r, r * u(0.5, 1), turn), surface)
        elif kind == 1:
            sketch.add(box(x, y, 2 * r, r * u(0.6, 2), turn, u(0, 0.4)), surface)
        elif kind == 2:
            sketch.add(blob(rng, x, y, r, 0.5), surface)
        else:
            sketch.add(leaf((x - r, y), (x + r, y + u(-0.5, 0.5)), r, u(-0.3, 0.3)), surface)
    return sketch


def assembly(rng: Generator) -> Sketch:
    """A made-up thing: a body, and limbs, knobs, fins and openings on it, often symmetric."""
    u = rng.uniform
    sketch = Sketch(upright=rng.random() < 0.5)
    mirrored = rng.random() < 0.6
    wide, tall = u(0.35, 0.8), u(0.35, 0.8)
    for _ in range(int(rng.integers(1, 5))):
        angle = u(-math.pi / 2, math.pi / 2) if mirrored else u(-math.pi, math.pi)
        root = np.array([wide * 0.8 * math.cos(angle), tall * 0.8 * math.sin(angle)])
        tip = root + u(0.3, 1.0) * np.array([math.cos(angle), math.sin(angle)]) + u(-0.3, 0.3, 2)
        middle = (root + tip) / 2 + u(-0.25, 0.25, 2)
        surface = (MAIN, SECOND, ACCENT, DARK)[int(rng.integers(4))]
        kind, size = int(rng.integers(5)), u(0.05, 0.35)
        outlines = []
        if kind <= 1:
            outlines.append(stroke(np.stack([root * 0.5, middle, tip]), size, size * u(0.2, 1.0)))
        elif kind == 2:
            outlines.append(
                leaf((root[0] * 0.5, root[1] * 0.5), (tip[0], tip[1]), size * 2, u(-0.3, 0.3))
            )
        elif kind == 3:
            outlines.append(stroke(np.stack([root * 0.5, tip]), size * 0.5))
            outlines.append(ellipse(tip[0], tip[1], size, size * u(0.6, 1.2)))
        else:
            outlines.append(box(tip[0], tip[1], size * 3, size * 2, angle, u(0, 0.6)))
            outlines.append(stroke(np.stack([root * 0.3, tip]), size))
        for outline in outlines:
            sketch.add(outline, surface)
            if mirrored:
                sketch.add(outline * [-1, 1], surface)
    body = int(rng.integers(4))
    if body == 0:
        sketch.add(ellipse(0, 0, wide, tall))
    elif body == 1:
        sketch.add(box(0, 0, 2 * wide, 2 * tall, 0, u(0, 0.5)))
    elif body == 2:
        sketch.add(blob(rng, 0, 0, (wide + tall) / 2, 0.5))
    else:
        halves = u(0.15, wide, 4)
        sketch.add(lathe(0, list(np.linspace(-tall, tall, 4)), list(halves)))
    if rng.random() < 0.3:
        sketch.cut(ellipse(0, u(-0.2, 0.2), wide * u(0.2, 0.55), tall * u(0.2, 0.55)))
    for _ in range(int(rng.integers(0, 4))):
        x, y, r = u(0, 0.7) * wide, u(-0.7, 0.7) * tall, u(0.05, 0.2)
        surface = (SECOND, ACCENT, DARK, PALE)[int(rng.integers(4))]
        for side in (-1, 1) if mirrored else (1,):
            sketch.mark(ellipse(side * x, y, r, r), surface)
    return sketch
