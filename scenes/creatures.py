"""Figures of people and animals: bodies with thin limbs, tails, fins and antennae."""

from __future__ import annotations

import math

import numpy as np
from numpy.random import Generator

from .outlines import Point, blob, box, curve, ellipse, lathe, leaf, stroke
from .sketch import ACCENT, DARK, MAIN, PALE, SECOND, Sketch

__all__ = [
    "bird",
    "bust",
    "butterfly",
    "fish",
    "insect",
    "person",
    "quadruped",
    "sitting_animal",
    "snail",
]

COATS = ("fur", "fur", "earth", "black", "white", "stone", "muted")


def _one(rng: Generator, names: tuple[str, ...]) -> str:
    return names[int(rng.integers(len(names)))]


def quadruped(rng: Generator) -> Sketch:
    """Dog, horse, cow, deer, elephant and what lies between them."""
    u = rng.uniform
    sketch = Sketch(families={MAIN: _one(rng, COATS), SECOND: _one(rng, COATS)})
    leg, depth, neck = u(0.35, 1.0), u(0.22, 0.4), u(0.1, 0.7)
    thick, foot = u(0.1, 0.2), u(0.06, 0.12)
    hip, chest = -0.7, 0.6
    floor = depth * 0.6 + leg
    near = MAIN if rng.random() < 0.7 else SECOND
    for x, surface in ((hip + 0.14, SECOND), (chest - 0.14, SECOND), (hip, near), (chest, near)):
        swing, knee = u(-0.22, 0.22), u(-0.08, 0.08)
        foot_at = (x + swing, floor)
        middle = (x + swing / 2 + knee, (floor + 0.1) / 2)
        sketch.add(stroke([(x, 0.0), middle, foot_at], thick * 1.6, foot), surface)
        sketch.add(ellipse(foot_at[0] + 0.03, floor, foot * 0.8, foot * 0.5), DARK)
    body = [
        (-0.95, -0.05),
        (-0.75, -depth),
        (0.0, -depth * u(0.7, 1.1)),
        (0.6, -depth),
        (0.85, 0.0),
    ]
    body += [(0.6, depth * 0.9), (-0.1, depth * u(0.6, 1.1)), (-0.75, depth * 0.7)]
    tail = [(-0.88, -0.1), (-1.05 - u(0, 0.2), u(-0.4, 0.2)), (-1.0 - u(0, 0.4), u(-0.6, 0.6))]
    sketch.add(stroke(tail, u(0.05, 0.12), u(0.02, 0.12)), MAIN)
    head = (1.0 + u(0, 0.25), -depth - neck)
    sketch.add(stroke([(0.6, -0.05), (0.85, -depth - neck * 0.4), head], depth * 1.3, u(0.18, 0.3)))
    sketch.add(curve(body, closed=True))
    size = u(0.17, 0.27)
    nose = (head[0] + size * u(1.2, 2.2), head[1] + u(0.0, 0.25))
    for ear in (-0.4, 0.25):
        top = (head[0] + ear * size - u(0, 0.1), head[1] - size * u(1.2, 2.2))
        sketch.add(leaf((head[0] + ear * size, head[1] - size * 0.5), top, u(0.1, 0.2)), SECOND)
    if rng.random() < 0.2:
        horn = [
            (head[0], head[1] - size * 0.7),
            (head[0] - 0.1, head[1] - 0.5),
            (head[0] + 0.2, head[1] - 0.7),
        ]
        sketch.add(stroke(horn, 0.08, 0.02), PALE)
    sketch.add(ellipse(*head, size, size * 0.85))
    sketch.add(stroke([head, nose], size * 1.5, size * u(0.7, 1.1)))
    sketch.mark(ellipse(nose[0] + size * 0.2, nose[1], size * 0.25, size * 0.22), DARK)
    sketch.mark(ellipse(head[0] + size * 0.4, head[1] - size * 0.2, size * 0.14, size * 0.14), DARK)
    for _ in range(int(rng.integers(0, 6)) if rng.random() < 0.4 else 0):
        sketch.mark(blob(rng, u(-0.8, 0.7), u(-depth, depth), u(0.08, 0.25), 0.4), PALE)
    return sketch


