"""Figures of people and animals: bodies with thin limbs, tails, fins and antennae."""

from __future__ import annotations

import math

import numpy as np

from .outlines import Point, blob, box, disc, ellipse, lathe, leaf, rounded, stroke
from .sketch import ACCENT, DARK, MAIN, PALE, SECOND, Dice, Sketch

COATS = ("fur", "fur", "earth", "black", "white", "stone", "muted")


def quadruped(draw: Sketch, u: Dice) -> None:
    """Dog, horse, cow, deer, elephant and what lies between them."""
    draw.families = {MAIN: u.one(*COATS), SECOND: u.one(*COATS)}
    leg, depth, neck = u(0.35, 1.0), u(0.22, 0.4), u(0.1, 0.7)
    thick, foot = u(0.1, 0.2), u(0.06, 0.12)
    hip, chest = -0.7, 0.6
    floor = depth * 0.6 + leg
    near = MAIN if u.chance(0.7) else SECOND
    for x, surface in ((hip + 0.14, SECOND), (chest - 0.14, SECOND), (hip, near), (chest, near)):
        swing, knee = u(-0.22, 0.22), u(-0.08, 0.08)
        foot_at = (x + swing, floor)
        middle = (x + swing / 2 + knee, (floor + 0.1) / 2)
        draw.add(stroke([(x, 0.0), middle, foot_at], thick * 1.6, foot), surface)
        draw.add(ellipse(foot_at[0] + 0.03, floor, foot * 0.8, foot * 0.5), DARK)
    back, belly = -depth * u(0.7, 1.1), depth * u(0.6, 1.1)
    body = rounded(
        [-0.95, -0.75, 0.0, 0.6, 0.85, 0.6, -0.1, -0.75],
        [-0.05, -depth, back, -depth, 0.0, depth * 0.9, belly, depth * 0.7],
    )
    tail = [(-0.88, -0.1), (-1.05 - u(0, 0.2), u(-0.4, 0.2)), (-1.0 - u(0, 0.4), u(-0.6, 0.6))]
    draw.add(stroke(tail, u(0.05, 0.12), u(0.02, 0.12)), MAIN)
    head = (1.0 + u(0, 0.25), -depth - neck)
    draw.add(stroke([(0.6, -0.05), (0.85, -depth - neck * 0.4), head], depth * 1.3, u(0.18, 0.3)))
    draw.add(body)
    size = u(0.17, 0.27)
    nose = (head[0] + size * u(1.2, 2.2), head[1] + u(0.0, 0.25))
    for ear in (-0.4, 0.25):
        top = (head[0] + ear * size - u(0, 0.1), head[1] - size * u(1.2, 2.2))
        draw.add(leaf((head[0] + ear * size, head[1] - size * 0.5), top, u(0.1, 0.2)), SECOND)
    if u.chance(0.2):
        tips = [(head[0] - 0.1, head[1] - 0.5), (head[0] + 0.2, head[1] - 0.7)]
        draw.add(stroke([(head[0], head[1] - size * 0.7), *tips], 0.08, 0.02), PALE)
    draw.add(ellipse(*head, size, size * 0.85))
    draw.add(stroke([head, nose], size * 1.5, size * u(0.7, 1.1)))
    draw.mark(ellipse(nose[0] + size * 0.2, nose[1], size * 0.25, size * 0.22), DARK)
    draw.mark(disc(head[0] + size * 0.4, head[1] - size * 0.2, size * 0.14), DARK)
    for _ in range(u.count(0, 6) if u.chance(0.4) else 0):
        draw.mark(blob(u.rng, u(-0.8, 0.7), u(-depth, depth), u(0.08, 0.25), 0.4), PALE)


