"""Patterns that repeat: of walls, floors and cloth, and of things."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from numpy.random import Generator

from .fields import Plane, fractal, lattice

__all__ = ["PAVINGS", "pattern", "pattern_at"]


def pattern(rng: Generator, height: int, width: int, period: float) -> Plane:
    """A random pattern in [0, 1], turned, often a little bent, ``period`` pixels from one
    element to the next."""
    y, x = lattice(height, width)
    angle = rng.choice([0.0, math.pi / 4, rng.uniform(0, math.pi)])
    cos, sin = (np.float32(f(angle) / period) for f in (math.cos, math.sin))
    u, v = cos * x + sin * y, cos * y - sin * x
    if rng.random() < 0.4:
        bend = fractal(rng, height, width, 6 * period, 2) * np.float32(rng.uniform(0.1, 0.5))
        u, v = u + bend, v + bend
    return pattern_at(rng, u + np.float32(100.3), v + np.float32(100.7), period)


def pattern_at(
    rng: Generator,
    u: Plane,
    v: Plane,
    period: float,
    kinds: tuple[Callable[[Generator, Plane, Plane, float], Plane], ...] = (),
) -> Plane:
    """A random pattern in [0, 1] at given places.

    Args:
        rng: Where the numbers come from.
        u: (h, w), along, in periods.
        v: (h, w), across, in periods.
        period: Pixels a period: edges are about one pixel wide.
        kinds: What is drawn from; everything where empty.
    """
    kinds = kinds or _KINDS
    return kinds[int(rng.integers(len(kinds)))](rng, u, v, period)


def _step(signed: Plane, period: float) -> Plane:
    """0 below, 1 above, for a distance in periods."""
    edge: Plane = np.clip(signed * max(period, 2.0) + 0.5, 0, 1)
    return edge


def _fraction(plane: Plane) -> Plane:
    return plane - np.floor(plane)


def _off(plane: Plane) -> Plane:
    """How far from the middle of its cell: 0 to 0.5."""
    off: Plane = np.abs(_fraction(plane) - 0.5)
    return off


def _tones(rng: Generator, rows: Plane, columns: Plane, spread: float) -> Plane:
    """A random value in [1 - spread, 1] for each cell of a grid."""
    table = (1 - spread * rng.random((64, 64))).astype(np.float32)
    cells = (rows.astype(np.int32) & 63) * 64 + (columns.astype(np.int32) & 63)
    return np.take(table.ravel(), cells)


def _stripes(rng: Generator, u: Plane, v: Plane, period: float) -> Plane:
    if rng.random() < 0.3:
        wave: Plane = 0.5 + 0.5 * np.sin(u * (2 * math.pi))
        return wave
    duty = rng.uniform(0.2, 0.8) / 2
    return _step(duty - _off(u), period)


def _checks(rng: Generator, u: Plane, v: Plane, period: float) -> Plane:
    first = _step(_off(u * 0.5) - 0.25, 2 * period)
    second = _step(_off(v * 0.5) - 0.25, 2 * period)
    if rng.random() < 0.3:  # as in woven cloth, where half tones lie between
        return (first + second) * 0.5
    return first + second - 2 * first * second


def _dots(rng: Generator, u: Plane, v: Plane, period: float) -> Plane:
    u = u + np.float32(0.5) * (np.floor(v).astype(np.int32) & 1)
    return _step(np.float32(rng.uniform(0.15, 0.42)) - np.hypot(_off(u), _off(v)), period)


def _bricks(rng: Generator, u: Plane, v: Plane, period: float) -> Plane:
    u = u * np.float32(rng.uniform(0.35, 0.6))
    rows = np.floor(v)
    u = u + np.float32(0.5) * (rows.astype(np.int32) & 1)
    gap = np.float32(rng.uniform(0.04, 0.1))
    inside = np.minimum(
        _step(np.float32(0.5) - gap - _off(v), period),
        _step(np.float32(0.5) - gap / 2 - _off(u), 2 * period),
    )
    return inside * _tones(rng, rows, np.floor(u), rng.uniform(0.1, 0.6))


def _tiles(rng: Generator, u: Plane, v: Plane, period: float) -> Plane:
    gap = np.float32(0.5 - rng.uniform(0.01, 0.05))
    inside = _step(gap - np.maximum(_off(u), _off(v)), period)
    return inside * _tones(rng, np.floor(v), np.floor(u), rng.uniform(0, 0.6))


def _planks(rng: Generator, u: Plane, v: Plane, period: float) -> Plane:
    rows = np.floor(v)
    long = u * 0.15 + _tones(rng, rows, rows, 1.0)
    seam = _step(0.48 - _off(v), period)
    grain = np.sin(v * rng.uniform(20, 50) + 2 * np.sin(u * 0.7 + rows))
    wood = _tones(rng, rows, np.floor(long), rng.uniform(0.2, 0.6))
    planks: Plane = seam * np.clip(wood + grain * 0.06 - 0.05, 0, 1)
    return planks


def _weave(rng: Generator, u: Plane, v: Plane, period: float) -> Plane:
    over = (np.floor(u) + np.floor(v)).astype(np.int32) & 1
    along = 1 - np.abs(2 * _fraction(u) - 1) ** 2
    across = 1 - np.abs(2 * _fraction(v) - 1) ** 2
    return np.where(over, along, across * rng.uniform(0.4, 0.9))


def _zigzag(rng: Generator, u: Plane, v: Plane, period: float) -> Plane:
    fold = _off(u * 0.5) * np.float32(2 * rng.uniform(0.5, 1.5))
    return _stripes(rng, v + fold, u, period)


def _rings(rng: Generator, u: Plane, v: Plane, period: float) -> Plane:
    away = np.hypot(u - 100, v - (100 + rng.uniform(-4, 4)))
    return _stripes(rng, away, v, period)


_KINDS = (_stripes, _checks, _dots, _bricks, _tiles, _planks, _weave, _zigzag, _rings)
PAVINGS = (_checks, _bricks, _tiles, _planks, _planks)