def sitting_animal(rng: Generator) -> Sketch:
    """A cat, a small dog or a bear from the front or three quarters."""
    u = rng.uniform
    sketch = Sketch(families={MAIN: _one(rng, COATS), SECOND: _one(rng, COATS)})
    width = u(0.4, 0.65)
    tail = [(0.3, 0.85), (0.7, 0.85 + u(-0.3, 0.1)), (0.8 + u(0, 0.2), u(0.0, 0.7))]
    sketch.add(stroke(tail, u(0.1, 0.2), u(0.05, 0.15)))
    sketch.add(lathe(0, [-0.5, -0.1, 0.5, 0.95, 1.0], [0.18, width * 0.7, width, width, 0.1]))
    sketch.mark(ellipse(0, 0.25, width * 0.45, 0.5), PALE if rng.random() < 0.5 else SECOND)
    for side in (-1, 1):
        sketch.add(stroke([(side * 0.2, 0.1), (side * 0.22, 0.9)], 0.24, 0.17))
        sketch.add(ellipse(side * 0.24, 0.96, 0.16, 0.09), PALE)
    head, tilt = u(0.36, 0.5), u(-0.1, 0.1)
    y = -0.5 - head * 0.5
    pointed = rng.random() < 0.6
    for side in (-1, 1):
        root = (tilt + side * head * 0.6, y - head * 0.4)
        if pointed:
            tip = (tilt + side * head * u(0.8, 1.1), y - head * u(1.3, 1.7))
            sketch.add(stroke([root, tip], head * 0.7, head * 0.1))
        else:
            sketch.add(
                ellipse(root[0] + side * 0.05, root[1], head * 0.35, head * u(0.3, 0.7)), SECOND
            )
    sketch.add(ellipse(tilt, y, head * u(0.95, 1.1), head * 0.9))
    sketch.mark(ellipse(tilt, y + head * 0.4, head * 0.4, head * 0.3), PALE)
    sketch.mark(ellipse(tilt, y + head * 0.25, head * 0.13, head * 0.09), DARK)
    for side in (-1, 1):
        sketch.mark(
            ellipse(tilt + side * head * 0.4, y - head * 0.1, head * 0.13, head * 0.15), DARK
        )
        sketch.mark(ellipse(tilt + side * head * 0.43, y - head * 0.15, 0.02, 0.02), PALE)
    return sketch


def bird(rng: Generator) -> Sketch:
    u = rng.uniform
    sketch = Sketch(upright=rng.random() < 0.7)
    fat, neck = u(0.25, 0.5), u(0.05, 0.8)
    sketch.add(leaf((-0.3, 0.0), (-1.0 - u(0, 0.4), u(-0.3, 0.5)), u(0.2, 0.5)), SECOND)
    if sketch.upright:
        for x in (-0.05, 0.12):
            length = fat + u(0.2, 0.9)
            ankle = (x + u(-0.05, 0.05), length)
            sketch.add(stroke([(x, 0.1), ankle], 0.06, 0.035), ACCENT)
            sketch.add(stroke([(ankle[0] - 0.06, length), (ankle[0] + 0.14, length)], 0.03), ACCENT)
    head = (0.55 + u(0, 0.2), -fat * 0.6 - neck)
    sketch.add(
        stroke([(0.3, 0.0), (0.5 + u(-0.1, 0.2), -fat * 0.5 - neck * 0.4), head], fat, u(0.15, 0.3))
    )
    sketch.add(ellipse(0.0, 0.0, u(0.6, 0.75), fat, u(-0.3, 0.1)))
    size = u(0.16, 0.26)
    beak = (head[0] + size + u(0.1, 0.5), head[1] + u(-0.05, 0.15))
    sketch.add(stroke([head, beak], size * 0.9, 0.03), ACCENT)
    sketch.add(ellipse(*head, size, size * 0.95), MAIN if rng.random() < 0.6 else SECOND)
    if rng.random() < 0.3:
        sketch.add(
            leaf((head[0] - 0.05, head[1] - size * 0.6), (head[0] - 0.25, head[1] - 0.5), 0.12),
            ACCENT,
        )
    sketch.mark(
        ellipse(head[0] + size * 0.35, head[1] - size * 0.2, size * 0.18, size * 0.18), DARK
    )
    sketch.mark(ellipse(0.1, fat * 0.6, 0.4, fat * 0.5), PALE)
    if sketch.upright and rng.random() < 0.7:
        sketch.add(leaf((0.25, -0.05), (-0.8, u(-0.1, 0.35)), fat * 1.1, u(-0.2, 0.1)), SECOND)
    else:
        for lift in (u(-1.4, -0.7), u(-1.2, 0.9)):
            wing = [
                (0.3, -0.05),
                (0.25, lift * 0.6),
                (-0.3 + u(-0.3, 0.3), lift),
                (-0.45, lift * 0.3),
            ]
            sketch.add(curve(wing, closed=True), SECOND)
    return sketch