def sitting_animal(draw: Sketch, u: Dice) -> None:
    """A cat, a small dog or a bear from the front or three quarters."""
    draw.families = {MAIN: u.one(*COATS), SECOND: u.one(*COATS)}
    width = u(0.4, 0.65)
    tail = [(0.3, 0.85), (0.7, 0.85 + u(-0.3, 0.1)), (0.8 + u(0, 0.2), u(0.0, 0.7))]
    draw.add(stroke(tail, u(0.1, 0.2), u(0.05, 0.15)))
    draw.add(lathe(0, [-0.5, -0.1, 0.5, 0.95, 1.0], [0.18, width * 0.7, width, width, 0.1]))
    draw.mark(ellipse(0, 0.25, width * 0.45, 0.5), PALE if u.chance(0.5) else SECOND)
    for side in (-1, 1):
        draw.add(stroke([(side * 0.2, 0.1), (side * 0.22, 0.9)], 0.24, 0.17))
        draw.add(ellipse(side * 0.24, 0.96, 0.16, 0.09), PALE)
    head, tilt = u(0.36, 0.5), u(-0.1, 0.1)
    y = -0.5 - head * 0.5
    pointed = u.chance(0.6)
    for side in (-1, 1):
        root = (tilt + side * head * 0.6, y - head * 0.4)
        if pointed:
            tip = (tilt + side * head * u(0.8, 1.1), y - head * u(1.3, 1.7))
            draw.add(stroke([root, tip], head * 0.7, head * 0.1))
        else:
            long = head * u(0.3, 0.7)
            draw.add(ellipse(root[0] + side * 0.05, root[1], head * 0.35, long), SECOND)
    draw.add(ellipse(tilt, y, head * u(0.95, 1.1), head * 0.9))
    draw.mark(ellipse(tilt, y + head * 0.4, head * 0.4, head * 0.3), PALE)
    draw.mark(ellipse(tilt, y + head * 0.25, head * 0.13, head * 0.09), DARK)
    for side in (-1, 1):
        draw.mark(ellipse(tilt + side * head * 0.4, y - head * 0.1, head * 0.13, head * 0.15), DARK)
        draw.mark(disc(tilt + side * head * 0.43, y - head * 0.15, 0.02), PALE)


def bird(draw: Sketch, u: Dice) -> None:
    draw.upright = u.chance(0.7)
    fat, neck = u(0.25, 0.5), u(0.05, 0.8)
    draw.add(leaf((-0.3, 0.0), (-1.0 - u(0, 0.4), u(-0.3, 0.5)), u(0.2, 0.5)), SECOND)
    if draw.upright:
        for x in (-0.05, 0.12):
            length = fat + u(0.2, 0.9)
            ankle = (x + u(-0.05, 0.05), length)
            draw.add(stroke([(x, 0.1), ankle], 0.06, 0.035), ACCENT)
            draw.add(stroke([(ankle[0] - 0.06, length), (ankle[0] + 0.14, length)], 0.03), ACCENT)
    head = (0.55 + u(0, 0.2), -fat * 0.6 - neck)
    nape = (0.5 + u(-0.1, 0.2), -fat * 0.5 - neck * 0.4)
    draw.add(stroke([(0.3, 0.0), nape, head], fat, u(0.15, 0.3)))
    draw.add(ellipse(0.0, 0.0, u(0.6, 0.75), fat, u(-0.3, 0.1)))
    size = u(0.16, 0.26)
    beak = (head[0] + size + u(0.1, 0.5), head[1] + u(-0.05, 0.15))
    draw.add(stroke([head, beak], size * 0.9, 0.03), ACCENT)
    draw.add(ellipse(*head, size, size * 0.95), MAIN if u.chance(0.6) else SECOND)
    if u.chance(0.3):
        crest = (head[0] - 0.25, head[1] - 0.5)
        draw.add(leaf((head[0] - 0.05, head[1] - size * 0.6), crest, 0.12), ACCENT)
    draw.mark(disc(head[0] + size * 0.35, head[1] - size * 0.2, size * 0.18), DARK)
    draw.mark(ellipse(0.1, fat * 0.6, 0.4, fat * 0.5), PALE)
    if draw.upright and u.chance(0.7):
        draw.add(leaf((0.25, -0.05), (-0.8, u(-0.1, 0.35)), fat * 1.1, u(-0.2, 0.1)), SECOND)
    else:
        for lift in (u(-1.4, -0.7), u(-1.2, 0.9)):
            tip = -0.3 + u(-0.3, 0.3)
            wing = rounded([0.3, 0.25, tip, -0.45], [-0.05, lift * 0.6, lift, lift * 0.3])
            draw.add(wing, SECOND)


def fish(draw: Sketch, u: Dice) -> None:
    draw.upright = u.chance(0.5)
    deep, fork = u(0.25, 0.6), u(0.3, 0.6)
    draw.add([(-0.6, 0.0), (-1.1, -fork), (-0.95, 0.0), (-1.1, fork)], SECOND)
    draw.add(leaf((-0.3, -deep * 0.5), (u(-0.7, 0.1), -deep * u(1.3, 2.0)), u(0.3, 0.7)), SECOND)
    draw.add(leaf((0.0, deep * 0.5), (u(-0.6, 0.0), deep * u(1.2, 1.7)), u(0.2, 0.4)), SECOND)
    profile = [0.0, -deep * 0.8, -deep * 0.9, 0.0, deep * 0.8, deep * 0.7]
    draw.add(rounded([-0.75, -0.2, 0.4, 0.95, 0.4, -0.2], profile))
    for x in np.arange(-0.5, 0.5, u(0.15, 0.4)) if u.chance(0.5) else ():
        draw.mark(leaf((x, -deep), (x - 0.1, deep), u(0.06, 0.18), 0.1), ACCENT)
    draw.mark(disc(0.62, -deep * 0.2, 0.1), PALE)
    draw.mark(disc(0.64, -deep * 0.2, 0.055), DARK)
    draw.mark(leaf((0.3, 0.05), (-0.1, 0.25), 0.15), SECOND)


