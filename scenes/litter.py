"""Many small things: dead leaves, heaps, undergrowth, lights out of focus, rows of houses.

Surfaces that occlude one another, with sizes after a power law, have the edge statistics of
photos (Lee, Mumford, Huang, "Occlusion Models for Natural Images", IJCV 2001).
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from numpy.random import Generator
from PIL import Image, ImageDraw

from .colors import color, jittered, palette
from .fields import Planes, blurred, fractal, to_bytes, to_planes
from .outlines import Outline, blob, box, ellipse, leaf, star, stroke

__all__ = ["discs", "litter", "skyline"]

# Drawn at twice the size and averaged down, so that edges are as smooth as the objects' own.
OVERSAMPLING = 2


def litter(rng: Generator, height: int, width: int) -> Planes:
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


def discs(rng: Generator, height: int, width: int, planes: Planes) -> Planes:
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


def skyline(rng: Generator, height: int, width: int, floor: float, planes: Planes) -> Planes:
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