def fish(rng: Generator) -> Sketch:
    u = rng.uniform
    sketch = Sketch(upright=rng.random() < 0.5)
    deep = u(0.25, 0.6)
    fork = u(0.3, 0.6)
    tail = [(-0.6, 0.0), (-1.1, -fork), (-0.95, 0.0), (-1.1, fork)]
    sketch.add(np.array(tail), SECOND)
    sketch.add(leaf((-0.3, -deep * 0.5), (u(-0.7, 0.1), -deep * u(1.3, 2.0)), u(0.3, 0.7)), SECOND)
    sketch.add(leaf((0.0, deep * 0.5), (u(-0.6, 0.0), deep * u(1.2, 1.7)), u(0.2, 0.4)), SECOND)
    body = [
        (-0.75, 0.0),
        (-0.2, -deep * 0.8),
        (0.4, -deep * 0.9),
        (0.95, 0.0),
        (0.4, deep * 0.8),
        (-0.2, deep * 0.7),
    ]
    sketch.add(curve(body, closed=True))
    for x in np.arange(-0.5, 0.5, u(0.15, 0.4)) if rng.random() < 0.5 else ():
        sketch.mark(leaf((x, -deep), (x - 0.1, deep), u(0.06, 0.18), 0.1), ACCENT)
    sketch.mark(ellipse(0.62, -deep * 0.2, 0.1, 0.1), PALE)
    sketch.mark(ellipse(0.64, -deep * 0.2, 0.055, 0.055), DARK)
    sketch.mark(leaf((0.3, 0.05), (-0.1, 0.25), 0.15), SECOND)
    return sketch


def insect(rng: Generator) -> Sketch:
    u = rng.uniform
    sketch = Sketch(upright=False)
    width = u(0.2, 0.5)
    for side in (-1, 1):
        for y in (-0.25, 0.0, 0.3):
            knee = (side * (width + u(0.2, 0.35)), y + u(-0.25, 0.1))
            toe = (side * (width + u(0.3, 0.6)), y + u(0.0, 0.4))
            sketch.add(stroke([(0.0, y), knee, toe], u(0.04, 0.08), 0.03), DARK)
        tip = (side * u(0.2, 0.5), -0.95 - u(0.2, 0.6))
        sketch.add(stroke([(side * 0.06, -0.7), (side * 0.25, -1.0), tip], 0.035, 0.025), DARK)
    sketch.add(ellipse(0, -0.65, width * 0.55, 0.2), SECOND)
    sketch.add(ellipse(0, 0.2, width, 0.75))
    sketch.add(ellipse(0, -0.4, width * 0.75, 0.2), SECOND)
    if rng.random() < 0.6:
        sketch.mark(stroke([(0, -0.4), (0, 0.95)], 0.03), DARK)
        for _ in range(int(rng.integers(2, 7))):
            x, y, r = u(0.1, 0.8) * width, u(-0.3, 0.7), u(0.05, 0.13)
            for side in (-1, 1):
                sketch.mark(ellipse(side * x, y, r, r), DARK)
    return sketch


