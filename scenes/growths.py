"""Figures that grow, and figures of nothing in particular: leaves, fruit, polygons, letters."""

from __future__ import annotations

import math

import numpy as np

from .outlines import blob, box, disc, ellipse, lathe, leaf, polar, rounded, star, stroke, trapezoid
from .sketch import ACCENT, DARK, MAIN, PALE, SECOND, Dice, Sketch


def foliage(draw: Sketch, u: Dice) -> None:
    """A leaf, or several on a stalk, or a feather."""
    draw.upright = False
    draw.families = {MAIN: "foliage"} if u.chance(0.6) else {}
    bend = u(-0.3, 0.3)
    if u.chance(0.45):
        draw.add(stroke([(0, 0.5), (bend * 0.4, 1.0), (bend, 1.4)], 0.06), SECOND)
        draw.add(leaf((0, 0.9), (0, -1.0), u(0.5, 1.3), bend))
        draw.mark(leaf((0, 0.9), (0, -0.95), 0.06, bend), SECOND)
        for y in np.arange(-0.6, 0.7, u(0.2, 0.4)):
            for side in (-1, 1):
                tip = (side * 0.6 - bend, float(y) - 0.4)
                draw.mark(stroke([(-bend * 1.6 * (1 - y * y), float(y)), tip], 0.03, 0.015), SECOND)
        return
    draw.add(stroke([(0, 1.2), (bend, 0.2), (0, -1.0)], 0.06, 0.03), SECOND)
    width = u(0.1, 0.4)
    for y in np.linspace(-0.9, 0.8, u.count(3, 11)):
        for side in (-1, 1):
            tip = (side * u(0.5, 0.9), float(y) - u(0.1, 0.5))
            draw.add(leaf((bend * (1 - float(y) ** 2) * 0.9, float(y)), tip, width, side * 0.1))


def flower(draw: Sketch, u: Dice) -> None:
    draw.upright = False
    draw.families = {DARK: "foliage", ACCENT: "warm"}
    if u.chance(0.5):
        draw.add(stroke([(0, 0), (u(-0.2, 0.2), 1.0), (u(-0.4, 0.4), 1.9)], u(0.05, 0.1)), DARK)
        draw.add(leaf((0.0, 1.3), (u(0.3, 0.7), u(0.8, 1.1)), 0.25), DARK)
        draw.upright = True
    petals, width, turn = u.count(4, 16), u(0.3, 0.8), u(0, 1)
    for layer in range(u.count(1, 3)):
        reach, surface = 1.0 - 0.3 * layer, MAIN if layer == 0 else SECOND
        for angle in np.arange(petals) * 2 * math.pi / petals + turn + layer * 0.3:
            x, y = polar(angle, reach)
            if width > 0.5:
                draw.add(ellipse(x * 0.6, y * 0.6, 0.42 * reach, width * 0.45, angle), surface)
            else:
                draw.add(leaf((0, 0), (x, y), width), surface)
    draw.add(disc(0, 0, u(0.15, 0.4)), ACCENT)


def mushroom(draw: Sketch, u: Dice) -> None:
    draw.families = {SECOND: "sand"}
    thick = u(0.12, 0.35)
    stalk = [thick, thick * 0.9, thick * u(0.9, 1.6), 0.05]
    draw.add(lathe(0, [-0.2, 0.4, 0.9, 1.0], stalk), SECOND)
    wide, tall = u(0.6, 1.1), u(0.4, 1.0)
    cap = [0.0, -tall * 0.7, -tall, -tall * 0.7, 0.0, u(-0.1, 0.15)]
    draw.add(rounded([-wide, -wide * 0.8, 0.0, wide * 0.8, wide, 0.0], cap))
    for _ in range(u.count(0, 9)):
        r = u(0.04, 0.14)
        draw.mark(ellipse(u(-0.8, 0.8) * wide, u(-0.9, 0.0) * tall, r, r * 0.8), PALE)


def fruit(draw: Sketch, u: Dice) -> None:
    skin = u.one("warm", "foliage", "vivid", "warm")
    draw.families = {MAIN: skin, SECOND: "foliage", DARK: "wood"}
    draw.upright = u.chance(0.5)
    draw.add(stroke([(0, -0.6), (u(-0.1, 0.1), -0.9), (u(-0.25, 0.25), -1.2)], 0.08, 0.1), DARK)
    kind = u(0, 1)
    if kind < 0.5:
        halves = [0.02, 0.35, u(0.5, 0.95), u(0.7, 1.0), 0.3, 0.02]
        draw.add(lathe(0, [-0.7, -0.78, -0.3, 0.3, 0.8, 0.75], halves))
    elif kind < 0.75:  # a banana
        arc = [(-0.9, -0.5), (-0.5, 0.3), (0.3, 0.5), (1.0, 0.1)]
        draw.parts.clear()
        draw.add(stroke(arc, u(0.25, 0.4), u(0.15, 0.3)))
        draw.mark(ellipse(1.02, 0.08, 0.12, 0.14), DARK)
    else:  # grapes, cherries, berries
        for _ in range(u.count(5, 16)):
            x, y, r = u(-0.5, 0.5), u(-0.6, 0.8), u(0.2, 0.3)
            draw.add(disc(x * (1 - 0.5 * y), y, r), MAIN if u.chance(0.6) else ACCENT)
    if u.chance(0.6):
        draw.add(leaf((0, -0.75), (u(0.4, 0.8), u(-1.2, -0.7)), u(0.2, 0.35), 0.1), SECOND)


