"""Figures of made things: handles, spokes, legs, poles and strings among them."""

from __future__ import annotations

import math

import numpy as np
from numpy.random import Generator

from .outlines import blob, box, ellipse, lathe, star, stroke
from .sketch import ACCENT, DARK, MAIN, PALE, SECOND, Sketch

__all__ = [
    "bag",
    "ball",
    "balloon",
    "building",
    "chair",
    "crate",
    "glasses",
    "lamp",
    "mug",
    "sign",
    "stringed",
    "table",
    "tool",
    "umbrella",
    "vessel",
]


def vessel(rng: Generator) -> Sketch:
    """A bottle, vase, jug or figurine, turned on a lathe."""
    u = rng.uniform
    sketch = Sketch()
    count = int(rng.integers(4, 7))
    heights = np.linspace(-1, 1, count)
    halves = u(0.12, 0.6, count)
    if rng.random() < 0.4:  # a bottle's neck
        halves[: count // 2] = u(0.09, 0.15)
    outline = lathe(0, list(heights), list(halves))
    top = float(halves[0])
    if rng.random() < 0.35:
        side = float(halves.max()) + u(0.15, 0.4)
        grip = [(0.0, -0.6), (side, -0.6), (side, 0.2), (0.0, 0.4)]
        sketch.add(stroke(grip, u(0.07, 0.14)))
    sketch.add(outline)
    if rng.random() < 0.5:
        sketch.add(box(0, -1.02, top * 2.3, u(0.05, 0.2), 0, 0.3), SECOND)
    if rng.random() < 0.6:
        sketch.mark(box(0, u(0.0, 0.5), 2, u(0.1, 0.6)), ACCENT)
    return sketch


def mug(rng: Generator) -> Sketch:
    u = rng.uniform
    sketch = Sketch()
    width, narrow, height = u(0.4, 0.6), u(0.7, 1.05), u(0.45, 0.75)
    handle = [(width * 0.9, -height * 0.6), (width + u(0.25, 0.5), -height * 0.55)]
    handle += [(width + u(0.2, 0.45), height * 0.45), (width * 0.8, height * 0.6)]
    sketch.add(stroke(handle, u(0.08, 0.16)))
    body = [
        (-width, -height),
        (width, -height),
        (width * narrow, height),
        (-width * narrow, height),
    ]
    sketch.add(np.array(body))
    sketch.add(ellipse(0, height, width * narrow, 0.1))
    sketch.add(ellipse(0, -height, width, u(0.06, 0.16)), SECOND)
    sketch.mark(ellipse(0, -height + 0.02, width * 0.88, 0.08), DARK)
    if rng.random() < 0.5:
        sketch.mark(blob(rng, 0, 0.1, u(0.15, 0.35), 0.4), ACCENT)
    if rng.random() < 0.3:  # a spout, as of a teapot
        spout = [(-width * 0.8, 0.3), (-width - 0.3, 0.0), (-width - 0.5, -height * 0.8)]
        sketch.add(stroke(spout, 0.25, 0.1))
    return sketch


def lamp(rng: Generator) -> Sketch:
    u = rng.uniform
    sketch = Sketch()
    top, bottom, tall = u(0.15, 0.4), u(0.4, 0.7), u(0.4, 1.4)
    sketch.add(stroke([(0, -0.3), (u(-0.1, 0.1), tall * 0.5), (0, tall)], u(0.04, 0.12)), SECOND)
    sketch.add(lathe(0, [tall - 0.12, tall, tall + 0.06], [0.1, u(0.25, 0.45), 0.3]), SECOND)
    shade = [(-top, -1.0), (top, -1.0), (bottom, -0.3), (-bottom, -0.3)]
    sketch.add(np.array(shade))
    if rng.random() < 0.4:
        sketch.mark(box(0, -0.36, 2, 0.07), ACCENT)
    return sketch


def chair(rng: Generator) -> Sketch:
    u = rng.uniform
    sketch = Sketch(families={MAIN: "wood"} if rng.random() < 0.5 else {})
    leg, thick, lean = u(0.6, 1.0), u(0.05, 0.11), u(0.0, 0.15)
    for x in (-0.5, -0.28, 0.28, 0.5):
        surface = SECOND if abs(x) < 0.4 else MAIN
        foot = (x * (1 + lean), leg if surface == MAIN else leg - 0.15)
        sketch.add(stroke([(x, 0.0), foot], thick), surface)
    if rng.random() < 0.4:
        sketch.add(stroke([(-0.5, leg * 0.6), (0.5, leg * 0.6)], thick * 0.7))
    if rng.random() < 0.8:
        high = u(0.6, 1.2)
        if rng.random() < 0.5:
            for x in np.linspace(-0.46, 0.46, int(rng.integers(2, 6))):
                sketch.add(stroke([(x, 0.0), (x * 0.95, -high)], thick))
            for y in u(-high, -high * 0.4, int(rng.integers(1, 3))):
                sketch.add(stroke([(-0.48, y), (0.48, y)], thick * 1.3))
            sketch.add(box(0, -high, 1.0, 0.15, 0, 0.4))
        else:
            sketch.add(box(0, -high / 2, 1.05, high, 0, u(0.1, 0.5)), ACCENT)
    sketch.add(box(0, 0, 1.2, u(0.12, 0.3), 0, 0.25), ACCENT)
    return sketch


def table(rng: Generator) -> Sketch:
    u = rng.uniform
    sketch = Sketch(families={MAIN: "wood"} if rng.random() < 0.6 else {})
    leg, thick = u(0.4, 0.8), u(0.05, 0.12)
    for x in (-0.85, -0.6, 0.6, 0.85):
        foot = leg if abs(x) > 0.7 else leg * 0.8
        sketch.add(
            stroke([(x, 0.0), (x, foot)], thick, thick * 0.7), MAIN if abs(x) > 0.7 else SECOND
        )
    top = [(-0.75, -0.25), (0.75, -0.25), (1.0, 0.0), (-1.0, 0.0)]
    sketch.add(np.array(top))
    sketch.add(box(0, 0.05, 2.0, u(0.08, 0.25)), SECOND)
    if rng.random() < 0.5:
        x, tall = u(-0.4, 0.4), u(0.2, 0.6)
        sketch.add(lathe(x, [-0.1 - tall, -0.1], [u(0.05, 0.2), u(0.1, 0.25)]), ACCENT)
    return sketch


def tool(rng: Generator) -> Sketch:
    """A handle and a head: spoon, hammer, axe, racket, brush, key, whisk, spanner."""
    u = rng.uniform
    sketch = Sketch(upright=False, families={SECOND: "metal"} if rng.random() < 0.5 else {})
    sketch.add(stroke([(0, -0.3), (u(-0.06, 0.06), 0.4), (0, 1.0)], u(0.06, 0.12), u(0.08, 0.22)))
    kind = int(rng.integers(0, 6))
    wide, tall = u(0.25, 0.5), u(0.3, 0.55)
    if kind == 0:
        sketch.add(ellipse(0, -0.6, wide, tall), SECOND)
    elif kind == 1:
        sketch.add(ellipse(0, -0.6, wide, tall), SECOND)
        sketch.cut(ellipse(0, -0.6, wide * 0.8, tall * 0.85))
        for shift in np.linspace(-0.6, 0.6, int(rng.integers(2, 7))):
            sketch.add(
                stroke(
                    [(shift * wide, -0.6 - tall * 0.75), (shift * wide, -0.6 + tall * 0.75)], 0.02
                ),
                PALE,
            )
    elif kind == 2:
        sketch.add(box(u(-0.15, 0.15), -0.45, u(0.5, 0.9), u(0.2, 0.35), 0, 0.2), SECOND)
    elif kind == 3:
        edge = [(0.0, -0.65), (wide + 0.2, -0.8), (wide + 0.2, -0.1), (0.0, -0.3)]
        sketch.add(np.array(edge), SECOND)
    elif kind == 4:
        sketch.add(ellipse(0, -0.5, 0.3, 0.3), SECOND)
        sketch.cut(star(0, -0.6, 0.2, 6, 1.0))
        sketch.cut(box(0, -0.85, 0.25, 0.4))
    else:
        for shift in np.linspace(-1, 1, int(rng.integers(3, 6))):
            loop = [(0.0, -0.25), (shift * wide, -0.7), (0.0, -1.1)]
            sketch.add(stroke(loop, 0.035), SECOND)
    return sketch


def umbrella(rng: Generator) -> Sketch:
    sketch = Sketch()
    sketch.add(stroke([(0, -0.6), (0, 0.8), (0.08, 0.95), (0.2, 0.85)], 0.05), DARK)
    ribs = int(rng.integers(3, 7))
    top = [(float(x), -0.95 + 0.7 * float(abs(x)) ** 2.2) for x in np.linspace(-1, 1, 15)]
    hem = [
        (float(x), -0.2 if i % 2 else -0.12) for i, x in enumerate(np.linspace(1, -1, 2 * ribs + 1))
    ]
    sketch.add(np.array(top + hem))
    for i, x in enumerate(np.linspace(-1, 1, ribs + 1)[:-1]):
        if i % 2:
            panel = [(0.0, -0.97), (float(x), -0.1), (float(x) + 2 / ribs, -0.1)]
            sketch.mark(np.array(panel), SECOND)
    sketch.add(stroke([(0, -0.9), (0, -1.05)], 0.05), DARK)
    return sketch


def crate(rng: Generator) -> Sketch:
    """A box, book, suitcase or appliance in three faces."""
    u = rng.uniform
    sketch = Sketch()
    width, height, dx, dy = u(0.5, 1.1), u(0.3, 1.1), u(0.15, 0.6), u(0.1, 0.4)
    front = np.array(
        [(-width, -height), (width - dx, -height), (width - dx, height), (-width, height)]
    )
    side = [
        (width - dx, -height),
        (width, -height - dy),
        (width, height - dy),
        (width - dx, height),
    ]
    top = [
        (-width, -height),
        (-width + dx, -height - dy),
        (width, -height - dy),
        (width - dx, -height),
    ]
    sketch.add(np.array([*top[:3], *side[2:], front[3]]))  # or seams would show between faces
    sketch.add(np.array(side), SECOND)
    sketch.add(np.array(top), ACCENT)
    sketch.add(front)
    middle = -dx / 2
    choice = rng.random()
    if choice < 0.3:
        sketch.mark(box(middle, u(-0.2, 0.2) * height, 0.3, 3), PALE)
    elif choice < 0.6:
        sketch.mark(box(middle, 0, width * 1.1, height * 1.1, 0, u(0, 0.4)), DARK)
    elif choice < 0.8:
        letters = "".join(rng.choice(list("ABCDEFGHKMNPRSTUVXYZ"), 3))
        sketch.write(letters, box(middle, 0, width * 1.2, height * 0.9), PALE, "mark")
    return sketch


def bag(rng: Generator) -> Sketch:
    u = rng.uniform
    sketch = Sketch()
    narrow, grip = u(0.6, 1.0), u(0.3, 0.7)
    sketch.add(
        stroke(
            [(-grip * 0.6, -0.3), (-grip * 0.5, -0.9), (grip * 0.5, -0.9), (grip * 0.6, -0.3)],
            u(0.05, 0.12),
        ),
        SECOND,
    )
    body = [(-0.8 * narrow, -0.35), (0.8 * narrow, -0.35), (0.8, 0.75), (-0.8, 0.75)]
    sketch.add(np.array(body))
    sketch.add(ellipse(0, 0.75, 0.8, 0.12))
    if rng.random() < 0.6:
        flap = [(-0.8 * narrow, -0.36), (0.8 * narrow, -0.36), (0.6, u(0, 0.3)), (-0.6, u(0, 0.3))]
        sketch.mark(np.array(flap), ACCENT)
        sketch.mark(box(0, 0.2, 0.2, 0.15), PALE)
    return sketch


def ball(rng: Generator) -> Sketch:
    u = rng.uniform
    sketch = Sketch(upright=False)
    sketch.add(ellipse(0, 0, 1, 1))
    choice = rng.random()
    if choice < 0.3:
        for angle in np.arange(5) * 2 * math.pi / 5:
            sketch.mark(
                star(0.75 * math.cos(angle), 0.75 * math.sin(angle), 0.3, 5, 0.95, angle), DARK
            )
        sketch.mark(star(0, 0, 0.3, 5, 0.95), DARK)
    elif choice < 0.6:
        for shift in (-0.6, 0.0, 0.6):
            sketch.mark(
                stroke([(shift, -1), (shift * u(1.2, 1.8), 0), (shift, 1)], u(0.05, 0.25)), SECOND
            )
    return sketch


def balloon(rng: Generator) -> Sketch:
    u = rng.uniform
    sketch = Sketch(families={MAIN: "vivid"})
    for _ in range(int(rng.integers(1, 4))):
        x, y = u(-0.5, 0.5), u(-0.9, -0.4)
        string = [(x, y + 0.4), (x * 0.5 + u(-0.1, 0.1), 0.4), (0.0, 1.0)]
        surface = (MAIN, SECOND, ACCENT)[int(rng.integers(3))]
        sketch.add(stroke(string, 0.025), DARK)
        sketch.add(star(x, y + 0.5, 0.07, 3, 0.9, -math.pi / 2), surface)
        sketch.add(ellipse(x, y, 0.38, 0.48), surface)
    return sketch


def sign(rng: Generator) -> Sketch:
    u = rng.uniform
    sketch = Sketch(families={SECOND: "metal"})
    sketch.add(stroke([(0, -0.3), (0, 1.2)], u(0.05, 0.12)), SECOND)
    shapes = (
        box(0, -0.5, u(0.8, 1.6), u(0.5, 1.0), 0, u(0, 0.3)),
        ellipse(0, -0.5, 0.55, 0.55),
        star(0, -0.5, 0.65, 3, 1.0, -math.pi / 2),
        star(0, -0.5, 0.6, 4, 1.0),
        star(0, -0.5, 0.6, 8, 1.0, math.pi / 8),
    )
    outline = shapes[int(rng.integers(len(shapes)))]
    sketch.add(outline)
    sketch.mark((outline + np.array([0, 0.5])) * 0.84 - np.array([0, 0.5]), PALE)
    letters = "".join(rng.choice(list("0123456789ABCEHPSTX!?"), int(rng.integers(1, 4))))
    sketch.write(letters, box(0, -0.5, 0.5, 0.4), DARK, "mark")
    return sketch


def building(rng: Generator) -> Sketch:
    """A house, tower or lighthouse."""
    u = rng.uniform
    sketch = Sketch()
    wide, high = u(0.3, 0.9), u(0.5, 1.3)
    taper = u(0.6, 1.0)
    sketch.add(
        np.array([(-wide * taper, -high), (wide * taper, -high), (wide, high), (-wide, high)])
    )
    eave = wide * taper * u(1.0, 1.3)
    peak = high + u(0.2, 0.8)
    low = -high + 0.03  # faces overlap a little, or a seam would show between them
    sketch.add(np.array([(-eave, low), (u(-0.3, 0.3) * eave, -peak), (eave, low)]), SECOND)
    if rng.random() < 0.3:
        sketch.add(stroke([(0, -peak + 0.1), (0, -peak - 0.4)], 0.03), DARK)
    columns, rows = int(rng.integers(1, 4)), int(rng.integers(1, 5))
    dark = DARK if rng.random() < 0.7 else PALE
    for x in np.linspace(-0.6, 0.6, columns) * wide * taper:
        for y in np.linspace(-0.75, 0.3, rows) * high:
            sketch.mark(
                box(float(x), float(y), 0.3 * wide / columns + 0.06, 0.4 * high / rows), dark
            )
    sketch.mark(box(0, high - 0.2, 0.25, 0.45), ACCENT)
    return sketch


def glasses(rng: Generator) -> Sketch:
    u = rng.uniform
    sketch = Sketch(upright=False)
    thick, r = u(0.06, 0.14), u(0.3, 0.42)
    rounding = u(0.3, 1.0)
    for x in (-0.5, 0.5):
        sketch.add(box(x, 0, 2 * r, 1.7 * r, 0, rounding))
        lens = box(x, 0, 2 * r - thick, 1.7 * r - thick, 0, rounding)
        if rng.random() < 0.6:
            sketch.cut(lens)
        else:
            sketch.mark(lens, DARK)
    sketch.add(stroke([(-0.5 + r * 0.9, -0.05), (0, -0.12), (0.5 - r * 0.9, -0.05)], thick))
    for side in (-1, 1):
        sketch.add(
            stroke(
                [(side * (0.5 + r * 0.9), -0.1), (side * 1.1, -0.25), (side * 0.9, -0.6)],
                thick,
                0.05,
            ),
            SECOND,
        )
    return sketch


def stringed(rng: Generator) -> Sketch:
    """A guitar or violin."""
    u = rng.uniform
    sketch = Sketch(upright=False, families={MAIN: "wood"})
    lower, upper, waist = u(0.4, 0.55), u(0.28, 0.42), u(0.2, 0.3)
    sketch.add(stroke([(0, 0.3), (0, -1.2)], 0.12), DARK)
    sketch.add(box(0, -1.25, 0.2, 0.3), SECOND)
    for y in (-1.33, -1.2):
        sketch.add(stroke([(-0.17, y), (0.17, y)], 0.04), PALE)
    sketch.add(lathe(0, [-0.35, -0.2, 0.1, 0.55, 0.85], [0.08, upper, waist, lower, 0.08]))
    sketch.mark(ellipse(0, 0.15, 0.14, 0.14), DARK)
    sketch.mark(stroke([(0, 0.1), (0, -1.2)], 0.1), DARK)
    sketch.mark(box(0, 0.55, 0.3, 0.06), DARK)
    return sketch