def butterfly(rng: Generator) -> Sketch:
    u = rng.uniform
    sketch = Sketch(upright=False)
    reach, drop = u(0.7, 1.2), u(0.5, 1.0)
    upper = [
        (0.02, -0.1),
        (0.35, -0.8),
        (reach, -0.8 + u(-0.2, 0.2)),
        (reach * 0.9, -0.2),
        (0.3, 0.1),
    ]
    lower = [(0.02, 0.0), (0.6, -0.05), (0.75, drop * 0.7), (0.4, drop), (0.1, 0.4)]
    spots = [(u(0.3, 0.9), u(-0.7, 0.5), u(0.06, 0.15)) for _ in range(int(rng.integers(0, 5)))]
    for side in (-1, 1):
        for wing, surface in ((lower, SECOND), (upper, MAIN)):
            outline = curve(np.array(wing), closed=True)
            sketch.add(outline * [side, 1], surface)
            sketch.mark(
                (outline * 0.72 + [0.08, -0.03 if surface == MAIN else 0.06]) * [side, 1], ACCENT
            )
        for x, y, r in spots:
            sketch.mark(ellipse(side * x, y, r, r), PALE)
        sketch.add(stroke([(0, -0.3), (side * 0.1, -0.6), (side * 0.3, -0.85)], 0.03), DARK)
    sketch.add(ellipse(0, 0.05, 0.07, 0.45), DARK)
    return sketch


def snail(rng: Generator) -> Sketch:
    u = rng.uniform
    sketch = Sketch()
    sketch.add(stroke([(-1.0, 0.5), (-0.2, 0.45), (0.6, 0.42), (0.9, 0.1)], 0.1, 0.25), SECOND)
    for x in (0.85, 1.0):
        tip = (x + u(0.0, 0.25), -0.35 - u(0, 0.2))
        sketch.add(stroke([(x, 0.05), tip], 0.05), SECOND)
        sketch.add(ellipse(*tip, 0.05, 0.05), DARK)
    sketch.add(ellipse(-0.1, -0.05, 0.55, 0.5))
    angles = np.linspace(0, u(9, 14), 40)
    radii = 0.5 * angles / angles[-1]
    spiral = np.stack([-0.1 + radii * np.cos(angles), -0.05 + 0.9 * radii * np.sin(angles)], 1)
    sketch.mark(stroke(spiral[::2], 0.03, 0.06), DARK if rng.random() < 0.5 else ACCENT)
    return sketch


def _head(sketch: Sketch, rng: Generator, x: float, y: float, size: float) -> None:
    """Skin is SECOND, hair DARK; the face is only hinted at."""
    u = rng.uniform
    if rng.random() < 0.45:  # long hair, behind the head
        sketch.add(
            lathe(
                x,
                [y - size, y, y + size * u(0.9, 2.2)],
                [0.3 * size, size * 0.98, size * u(0.7, 1.1)],
            ),
            DARK,
        )
    sketch.add(ellipse(x, y, size * 0.78, size), SECOND)
    sketch.add(
        curve(
            [
                (x - 0.8 * size, y - 0.1 * size),
                (x - 0.6 * size, y - 1.0 * size),
                (x, y - 1.15 * size),
                (x + 0.6 * size, y - 1.0 * size),
                (x + 0.8 * size, y - 0.1 * size),
                (x + u(-0.3, 0.4) * size, y - 0.6 * size),
            ],
            closed=True,
        ),
        DARK,
    )
    if rng.random() < 0.25:
        sketch.add(box(x, y - size * 0.75, size * 2.4, size * 0.2, 0, 0.5), ACCENT)
        sketch.add(box(x, y - size * 1.1, size * 1.4, size * 0.8, 0, 0.5), ACCENT)
    for side in (-1, 1):
        sketch.mark(ellipse(x + side * 0.3 * size, y, 0.1 * size, 0.06 * size), DARK)
    sketch.mark(
        stroke(
            [
                (x - 0.22 * size, y + 0.5 * size),
                (x, y + 0.54 * size),
                (x + 0.22 * size, y + 0.5 * size),
            ],
            0.07 * size,
        ),
        ACCENT,
    )


