"""Closed outlines: arrays (n, 2) of x to the right and y down, in a figure's own units."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

__all__ = [
    "Outline",
    "Point",
    "blob",
    "box",
    "disc",
    "ellipse",
    "lathe",
    "leaf",
    "polar",
    "rounded",
    "star",
    "stroke",
    "trapezoid",
]

Outline = NDArray[np.float64]
Point = tuple[float, float]
Numbers = Sequence[float] | NDArray[np.float64]


def polar(angle: float, away: float = 1.0) -> Point:
    """The point ``away`` from (0, 0), ``angle`` radians clockwise from the x axis."""
    return away * math.cos(angle), away * math.sin(angle)


def _turned(outline: Outline, x: float, y: float, turn: float) -> Outline:
    cos, sin = math.cos(turn), math.sin(turn)
    turned: Outline = outline @ np.array([[cos, sin], [-sin, cos]]) + (x, y)
    return turned


def ellipse(x: float, y: float, rx: float, ry: float, turn: float = 0.0) -> Outline:
    """Half axes ``rx`` and ``ry``, turned clockwise by ``turn`` radians."""
    angles = np.linspace(0, 2 * math.pi, 48, endpoint=False)
    return _turned(np.stack([rx * np.cos(angles), ry * np.sin(angles)], 1), x, y, turn)


def disc(x: float, y: float, radius: float) -> Outline:
    return ellipse(x, y, radius, radius)


def trapezoid(above: float, below: float, top: float, foot: float) -> Outline:
    """Symmetric about x = 0: half as wide as ``above`` at ``top``, as ``below`` at ``foot``."""
    return np.array([(-above, top), (above, top), (below, foot), (-below, foot)])


def box(
    x: float, y: float, width: float, height: float, turn: float = 0.0, rounding: float = 0.0
) -> Outline:
    """A rectangle around (x, y); ``rounding`` from 0 to 1 turns it into an ellipse."""
    half = np.array([width / 2, height / 2])
    if rounding <= 0:
        return _turned(half * [[-1, -1], [1, -1], [1, 1], [-1, 1]], x, y, turn)
    angles = np.linspace(0, 2 * math.pi, 64, endpoint=False)
    circle = np.stack([np.cos(angles), np.sin(angles)], 1)
    return _turned(half * np.sign(circle) * np.abs(circle) ** rounding, x, y, turn)


def star(x: float, y: float, radius: float, tips: int, waist: float, turn: float = 0.0) -> Outline:
    """``tips`` tips, between them ``waist`` times the radius; with waist 1, a polygon."""
    radii = radius * np.where(np.arange(2 * tips) % 2 == 0, 1.0, waist * math.cos(math.pi / tips))
    angles = np.arange(2 * tips) * math.pi / tips + turn
    return np.stack([x + radii * np.cos(angles), y + radii * np.sin(angles)], 1)


def blob(rng: Generator, x: float, y: float, radius: float, rough: float) -> Outline:
    """A smooth round thing whose radius varies by about ``rough`` (0 is a circle)."""
    angles = np.linspace(0, 2 * math.pi, 72, endpoint=False)
    waves = np.arange(2, 8)
    sizes = rng.normal(0, 1, waves.size) * rough / waves
    phases = rng.uniform(0, 2 * math.pi, waves.size)
    radii = 1 + (sizes * np.cos(angles[:, None] * waves + phases)).sum(1)
    radii = radius * np.maximum(radii, 0.2)
    return np.stack([x + radii * np.cos(angles), y + radii * np.sin(angles)], 1)


def rounded(xs: Numbers, ys: Numbers) -> Outline:
    """A smooth closed outline through the points of these coordinates."""
    return _curve(np.stack([xs, ys], 1), closed=True)


def _curve(points: Outline, closed: bool, steps: int = 8) -> Outline:
    """Catmull-Rom spline through ``points``, ``steps`` from one to the next."""
    if closed:
        before, start, after, beyond = (np.roll(points, shift, 0) for shift in (1, 0, -1, -2))
    else:
        padded = np.concatenate([points[:1], points, points[-1:]])
        before, start, after, beyond = padded[:-3], padded[1:-2], padded[2:-1], padded[3:]
    t = np.linspace(0, 1, steps, endpoint=False)[None, :, None]
    before, start, after, beyond = (part[:, None, :] for part in (before, start, after, beyond))
    between = 0.5 * (
        2 * start
        + (after - before) * t
        + (2 * before - 5 * start + 4 * after - beyond) * t**2
        + (3 * start - before - 3 * after + beyond) * t**3
    )
    path = between.reshape(-1, 2)
    return path if closed else np.concatenate([path, points[-1:]])


def stroke(knots: Sequence[Point] | Outline, start: float, end: float | None = None) -> Outline:
    """A line through ``knots`` with round ends, from width ``start`` to width ``end``."""
    points = np.asarray(knots, dtype=np.float64)
    path = _curve(points, closed=False) if len(points) > 2 else points
    steps = np.diff(path, axis=0)
    path = path[np.concatenate([[True], np.hypot(*steps.T) > 1e-9])]
    if len(path) < 2:
        return ellipse(float(path[0, 0]), float(path[0, 1]), start / 2, start / 2)
    along = np.gradient(path, axis=0)
    along /= np.hypot(*along.T)[:, None] + 1e-12
    normal = np.stack([along[:, 1], -along[:, 0]], 1)
    half = np.linspace(start, start if end is None else end, len(path))[:, None] / 2
    turn = np.linspace(0, math.pi, 7)[1:-1, None]
    # From the left edge around the end to the right edge, and likewise at the start.
    tip = path[-1] + half[-1] * (np.cos(turn) * normal[-1] + np.sin(turn) * along[-1])
    root = path[0] - half[0] * (np.cos(turn) * normal[0] + np.sin(turn) * along[0])
    return np.concatenate([path + half * normal, tip, (path - half * normal)[::-1], root])


def leaf(start: Point, tip: Point, width: float, bend: float = 0.0) -> Outline:
    """Pointed at both ends, widest before the middle, bent sideways by ``bend`` of its length."""
    (x0, y0), (x1, y1) = start, tip
    along = np.array([x1 - x0, y1 - y0])
    across = np.array([-along[1], along[0]])
    length = math.hypot(*along) + 1e-9
    t = np.linspace(0, 1, 16)
    spine = np.array(start) + t[:, None] * along + (bend * np.sin(math.pi * t))[:, None] * across
    half = (np.sin(math.pi * t**0.8) ** 1.2 * width / 2 / length)[:, None] * across
    return np.concatenate([spine + half, (spine - half)[::-1]])


def lathe(x: float, heights: Numbers, halves: Numbers) -> Outline:
    """What a lathe turns: symmetric about ``x``, half as wide as ``halves`` at ``heights``."""
    side = _curve(np.stack([halves, heights], 1), closed=False)
    outline: Outline = np.concatenate([side, side[::-1] * [-1, 1]]) + np.array([x, 0.0])
    return outline