def tree(draw: Sketch, u: Dice) -> None:
    draw.families = {MAIN: "foliage", SECOND: "foliage", DARK: "earth"}
    trunk = [(0, 1.2), (u(-0.1, 0.1), 0.4), (u(-0.2, 0.2), -0.3)]
    draw.add(stroke(trunk, u(0.15, 0.35), 0.1), DARK)
    kind = u(0, 1)
    if kind < 0.35:
        for i in range(3):
            wide, y = 0.8 - 0.2 * i, 0.6 - 0.5 * i
            draw.add([(-wide, y), (0.0, y - 0.9), (wide, y)], SECOND if i % 2 else MAIN)
    elif kind < 0.7:
        for _ in range(u.count(3, 9)):
            x, y = u(-0.5, 0.5), u(-0.9, 0.0)
            draw.add(blob(u.rng, x, y, u(0.3, 0.5), 0.4), MAIN if u.chance(0.6) else SECOND)
    else:  # a palm, or bare branches
        surface, thick = (MAIN, u(0.12, 0.3)) if u.chance(0.6) else (DARK, 0.0)
        for angle in u.many(-math.pi, 0.3, u.count(6, 13)):
            tip = (u(0.6, 1.0) * math.cos(angle), -0.3 + u(0.6, 1.0) * math.sin(angle))
            if thick:
                draw.add(leaf((0, -0.3), tip, thick, u(-0.2, 0.2)), surface)
            else:
                elbow = (tip[0] * 0.5, tip[1] * 0.3)
                draw.add(stroke([(0, 0.0), elbow, tip], 0.09, 0.025), surface)


def cactus(draw: Sketch, u: Dice) -> None:
    draw.families = {MAIN: "foliage"}
    thick = u(0.25, 0.45)
    draw.add(stroke([(0, 1.0), (0, -0.8)], thick))
    for side in (-1, 1):
        if u.chance(0.8):
            y, out = u(-0.2, 0.5), side * u(0.4, 0.7)
            draw.add(stroke([(0, y), (out, y), (out, y - u(0.3, 0.8))], thick * 0.7))
    for x in np.linspace(-0.35, 0.35, 4) * thick:
        draw.mark(stroke([(float(x), 1.0), (float(x), -0.9)], 0.025), DARK)
    if u.chance(0.4):
        draw.add(star(0, -0.85 - thick / 2, 0.2, 6, 0.5), ACCENT)
    if u.chance(0.6):
        draw.add(trapezoid(0.5, 0.38, 0.7, 1.4), SECOND)


def potted(draw: Sketch, u: Dice) -> None:
    draw.families = {MAIN: "foliage", ACCENT: "foliage"}
    for _ in range(u.count(5, 16)):
        angle = u(-2.8, -0.35)
        x, y = polar(angle, u(0.6, 1.2))
        tip = (x, 0.2 + y)
        surface = MAIN if u.chance(0.6) else ACCENT
        if u.chance(0.5):
            draw.add(stroke([(0, 0.3), (tip[0] * 0.4, tip[1] * 0.7), tip], 0.04), surface)
            draw.add(ellipse(*tip, u(0.1, 0.22), u(0.08, 0.15), angle), surface)
        else:
            draw.add(leaf((0, 0.3), tip, u(0.1, 0.3), u(-0.2, 0.2)), surface)
    wide = u(0.3, 0.5)
    draw.add(trapezoid(wide, wide * 0.75, 0.2, 1.0), SECOND)
    draw.add(box(0, 0.22, wide * 2.25, 0.16, 0, 0.2), SECOND)


def polygon(draw: Sketch, u: Dice) -> None:
    draw.upright = False
    if u.chance(0.5):
        draw.add(star(0, 0, 1, u.count(3, 10), u(0.4, 1.0)))
    else:
        angles = np.sort(u.many(0, 2 * math.pi, u.count(4, 12)))
        radii = u.many(0.5, 1.0, angles.size)
        corners = np.stack([radii * np.cos(angles), radii * np.sin(angles)], 1)
        draw.add(np.concatenate([corners, corners[:1] * 0.9]))
        draw.add(disc(0, 0, 0.45))
    if u.chance(0.3):
        draw.mark(blob(u.rng, 0, 0, u(0.2, 0.5), 0.3), SECOND)


def lump(draw: Sketch, u: Dice) -> None:
    """A stone, a cloud, a cushion, a loaf."""
    draw.upright = False
    if u.chance(0.3):
        draw.add(box(0, 0, 2, u(0.6, 2), 0, u(0.2, 1.0)))
    else:
        draw.add(blob(u.rng, 0, 0, 1, u(0.1, 0.7)))
    for _ in range(u.count(0, 4)):
        draw.mark(blob(u.rng, u(-0.6, 0.6), u(-0.6, 0.6), u(0.1, 0.4), 0.4), SECOND)