def person(rng: Generator) -> Sketch:
    """Standing, walking, running or jumping; the clothes are MAIN and ACCENT."""
    u = rng.uniform
    sketch = Sketch(families={SECOND: "skin", DARK: _one(rng, ("black", "fur", "wood"))})
    wild = u(0.05, 1.0)
    hip, shoulder, waist = 0.16, u(0.2, 0.3), u(0.12, 0.24)

    def limb(
        x: float, y: float, upper: float, lower: float, angle: float, bend: float
    ) -> list[Point]:
        knee = (x + upper * math.sin(angle), y + upper * math.cos(angle))
        angle += bend
        return [
            (x, y),
            knee,
            (knee[0] + lower * math.sin(angle), knee[1] + lower * math.cos(angle)),
        ]

    skirt = rng.random() < 0.25
    for side in (-1, 1):
        path = limb(
            side * hip * 0.6, 0.1, 0.48, 0.48, side * u(-0.1, 0.7) * wild, -side * u(0, 0.8) * wild
        )
        sketch.add(stroke(path, 0.2, 0.11), SECOND if skirt else ACCENT)
        toe = path[-1]
        sketch.add(stroke([toe, (toe[0] + side * 0.12, toe[1] + 0.03)], 0.12, 0.08), DARK)
    sides = [(-1, u(0.1, 2.6) * wild), (1, u(0.1, 2.6) * wild)]
    for side, angle in sides:
        path = limb(
            side * shoulder, -0.62, 0.34, 0.34, side * (0.1 + angle), side * u(-0.6, 1.2) * wild
        )
        sketch.add(stroke(path, 0.14, 0.09), MAIN)
        sketch.add(ellipse(*path[-1], 0.065, 0.065), SECOND)
        sketch.add(stroke(path[:2], 0.15, 0.11), MAIN)
    torso = [-0.74, -0.66, -0.2, 0.12, 0.16]
    sketch.add(lathe(0, torso, [0.06, shoulder, waist, hip + 0.05, 0.02]))
    if skirt:
        sketch.add(lathe(0, [-0.15, 0.1, u(0.3, 0.8)], [waist, hip + 0.08, u(0.25, 0.5)]), ACCENT)
    sketch.add(stroke([(0, -0.7), (0, -0.85)], 0.12), SECOND)
    _head(sketch, rng, u(-0.04, 0.04), -0.98, u(0.15, 0.19))
    if rng.random() < 0.3:  # something carried
        sketch.add(box(u(0.25, 0.45), -0.1, u(0.2, 0.4), u(0.2, 0.5), u(-0.2, 0.2), 0.3), ACCENT)
    return sketch


def bust(rng: Generator) -> Sketch:
    """Head and shoulders, as in portraits."""
    u = rng.uniform
    sketch = Sketch(families={SECOND: "skin", DARK: _one(rng, ("black", "fur", "wood"))})
    wide = u(0.7, 1.0)
    sketch.add(lathe(0, [0.05, 0.2, 0.5, 1.3], [0.15, wide * 0.6, wide, wide * 1.08]))
    sketch.add(stroke([(0, -0.2), (0, 0.2)], u(0.26, 0.36)), SECOND)
    if rng.random() < 0.6:
        neckline = np.array([(-0.18, 0.12), (0.18, 0.12), (0.0, u(0.3, 0.7))])
        sketch.mark(neckline, SECOND if rng.random() < 0.5 else PALE)
    for side in (-1, 1) if rng.random() < 0.4 else ():
        sketch.mark(
            stroke([(side * 0.16, 0.12), (side * 0.25, 0.7), (side * 0.1, 1.3)], 0.12), ACCENT
        )
    _head(sketch, rng, u(-0.05, 0.05), -0.45, u(0.4, 0.5))
    return sketch
