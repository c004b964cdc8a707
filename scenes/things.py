"""Figures of made things and vehicles: handles, spokes, legs, poles and strings among them."""

from __future__ import annotations

import math

import numpy as np

from .outlines import blob, box, disc, ellipse, lathe, leaf, polar, star, stroke, trapezoid
from .sketch import ACCENT, DARK, MAIN, PALE, SECOND, Dice, Sketch


def vessel(draw: Sketch, u: Dice) -> None:
    """A bottle, vase, jug or figurine, turned on a lathe."""
    count = u.count(4, 7)
    halves = u.many(0.12, 0.6, count)
    if u.chance(0.4):  # a bottle's neck
        halves[: count // 2] = u(0.09, 0.15)
    if u.chance(0.35):
        side = float(halves.max()) + u(0.15, 0.4)
        grip = [(0.0, -0.6), (side, -0.6), (side, 0.2), (0.0, 0.4)]
        draw.add(stroke(grip, u(0.07, 0.14)))
    draw.add(lathe(0, np.linspace(-1, 1, count), halves))
    if u.chance(0.5):
        draw.add(box(0, -1.02, float(halves[0]) * 2.3, u(0.05, 0.2), 0, 0.3), SECOND)
    if u.chance(0.6):
        draw.mark(box(0, u(0.0, 0.5), 2, u(0.1, 0.6)), ACCENT)


def mug(draw: Sketch, u: Dice) -> None:
    width, narrow, height = u(0.4, 0.6), u(0.7, 1.05), u(0.45, 0.75)
    handle = [(width * 0.9, -height * 0.6), (width + u(0.25, 0.5), -height * 0.55)]
    handle += [(width + u(0.2, 0.45), height * 0.45), (width * 0.8, height * 0.6)]
    draw.add(stroke(handle, u(0.08, 0.16)))
    draw.add(trapezoid(width, width * narrow, -height, height))
    draw.add(ellipse(0, height, width * narrow, 0.1))
    draw.add(ellipse(0, -height, width, u(0.06, 0.16)), SECOND)
    draw.mark(ellipse(0, -height + 0.02, width * 0.88, 0.08), DARK)
    if u.chance(0.5):
        draw.mark(blob(u.rng, 0, 0.1, u(0.15, 0.35), 0.4), ACCENT)
    if u.chance(0.3):  # a spout, as of a teapot
        spout = [(-width * 0.8, 0.3), (-width - 0.3, 0.0), (-width - 0.5, -height * 0.8)]
        draw.add(stroke(spout, 0.25, 0.1))


def lamp(draw: Sketch, u: Dice) -> None:
    top, bottom, tall = u(0.15, 0.4), u(0.4, 0.7), u(0.4, 1.4)
    draw.add(stroke([(0, -0.3), (u(-0.1, 0.1), tall * 0.5), (0, tall)], u(0.04, 0.12)), SECOND)
    draw.add(lathe(0, [tall - 0.12, tall, tall + 0.06], [0.1, u(0.25, 0.45), 0.3]), SECOND)
    draw.add(trapezoid(top, bottom, -1.0, -0.3))
    if u.chance(0.4):
        draw.mark(box(0, -0.36, 2, 0.07), ACCENT)


def chair(draw: Sketch, u: Dice) -> None:
    draw.families = {MAIN: "wood"} if u.chance(0.5) else {}
    leg, thick, lean = u(0.6, 1.0), u(0.05, 0.11), u(0.0, 0.15)
    for x in (-0.5, -0.28, 0.28, 0.5):
        surface = SECOND if abs(x) < 0.4 else MAIN
        foot = (x * (1 + lean), leg if surface == MAIN else leg - 0.15)
        draw.add(stroke([(x, 0.0), foot], thick), surface)
    if u.chance(0.4):
        draw.add(stroke([(-0.5, leg * 0.6), (0.5, leg * 0.6)], thick * 0.7))
    if u.chance(0.8):
        high = u(0.6, 1.2)
        if u.chance(0.5):
            for x in np.linspace(-0.46, 0.46, u.count(2, 6)):
                draw.add(stroke([(x, 0.0), (x * 0.95, -high)], thick))
            for y in u.many(-high, -high * 0.4, u.count(1, 3)):
                draw.add(stroke([(-0.48, y), (0.48, y)], thick * 1.3))
            draw.add(box(0, -high, 1.0, 0.15, 0, 0.4))
        else:
            draw.add(box(0, -high / 2, 1.05, high, 0, u(0.1, 0.5)), ACCENT)
    draw.add(box(0, 0, 1.2, u(0.12, 0.3), 0, 0.25), ACCENT)


def table(draw: Sketch, u: Dice) -> None:
    draw.families = {MAIN: "wood"} if u.chance(0.6) else {}
    leg, thick = u(0.4, 0.8), u(0.05, 0.12)
    for x in (-0.85, -0.6, 0.6, 0.85):
        foot, surface = (leg, MAIN) if abs(x) > 0.7 else (leg * 0.8, SECOND)
        draw.add(stroke([(x, 0.0), (x, foot)], thick, thick * 0.7), surface)
    draw.add(trapezoid(0.75, 1.0, -0.25, 0.0))
    draw.add(box(0, 0.05, 2.0, u(0.08, 0.25)), SECOND)
    if u.chance(0.5):
        x, tall = u(-0.4, 0.4), u(0.2, 0.6)
        draw.add(lathe(x, [-0.1 - tall, -0.1], [u(0.05, 0.2), u(0.1, 0.25)]), ACCENT)


def tool(draw: Sketch, u: Dice) -> None:
    """A handle and a head: spoon, hammer, axe, racket, brush, key, whisk, spanner."""
    draw.upright = False
    draw.families = {SECOND: "metal"} if u.chance(0.5) else {}
    draw.add(stroke([(0, -0.3), (u(-0.06, 0.06), 0.4), (0, 1.0)], u(0.06, 0.12), u(0.08, 0.22)))
    kind = u.count(0, 6)
    wide, tall = u(0.25, 0.5), u(0.3, 0.55)
    if kind == 0:
        draw.add(ellipse(0, -0.6, wide, tall), SECOND)
    elif kind == 1:
        draw.add(ellipse(0, -0.6, wide, tall), SECOND)
        draw.cut(ellipse(0, -0.6, wide * 0.8, tall * 0.85))
        for shift in np.linspace(-0.6, 0.6, u.count(2, 7)):
            string = [(shift * wide, -0.6 - tall * 0.75), (shift * wide, -0.6 + tall * 0.75)]
            draw.add(stroke(string, 0.02), PALE)
    elif kind == 2:
        draw.add(box(u(-0.15, 0.15), -0.45, u(0.5, 0.9), u(0.2, 0.35), 0, 0.2), SECOND)
    elif kind == 3:
        draw.add([(0.0, -0.65), (wide + 0.2, -0.8), (wide + 0.2, -0.1), (0.0, -0.3)], SECOND)
    elif kind == 4:
        draw.add(disc(0, -0.5, 0.3), SECOND)
        draw.cut(star(0, -0.6, 0.2, 6, 1.0))
        draw.cut(box(0, -0.85, 0.25, 0.4))
    else:
        for shift in np.linspace(-1, 1, u.count(3, 6)):
            loop = [(0.0, -0.25), (shift * wide, -0.7), (0.0, -1.1)]
            draw.add(stroke(loop, 0.035), SECOND)


def umbrella(draw: Sketch, u: Dice) -> None:
    draw.add(stroke([(0, -0.6), (0, 0.8), (0.08, 0.95), (0.2, 0.85)], 0.05), DARK)
    ribs = u.count(3, 7)
    top = [(float(x), -0.95 + 0.7 * float(abs(x)) ** 2.2) for x in np.linspace(-1, 1, 15)]
    tips = enumerate(np.linspace(1, -1, 2 * ribs + 1))
    draw.add(top + [(float(x), -0.2 if i % 2 else -0.12) for i, x in tips])
    for x in np.linspace(-1, 1, ribs + 1)[1:-1:2]:
        draw.mark([(0.0, -0.97), (float(x), -0.1), (float(x) + 2 / ribs, -0.1)], SECOND)
    draw.add(stroke([(0, -0.9), (0, -1.05)], 0.05), DARK)


def crate(draw: Sketch, u: Dice) -> None:
    """A box, book, suitcase or appliance in three faces."""
    width, height, dx, dy = u(0.5, 1.1), u(0.3, 1.1), u(0.15, 0.6), u(0.1, 0.4)
    corner, left, foot = (width - dx, -height), (-width, -height), (width - dx, height)
    behind, right = (-width + dx, -height - dy), (width, -height - dy)
    beside, below = (width, height - dy), (-width, height)
    draw.add([left, behind, right, beside, foot, below])  # or seams would show between faces
    draw.add([corner, right, beside, foot], SECOND)
    draw.add([left, behind, right, corner], ACCENT)
    draw.add([left, corner, foot, below])
    middle = -dx / 2
    choice = u(0, 1)
    if choice < 0.3:
        draw.mark(box(middle, u(-0.2, 0.2) * height, 0.3, 3), PALE)
    elif choice < 0.6:
        draw.mark(box(middle, 0, width * 1.1, height * 1.1, 0, u(0, 0.4)), DARK)
    elif choice < 0.8:
        letters = u.letters("ABCDEFGHKMNPRSTUVXYZ", 3)
        draw.write(letters, box(middle, 0, width * 1.2, height * 0.9), PALE, "mark")


def bag(draw: Sketch, u: Dice) -> None:
    narrow, grip = u(0.6, 1.0), u(0.3, 0.7)
    left, right = (
        [(-grip * 0.6, -0.3), (-grip * 0.5, -0.9)],
        [(grip * 0.5, -0.9), (grip * 0.6, -0.3)],
    )
    draw.add(stroke(left + right, u(0.05, 0.12)), SECOND)
    draw.add(trapezoid(0.8 * narrow, 0.8, -0.35, 0.75))
    draw.add(ellipse(0, 0.75, 0.8, 0.12))
    if u.chance(0.6):
        flap = [(-0.8 * narrow, -0.36), (0.8 * narrow, -0.36), (0.6, u(0, 0.3)), (-0.6, u(0, 0.3))]
        draw.mark(flap, ACCENT)
        draw.mark(box(0, 0.2, 0.2, 0.15), PALE)


def ball(draw: Sketch, u: Dice) -> None:
    draw.upright = False
    draw.add(disc(0, 0, 1))
    choice = u(0, 1)
    if choice < 0.3:
        for angle in np.arange(5) * 2 * math.pi / 5:
            draw.mark(star(*polar(angle, 0.75), 0.3, 5, 0.95, angle), DARK)
        draw.mark(star(0, 0, 0.3, 5, 0.95), DARK)
    elif choice < 0.6:
        for shift in (-0.6, 0.0, 0.6):
            seam = [(shift, -1), (shift * u(1.2, 1.8), 0), (shift, 1)]
            draw.mark(stroke(seam, u(0.05, 0.25)), SECOND)


def balloon(draw: Sketch, u: Dice) -> None:
    draw.families = {MAIN: "vivid"}
    for _ in range(u.count(1, 4)):
        x, y = u(-0.5, 0.5), u(-0.9, -0.4)
        string = [(x, y + 0.4), (x * 0.5 + u(-0.1, 0.1), 0.4), (0.0, 1.0)]
        surface = u.one(MAIN, SECOND, ACCENT)
        draw.add(stroke(string, 0.025), DARK)
        draw.add(star(x, y + 0.5, 0.07, 3, 0.9, -math.pi / 2), surface)
        draw.add(ellipse(x, y, 0.38, 0.48), surface)


def sign(draw: Sketch, u: Dice) -> None:
    draw.families = {SECOND: "metal"}
    draw.add(stroke([(0, -0.3), (0, 1.2)], u(0.05, 0.12)), SECOND)
    outline = u.one(
        box(0, -0.5, u(0.8, 1.6), u(0.5, 1.0), 0, u(0, 0.3)),
        disc(0, -0.5, 0.55),
        star(0, -0.5, 0.65, 3, 1.0, -math.pi / 2),
        star(0, -0.5, 0.6, 4, 1.0),
        star(0, -0.5, 0.6, 8, 1.0, math.pi / 8),
    )
    draw.add(outline)
    draw.mark((outline + np.array([0, 0.5])) * 0.84 - np.array([0, 0.5]), PALE)
    letters = u.letters("0123456789ABCEHPSTX!?", u.count(1, 4))
    draw.write(letters, box(0, -0.5, 0.5, 0.4), DARK, "mark")


def building(draw: Sketch, u: Dice) -> None:
    """A house, tower or lighthouse."""
    wide, high, taper = u(0.3, 0.9), u(0.5, 1.3), u(0.6, 1.0)
    draw.add(trapezoid(wide * taper, wide, -high, high))
    eave = wide * taper * u(1.0, 1.3)
    peak = high + u(0.2, 0.8)
    low = -high + 0.03  # faces overlap a little, or a seam would show between them
    draw.add([(-eave, low), (u(-0.3, 0.3) * eave, -peak), (eave, low)], SECOND)
    if u.chance(0.3):
        draw.add(stroke([(0, -peak + 0.1), (0, -peak - 0.4)], 0.03), DARK)
    columns, rows = u.count(1, 4), u.count(1, 5)
    dark = DARK if u.chance(0.7) else PALE
    for x in np.linspace(-0.6, 0.6, columns) * wide * taper:
        for y in np.linspace(-0.75, 0.3, rows) * high:
            draw.mark(box(float(x), float(y), 0.3 * wide / columns + 0.06, 0.4 * high / rows), dark)
    draw.mark(box(0, high - 0.2, 0.25, 0.45), ACCENT)


def glasses(draw: Sketch, u: Dice) -> None:
    draw.upright = False
    thick, r, rounding = u(0.06, 0.14), u(0.3, 0.42), u(0.3, 1.0)
    for x in (-0.5, 0.5):
        draw.add(box(x, 0, 2 * r, 1.7 * r, 0, rounding))
        lens = box(x, 0, 2 * r - thick, 1.7 * r - thick, 0, rounding)
        if u.chance(0.6):
            draw.cut(lens)
        else:
            draw.mark(lens, DARK)
    draw.add(stroke([(-0.5 + r * 0.9, -0.05), (0, -0.12), (0.5 - r * 0.9, -0.05)], thick))
    for side in (-1, 1):
        temple = [(side * (0.5 + r * 0.9), -0.1), (side * 1.1, -0.25), (side * 0.9, -0.6)]
        draw.add(stroke(temple, thick, 0.05), SECOND)


def stringed(draw: Sketch, u: Dice) -> None:
    """A guitar or violin."""
    draw.upright = False
    draw.families = {MAIN: "wood"}
    lower, upper, waist = u(0.4, 0.55), u(0.28, 0.42), u(0.2, 0.3)
    draw.add(stroke([(0, 0.3), (0, -1.2)], 0.12), DARK)
    draw.add(box(0, -1.25, 0.2, 0.3), SECOND)
    for y in (-1.33, -1.2):
        draw.add(stroke([(-0.17, y), (0.17, y)], 0.04), PALE)
    draw.add(lathe(0, [-0.35, -0.2, 0.1, 0.55, 0.85], [0.08, upper, waist, lower, 0.08]))
    draw.mark(disc(0, 0.15, 0.14), DARK)
    draw.mark(stroke([(0, 0.1), (0, -1.2)], 0.1), DARK)
    draw.mark(box(0, 0.55, 0.3, 0.06), DARK)


def bicycle(draw: Sketch, u: Dice) -> None:
    draw.families = {DARK: "black"}
    radius, thick = u(0.38, 0.48), u(0.035, 0.07)
    for x in (-0.62, 0.62):
        draw.add(disc(x, 0.45, radius), DARK)
        draw.cut(disc(x, 0.45, radius - thick * 1.3))
        for angle in np.arange(0, math.pi, math.pi / u.count(3, 8)):
            dx, dy = polar(angle, radius)
            draw.add(stroke([(x - dx, 0.45 - dy), (x + dx, 0.45 + dy)], 0.018), SECOND)
    hub, pedal, seat, bar = (-0.62, 0.45), (-0.08, 0.45), (-0.22, -0.15), (0.45, -0.22)
    for ends in ((hub, pedal), (hub, seat), (pedal, seat), (pedal, bar), (seat, bar)):
        draw.add(stroke(ends, thick))
    draw.add(stroke([(0.62, 0.45), bar, (0.42, -0.4)], thick))
    draw.add(stroke([(0.3, -0.42), (0.42, -0.42), (0.56, -0.34)], thick), DARK)
    draw.add(leaf((-0.42, -0.24), (-0.02, -0.22), 0.14), DARK)
    draw.add(disc(*pedal, 0.1), SECOND)


def boat(draw: Sketch, u: Dice) -> None:
    draw.families = {ACCENT: "white"} if u.chance(0.6) else {}
    deck, keel = u(0.35, 0.5), u(0.6, 0.8)
    mast = u(-0.2, 0.2)
    if u.chance(0.7):
        draw.add(stroke([(mast, deck + 0.1), (mast, -1.1)], u(0.03, 0.06)), SECOND)
        sail = [(mast + 0.04, -1.05), (mast + u(0.5, 0.9), deck - 0.15), (mast + 0.04, deck - 0.1)]
        draw.add(sail, ACCENT)
        if u.chance(0.7):
            clew = (mast - u(0.4, 0.8), deck - 0.1)
            draw.add([(mast - 0.04, -0.95), clew, (mast - 0.04, deck - 0.1)], PALE)
    else:
        draw.add(box(u(-0.3, 0.1), deck - 0.15, u(0.5, 0.9), 0.35, 0, 0.15), PALE)
        draw.add(box(u(-0.3, 0.1), deck - 0.4, 0.15, 0.4), ACCENT)
    draw.add([(-0.95, deck), (1.05, deck - 0.05), (0.75, keel), (-0.7, keel)])
    draw.mark(box(0, deck + 0.05, 3, 0.06), SECOND)


def car(draw: Sketch, u: Dice) -> None:
    draw.families = {SECOND: "metal"}
    roof, front, back, wheel = u(0.4, 0.7), u(0.3, 0.6), u(0.2, 0.7), u(0.18, 0.28)
    trunk = [(-1.1, 0.25), (-1.12, -0.05), (-0.95, -0.15), (-back - 0.15, -0.2)]
    cabin = [(-back + 0.15, -roof), (front - 0.25, -roof), (front + 0.1, -0.18)]
    draw.add([*trunk, *cabin, (0.98, -0.1), (1.12, 0.05), (1.1, 0.25)])
    edge, top = -0.18, -roof * 0.88
    split = (front - back) / 2
    for left, right in ((-back, split - 0.03), (split + 0.03, front)):
        ends = (left + (0.2 if left == -back else 0), right - (0.25 if right == front else 0))
        window = [(left, edge), (ends[0], top), (ends[1], top), (right, edge)]
        draw.mark(window, DARK if u.chance(0.7) else PALE)
    draw.mark(box(1.05, 0.02, 0.12, 0.1), PALE)
    draw.mark(box(-1.08, 0.02, 0.1, 0.1), ACCENT)
    for x in (-0.66, 0.68):
        draw.add(disc(x, 0.26, wheel), DARK)
        draw.mark(disc(x, 0.26, wheel * 0.55), SECOND)


def plane(draw: Sketch, u: Dice) -> None:
    draw.upright = u.chance(0.4)
    draw.families = {MAIN: "white"} if u.chance(0.4) else {}
    thick, sweep = u(0.12, 0.22), u(0.2, 0.6)
    wing = [(0.25, 0.0), (-0.1 - sweep, u(0.6, 0.9)), (-0.3 - sweep, u(0.6, 0.9)), (-0.25, 0.0)]
    draw.add(np.array(wing) * [1, -u(0.4, 1.0)], SECOND)
    draw.add([(-0.75, 0.0), (-1.05, -u(0.35, 0.6)), (-0.9, 0.0)], ACCENT)
    draw.add([(-0.7, 0.0), (-1.05, u(0.2, 0.4)), (-0.92, 0.0)], SECOND)
    draw.add(stroke([(-0.95, -0.03), (0.0, 0.0), (0.85, 0.0)], thick * 0.5, thick * 1.3))
    draw.add(wing, SECOND)
    for x in np.arange(-0.6, 0.7, 0.12):
        draw.mark(disc(float(x), -0.03, 0.025), DARK)


def wheel(draw: Sketch, u: Dice) -> None:
    """A wheel, gear, clock or plate; the gaps between the spokes show the ground."""
    draw.upright = False
    inner = u(0.5, 0.9)
    if u.chance(0.4):
        inner *= 0.75  # less than the waist between the teeth
        draw.add(star(0, 0, 1.0, u.count(8, 20), u(0.8, 0.92)))
    else:
        draw.add(disc(0, 0, 1))
    if u.chance(0.75):
        draw.cut(disc(0, 0, inner))
        count = u.count(3, 17)
        for angle in np.arange(count) * 2 * math.pi / count:
            draw.add(stroke([(0.0, 0.0), polar(angle, inner * 1.05)], u(0.03, 0.12)), SECOND)
        draw.add(ellipse(0, 0, u(0.1, 0.25), u(0.1, 0.25)), ACCENT)
    else:
        draw.mark(disc(0, 0, inner), PALE)
        for angle in u.many(0, 2 * math.pi, 2):
            draw.mark(stroke([(0.0, 0.0), polar(angle, 0.7 * inner)], 0.06), DARK)