def insect(draw: Sketch, u: Dice) -> None:
    draw.upright = False
    width = u(0.2, 0.5)
    for side in (-1, 1):
        for y in (-0.25, 0.0, 0.3):
            knee = (side * (width + u(0.2, 0.35)), y + u(-0.25, 0.1))
            toe = (side * (width + u(0.3, 0.6)), y + u(0.0, 0.4))
            draw.add(stroke([(0.0, y), knee, toe], u(0.04, 0.08), 0.03), DARK)
        tip = (side * u(0.2, 0.5), -0.95 - u(0.2, 0.6))
        draw.add(stroke([(side * 0.06, -0.7), (side * 0.25, -1.0), tip], 0.035, 0.025), DARK)
    draw.add(ellipse(0, -0.65, width * 0.55, 0.2), SECOND)
    draw.add(ellipse(0, 0.2, width, 0.75))
    draw.add(ellipse(0, -0.4, width * 0.75, 0.2), SECOND)
    if u.chance(0.6):
        draw.mark(stroke([(0, -0.4), (0, 0.95)], 0.03), DARK)
        for _ in range(u.count(2, 7)):
            x, y, r = u(0.1, 0.8) * width, u(-0.3, 0.7), u(0.05, 0.13)
            for side in (-1, 1):
                draw.mark(disc(side * x, y, r), DARK)


def butterfly(draw: Sketch, u: Dice) -> None:
    draw.upright = False
    reach, drop = u(0.7, 1.2), u(0.5, 1.0)
    corner = -0.8 + u(-0.2, 0.2)
    upper = rounded([0.02, 0.35, reach, reach * 0.9, 0.3], [-0.1, -0.8, corner, -0.2, 0.1])
    lower = rounded([0.02, 0.6, 0.75, 0.4, 0.1], [0.0, -0.05, drop * 0.7, drop, 0.4])
    spots = [(u(0.3, 0.9), u(-0.7, 0.5), u(0.06, 0.15)) for _ in range(u.count(0, 5))]
    for side in (-1, 1):
        for wing, surface, lift in ((lower, SECOND, 0.06), (upper, MAIN, -0.03)):
            draw.add(wing * [side, 1], surface)
            draw.mark((wing * 0.72 + [0.08, lift]) * [side, 1], ACCENT)
        for x, y, r in spots:
            draw.mark(disc(side * x, y, r), PALE)
        draw.add(stroke([(0, -0.3), (side * 0.1, -0.6), (side * 0.3, -0.85)], 0.03), DARK)
    draw.add(ellipse(0, 0.05, 0.07, 0.45), DARK)


def snail(draw: Sketch, u: Dice) -> None:
    draw.add(stroke([(-1.0, 0.5), (-0.2, 0.45), (0.6, 0.42), (0.9, 0.1)], 0.1, 0.25), SECOND)
    for x in (0.85, 1.0):
        tip = (x + u(0.0, 0.25), -0.35 - u(0, 0.2))
        draw.add(stroke([(x, 0.05), tip], 0.05), SECOND)
        draw.add(disc(*tip, 0.05), DARK)
    draw.add(ellipse(-0.1, -0.05, 0.55, 0.5))
    angles = np.linspace(0, u(9, 14), 40)
    radii = 0.5 * angles / angles[-1]
    spiral = np.stack([-0.1 + radii * np.cos(angles), -0.05 + 0.9 * radii * np.sin(angles)], 1)
    draw.mark(stroke(spiral[::2], 0.03, 0.06), DARK if u.chance(0.5) else ACCENT)