def ring(draw: Sketch, u: Dice) -> None:
    """A ring, frame, tyre, horseshoe or chain link: mostly hole."""
    draw.upright = False
    thick, rounding = u(0.15, 0.6), 1.0 if u.chance(0.5) else u(0.0, 0.4)
    height = u(1.2, 2)
    draw.add(box(0, 0, 2, height, 0, rounding))
    draw.cut(box(0, 0, 2 - thick, height - thick, 0, rounding))
    if u.chance(0.25):
        draw.cut(box(0, height / 2, u(0.3, 0.8), height))
    if u.chance(0.3):
        draw.add(disc(0, -height / 2, 0.25), SECOND)


def lettering(draw: Sketch, u: Dice) -> None:
    draw.upright = u.chance(0.6)
    count = u.one(1, 1, 1, 2, 3)
    text = u.letters("ABCDEFGHJKLMNPQRSTUVWXYZabdefghkmnpqrstwxyz0123456789&?@#%", count)
    draw.write(text, box(0, 0, 2, 2 if count == 1 else 1.1), MAIN, "solid")


def cluster(draw: Sketch, u: Dice) -> None:
    """Several like things in a heap, seen as one."""
    draw.upright = False
    kind = u.count(0, 4)
    for _ in range(u.count(3, 9)):
        x, y = u.many(-0.7, 0.7, 2)
        r, turn = u(0.25, 0.5), u(0, 3.1)
        surface = u.one(MAIN, MAIN, SECOND, ACCENT)
        if kind == 0:
            draw.add(ellipse(x, y, r, r * u(0.5, 1), turn), surface)
        elif kind == 1:
            draw.add(box(x, y, 2 * r, r * u(0.6, 2), turn, u(0, 0.4)), surface)
        elif kind == 2:
            draw.add(blob(u.rng, x, y, r, 0.5), surface)
        else:
            draw.add(leaf((x - r, y), (x + r, y + u(-0.5, 0.5)), r, u(-0.3, 0.3)), surface)


def assembly(draw: Sketch, u: Dice) -> None:
    """A made-up thing: a body, and limbs, knobs, fins and openings on it, often symmetric."""
    draw.upright = u.chance(0.5)
    mirrored = u.chance(0.6)
    wide, tall = u(0.35, 0.8), u(0.35, 0.8)
    for _ in range(u.count(1, 5)):
        angle = u(-math.pi / 2, math.pi / 2) if mirrored else u(-math.pi, math.pi)
        root = np.array([wide * 0.8 * math.cos(angle), tall * 0.8 * math.sin(angle)])
        tip = root + u(0.3, 1.0) * np.array(polar(angle)) + u.many(-0.3, 0.3, 2)
        middle = (root + tip) / 2 + u.many(-0.25, 0.25, 2)
        surface = u.one(MAIN, SECOND, ACCENT, DARK)
        kind, size = u.count(0, 5), u(0.05, 0.35)
        if kind <= 1:
            outlines = [stroke(np.stack([root * 0.5, middle, tip]), size, size * u(0.2, 1.0))]
        elif kind == 2:
            outlines = [
                leaf((root[0] * 0.5, root[1] * 0.5), (tip[0], tip[1]), size * 2, u(-0.3, 0.3))
            ]
        elif kind == 3:
            shaft = stroke(np.stack([root * 0.5, tip]), size * 0.5)
            outlines = [shaft, ellipse(tip[0], tip[1], size, size * u(0.6, 1.2))]
        else:
            block = box(tip[0], tip[1], size * 3, size * 2, angle, u(0, 0.6))
            outlines = [block, stroke(np.stack([root * 0.3, tip]), size)]
        for outline in outlines:
            draw.add(outline, surface)
            if mirrored:
                draw.add(outline * [-1, 1], surface)
    body = u.count(0, 4)
    if body == 0:
        draw.add(ellipse(0, 0, wide, tall))
    elif body == 1:
        draw.add(box(0, 0, 2 * wide, 2 * tall, 0, u(0, 0.5)))
    elif body == 2:
        draw.add(blob(u.rng, 0, 0, (wide + tall) / 2, 0.5))
    else:
        draw.add(lathe(0, np.linspace(-tall, tall, 4), u.many(0.15, wide, 4)))
    if u.chance(0.3):
        draw.cut(ellipse(0, u(-0.2, 0.2), wide * u(0.2, 0.55), tall * u(0.2, 0.55)))
    for _ in range(u.count(0, 4)):
        x, y, r = u(0, 0.7) * wide, u(-0.7, 0.7) * tall, u(0.05, 0.2)
        surface = u.one(SECOND, ACCENT, DARK, PALE)
        for side in (-1, 1) if mirrored else (1,):
            draw.mark(disc(side * x, y, r), surface)
