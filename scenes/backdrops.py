"""What lies behind the objects: walls, landscapes, patterns, foliage, lights out of focus.

Of many small things, surfaces that occlude one another, with sizes after a power law, have the edge
statistics of photos (Lee, Mumford, Huang, "Occlusion Models for Natural Images", IJCV 2001).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.random import Generator
from PIL import Image, ImageDraw

from .colors import color, jittered, palette, toned
from .fields import Planes, blurred, fractal, lattice, lowpass, ramp, to_bytes, to_planes, unit
from .outlines import Outline, blob, box, ellipse, leaf, star, stroke
from .patterns import PAVINGS, pattern, pattern_at

__all__ = ["Backdrop", "draw_backdrop"]


@dataclass(frozen=True)
class Backdrop:
    """Attributes:
    planes: (3, H, W) in [0, 1].
    horizon: The row where the ground begins, on which things stand; None where the ground
        is seen from above, or not at all.
    """

    planes: Planes
    horizon: float | None = None


def draw_backdrop(rng: Generator, height: int, width: int) -> Backdrop:
    """A random kind of backdrop, as it is in focus and in plain light."""
    chances = np.array([weight for _, weight in _KINDS])
    kind = int(rng.choice(len(_KINDS), p=chances / chances.sum()))
    return _KINDS[kind][0](rng, height, width)


def _studio(rng: Generator, height: int, width: int) -> Backdrop:
    """Paper, a painted wall, a clear sky: two or three tones and hardly any texture."""
    tones = palette(rng, int(rng.integers(2, 4)))
    spread = rng.uniform(0.1, 0.9)
    tones = tones[:1] + spread * (tones - tones[:1])
    planes = toned(ramp(rng, height, width), tones)
    planes += rng.uniform(0, 0.02) * fractal(rng, height, width, 3, 2)
    if rng.random() < 0.4:
        horizon = rng.uniform(0.5, 0.85) * height
        y, _ = lattice(height, width)
        below = unit((y + (height / 2 - horizon)) / np.float32(height), rng.uniform(2, 40))
        planes *= 1 + rng.uniform(-0.4, 0.3) * below
        return Backdrop(planes, horizon)
    return Backdrop(planes)


def _mottled(rng: Generator, height: int, width: int) -> Backdrop:
    """Stone, plaster, clouds, grass, water, fur: noise of many octaves."""
    short = min(height, width)
    cell = short * math.exp(rng.uniform(math.log(0.02), math.log(0.8)))
    field = fractal(
        rng,
        height,
        width,
        cell,
        octaves=int(rng.integers(3, 8)),
        persistence=rng.uniform(0.4, 0.85),
        stretch=math.exp(rng.uniform(-1.5, 1.5)) if rng.random() < 0.5 else 1.0,
    )
    if rng.random() < 0.3:  # veins where the field crosses its mean
        field = np.float32(1.5) - 3 * np.abs(field)
    planes = toned(unit(field, rng.uniform(0.1, 0.3)), palette(rng, int(rng.integers(2, 5))))
    return Backdrop(_lit(rng, planes))


def _patterned(rng: Generator, height: int, width: int) -> Backdrop:
    short = min(height, width)
    period = max(4.0, short * math.exp(rng.uniform(math.log(0.03), math.log(0.3))))
    field = pattern(rng, height, width, period)
    field = field + np.float32(rng.uniform(0, 0.12)) * fractal(
        rng, height, width, period * 2, 5, 0.7
    )
    planes = toned(field, palette(rng, int(rng.integers(2, 4))))
    return Backdrop(_lit(rng, planes))


def _littered(rng: Generator, height: int, width: int) -> Backdrop:
    return Backdrop(_lit(rng, _litter(rng, height, width)))


def _lights(rng: Generator, height: int, width: int) -> Backdrop:
    return Backdrop(_discs(rng, height, width, toned(ramp(rng, height, width), palette(rng, 3))))


def _landscape(rng: Generator, height: int, width: int) -> Backdrop:
    """Sky, clouds, up to four ridges one behind the other, and a plain."""
    horizon = rng.uniform(0.2, 0.8) * height
    y = lattice(height, width)[0] + height / 2
    family = ("sky", "sky", "dusk", "white", "stone", "black")[int(rng.integers(6))]
    sky = palette(rng, 2, family)
    planes = toned(np.broadcast_to(np.clip(y / horizon, 0, 1), (height, width)), sky)
    if rng.random() < 0.6:
        clouds = unit(
            fractal(rng, height, width, 0.4 * width, 6, 0.6, rng.uniform(1, 3)) - 0.8, 0.6
        )
        planes += clouds * rng.uniform(0.3, 0.9) * (color(rng, "white")[:, None, None] - planes)
    haze = sky[-1]
    ridges = int(rng.integers(0, 5))
    for number in range(ridges):
        near = (number + 1) / (ridges + 1)
        shape = (1.0, 1) if width < 4 else (width * rng.uniform(0.1, 0.5), 6, rng.uniform(0.3, 0.6))
        bumps = fractal(rng, 2, width, *shape)[:1]
        top = horizon - height * (
            0.25 * (1 - near) * rng.uniform(0, 1.5) + 0.05 * (1 + near) * bumps
        )
        tone = haze + near * (color(rng, "foliage" if rng.random() < 0.6 else "stone") - haze)
        texture = 1 + (0.25 * near) * fractal(rng, height, width, 0.05 * height, 4, 0.8)
        shown = np.clip(y - top, 0, 1)
        planes += shown * (tone[:, None, None] * texture - planes)
    ground = _ground(rng, height, width, horizon)
    planes += np.clip(y - horizon, 0, 1) * (ground - planes)
    return Backdrop(planes, horizon)


def _room(rng: Generator, height: int, width: int) -> Backdrop:
    """A wall with or without wallpaper and things on it, and a floor or a table."""
    horizon = rng.uniform(0.35, 0.85) * height
    y = lattice(height, width)[0] + height / 2
    short = min(height, width)
    choice = rng.random()
    if choice < 0.35:
        wall = _studio(rng, height, width).planes
    elif choice < 0.5:
        wall = _patterned(rng, height, width).planes
        wall = wall + rng.uniform(0.3, 0.8) * (wall.mean((1, 2), keepdims=True) - wall)
    elif choice < 0.8:  # a table before what is far away
        wall = (_lights if rng.random() < 0.4 else _littered)(rng, height, width).planes
        wall = blurred(wall, short * rng.uniform(0.015, 0.06))
    else:
        wall = _skyline(rng, height, width, horizon, _studio(rng, height, width).planes)
    floor = _ground(rng, height, width, horizon - height * rng.uniform(0.05, 0.6))
    planes = wall + np.clip(y - horizon, 0, 1) * (floor - wall)
    if rng.random() < 0.4:  # a skirting board, or the table's edge
        strip = np.clip(height * rng.uniform(0.005, 0.03) - np.abs(y - horizon), 0, 1)
        planes += strip * (color(rng)[:, None, None] - planes)
    near = np.exp(-np.abs(y - horizon) / (0.1 * height))
    planes *= 1 - rng.uniform(0, 0.4) * near
    return Backdrop(planes, horizon)


def _ground(rng: Generator, height: int, width: int, horizon: float) -> Planes:
    """A plain in perspective: grass, sand, water, or paved. Above its horizon it is undefined."""
    y, x = lattice(height, width)
    below = np.maximum(y + (height / 2 - horizon), 0.5)
    depth = height / below  # 1 a frame's height below the horizon, growing upwards
    scale = rng.uniform(4, 30)
    u = x / height * depth * scale + 512
    v = np.broadcast_to(depth * (scale * rng.uniform(0.5, 1.5)), u.shape)
    period = height / scale / depth
    if rng.random() < 0.35:
        field = pattern_at(rng, u, v, height / scale, PAVINGS)
        family = ("wood", "stone", "stone", "earth", "muted", "sand")[int(rng.integers(6))]
    else:
        texture = unit(fractal(rng, 256, 256, rng.uniform(8, 64), 6, rng.uniform(0.5, 0.9)), 0.3)
        # Four texels a period; near the viewer a soft blur hides them.
        rows, columns = ((4 * w).astype(np.int32) & 255 for w in (v, u))
        field = np.take(texture.ravel(), rows * 256 + columns)
        family = ("foliage", "sand", "water", "earth", "stone", "white")[int(rng.integers(6))]
        if height / scale > 8:
            field = lowpass(field, height / scale / 8)
    fade = np.clip((period - 2) / 6, 0, 1)
    mean = field.mean()
    planes = toned(mean + fade * (field - mean), palette(rng, int(rng.integers(2, 4)), family))
    ground: Planes = planes * (1 + rng.uniform(-0.3, 0.3) * np.clip(below / height, 0, 1))
    return ground


def _lit(rng: Generator, planes: Planes) -> Planes:
    """Uneven light over a flat ground."""
    if rng.random() < 0.5:
        _, height, width = planes.shape
        low = np.float32(rng.uniform(0.4, 1.0))
        planes = planes * (low + (np.float32(1.15) - low) * ramp(rng, height, width))
    return planes


_KINDS: tuple[tuple[Callable[[Generator, int, int], Backdrop], float], ...] = (
    (_studio, 2.0),
    (_mottled, 2.0),
    (_patterned, 1.5),
    (_littered, 2.5),
    (_lights, 1.0),
    (_landscape, 3.0),
    (_room, 3.0),
)


# Drawn at twice the size and averaged down, so that edges are as smooth as the objects' own.
OVERSAMPLING = 2


def _litter(rng: Generator, height: int, width: int) -> Planes:
    """The whole frame covered by things of one make and a few colours."""
    short = min(height, width)
    smallest = rng.uniform(0.012, 0.03)
    largest = rng.uniform(0.05, 0.3)
    count = int(min(900, 3.0 * (height * width / short**2) / (smallest * largest)))
    power = rng.uniform(0, 1, count)
    # Uniform in 1 / size, so that the density of sizes falls with their square.
    sizes = np.sort(1 / (1 / largest + power * (1 / smallest - 1 / largest)))[::-1] * short
    stencils = _stencils(rng)
    base = palette(rng, int(rng.integers(1, 5)))
    tones = np.concatenate([jittered(rng, c, rng.uniform(0.03, 0.2), 24) for c in base])
    fills = [_ink(tone) for tone in tones]
    ground = tuple(int(v) for v in np.round(tones.mean(0) * 255 * 0.7))
    scaled = (OVERSAMPLING * width, OVERSAMPLING * height)
    image = Image.new("RGB", scaled, ground)
    draw = ImageDraw.Draw(image)
    places = rng.uniform(-0.05, 1.05, (count, 2)) * scaled
    lean, spread = rng.uniform(0, math.pi), rng.choice([0.1, 0.5, math.pi])
    turns = rng.normal(lean, spread, count) if spread < 3 else rng.uniform(0, 2 * math.pi, count)
    chosen = rng.integers(len(stencils), size=count)
    inks = rng.integers(len(fills), size=count)
    for i in range(count):
        cos, sin = math.cos(turns[i]) * sizes[i], math.sin(turns[i]) * sizes[i]
        outline = stencils[chosen[i]] @ (np.array([[cos, sin], [-sin, cos]])) + places[i]
        draw.polygon(outline.ravel().tolist(), fill=fills[inks[i]])
    planes = to_planes(image.reduce(OVERSAMPLING))
    return planes * (1 + rng.uniform(0, 0.15) * fractal(rng, height, width, 8, 3))


def _stencils(rng: Generator) -> list[Outline]:
    """Outlines of size 1 of one kind, at the doubled scale, with few points."""
    u = rng.uniform
    makes: tuple[Callable[[int], Outline], ...] = (
        lambda _: ellipse(0, 0, 1, u(0.6, 1))[::3],
        lambda _: box(0, 0, 2, u(0.3, 2)),
        lambda _: leaf((-1.2, 0), (1.2, 0), u(0.3, 1.0), u(-0.2, 0.2))[::2],
        lambda _: blob(rng, 0, 0, 1, 0.5)[::4],
        lambda _: stroke([(-2, 0), (0, u(-0.5, 0.5)), (2, u(-0.5, 0.5))], 0.25, 0.1)[::2],
        lambda _: star(0, 0, 1, int(rng.integers(3, 7)), u(0.4, 1)),
        # Of everything.
        lambda number: (ellipse(0, 0, 1, u(0.3, 1))[::3], box(0, 0, 2, u(0.3, 2)))[number % 2],
    )
    make = makes[int(rng.integers(len(makes)))]
    return [make(number) for number in range(6)]


def _discs(rng: Generator, height: int, width: int, planes: Planes) -> Planes:
    """Points of light far out of focus, over a dim ground."""
    short = min(height, width)
    planes = planes * rng.uniform(0.2, 0.9)
    image = Image.fromarray(to_bytes(planes))
    draw = ImageDraw.Draw(image, "RGBA")
    radius = short * rng.uniform(0.02, 0.12)
    tones = palette(rng, 4)
    for _ in range(int(rng.integers(12, 90))):
        x, y = rng.uniform(0, width), rng.uniform(0, height)
        r = radius * rng.uniform(0.7, 1.3)
        tone = np.round(np.clip(tones[int(rng.integers(4))] * rng.uniform(0.8, 1.5), 0, 1) * 255)
        fill = (*(int(v) for v in tone), int(rng.uniform(30, 170)))
        draw.ellipse((x - r, y - r, x + r, y + r), fill=fill)
    return blurred(to_planes(image), max(0.7, radius * rng.uniform(0.05, 0.6)))


def _skyline(rng: Generator, height: int, width: int, floor: float, planes: Planes) -> Planes:
    """Rectangles with rows of windows, shelves or frames, standing above the row ``floor``."""
    image = Image.fromarray(to_bytes(planes)).resize((OVERSAMPLING * width, OVERSAMPLING * height))
    draw = ImageDraw.Draw(image)
    base = color(rng)
    for tone in jittered(rng, base, 0.15, int(rng.integers(3, 12))):
        wide, high = rng.uniform(0.08, 0.35) * width, rng.uniform(0.2, 1.0) * floor
        left = rng.uniform(-0.1, 1.0) * width
        top = floor - high
        corners = np.array([left, top, left + wide, floor]) * OVERSAMPLING
        draw.rectangle(tuple(float(v) for v in corners), fill=_ink(tone))
        window = _ink(tone * rng.uniform(0.3, 1.6))
        columns, rows = int(rng.integers(1, 7)), int(rng.integers(1, 10))
        for column in range(columns):
            for row in range(rows):
                x = left + wide * (column + 0.25) / columns
                y = top + high * (row + 0.25) / rows
                pane = np.array([x, y, x + wide / columns * 0.5, y + high / rows * 0.5])
                draw.rectangle(tuple(float(v) for v in pane * OVERSAMPLING), fill=window)
    return to_planes(image.reduce(OVERSAMPLING))


def _ink(tone: np.ndarray) -> tuple[int, int, int]:
    red, green, blue = (int(v) for v in np.round(np.clip(tone, 0, 1) * 255))
    return red, green, blue