def _head(draw: Sketch, u: Dice, x: float, y: float, size: float) -> None:
    """Skin is SECOND, hair DARK; the face is only hinted at."""
    if u.chance(0.45):  # long hair, behind the head
        ends, full = y + size * u(0.9, 2.2), size * u(0.7, 1.1)
        draw.add(lathe(x, [y - size, y, ends], [0.3 * size, size * 0.98, full]), DARK)
    draw.add(ellipse(x, y, size * 0.78, size), SECOND)
    across = np.array([-0.8, -0.6, 0.0, 0.6, 0.8, u(-0.3, 0.4)])
    down = np.array([-0.1, -1.0, -1.15, -1.0, -0.1, -0.6])
    draw.add(rounded(x + across * size, y + down * size), DARK)
    if u.chance(0.25):
        draw.add(box(x, y - size * 0.75, size * 2.4, size * 0.2, 0, 0.5), ACCENT)
        draw.add(box(x, y - size * 1.1, size * 1.4, size * 0.8, 0, 0.5), ACCENT)
    for side in (-1, 1):
        draw.mark(ellipse(x + side * 0.3 * size, y, 0.1 * size, 0.06 * size), DARK)
    left, right = (x - 0.22 * size, y + 0.5 * size), (x + 0.22 * size, y + 0.5 * size)
    draw.mark(stroke([left, (x, y + 0.54 * size), right], 0.07 * size), ACCENT)


def person(draw: Sketch, u: Dice) -> None:
    """Standing, walking, running or jumping; the clothes are MAIN and ACCENT."""
    draw.families = {SECOND: "skin", DARK: u.one("black", "fur", "wood")}
    wild = u(0.05, 1.0)
    hip, shoulder, waist = 0.16, u(0.2, 0.3), u(0.12, 0.24)

    def limb(x: float, y: float, half: float, angle: float, bend: float) -> list[Point]:
        knee = (x + half * math.sin(angle), y + half * math.cos(angle))
        angle += bend
        return [(x, y), knee, (knee[0] + half * math.sin(angle), knee[1] + half * math.cos(angle))]

    skirt = u.chance(0.25)
    for side in (-1, 1):
        swing, bend = side * u(-0.1, 0.7) * wild, -side * u(0, 0.8) * wild
        path = limb(side * hip * 0.6, 0.1, 0.48, swing, bend)
        draw.add(stroke(path, 0.2, 0.11), SECOND if skirt else ACCENT)
        toe = path[-1]
        draw.add(stroke([toe, (toe[0] + side * 0.12, toe[1] + 0.03)], 0.12, 0.08), DARK)
    for side, angle in ((-1, u(0.1, 2.6) * wild), (1, u(0.1, 2.6) * wild)):
        bend = side * u(-0.6, 1.2) * wild
        path = limb(side * shoulder, -0.62, 0.34, side * (0.1 + angle), bend)
        draw.add(stroke(path, 0.14, 0.09), MAIN)
        draw.add(disc(*path[-1], 0.065), SECOND)
        draw.add(stroke(path[:2], 0.15, 0.11), MAIN)
    torso = [-0.74, -0.66, -0.2, 0.12, 0.16]
    draw.add(lathe(0, torso, [0.06, shoulder, waist, hip + 0.05, 0.02]))
    if skirt:
        draw.add(lathe(0, [-0.15, 0.1, u(0.3, 0.8)], [waist, hip + 0.08, u(0.25, 0.5)]), ACCENT)
    draw.add(stroke([(0, -0.7), (0, -0.85)], 0.12), SECOND)
    _head(draw, u, u(-0.04, 0.04), -0.98, u(0.15, 0.19))
    if u.chance(0.3):  # something carried
        draw.add(box(u(0.25, 0.45), -0.1, u(0.2, 0.4), u(0.2, 0.5), u(-0.2, 0.2), 0.3), ACCENT)


def bust(draw: Sketch, u: Dice) -> None:
    """Head and shoulders, as in portraits."""
    draw.families = {SECOND: "skin", DARK: u.one("black", "fur", "wood")}
    wide = u(0.7, 1.0)
    draw.add(lathe(0, [0.05, 0.2, 0.5, 1.3], [0.15, wide * 0.6, wide, wide * 1.08]))
    draw.add(stroke([(0, -0.2), (0, 0.2)], u(0.26, 0.36)), SECOND)
    if u.chance(0.6):
        neckline = [(-0.18, 0.12), (0.18, 0.12), (0.0, u(0.3, 0.7))]
        draw.mark(neckline, SECOND if u.chance(0.5) else PALE)
    for side in (-1, 1) if u.chance(0.4) else ():
        strap = [(side * 0.16, 0.12), (side * 0.25, 0.7), (side * 0.1, 1.3)]
        draw.mark(stroke(strap, 0.12), ACCENT)
    _head(draw, u, u(-0.05, 0.05), -0.45, u(0.4, 0.5))
