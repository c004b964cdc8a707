"""The plot of drift by module, as shapes: what to draw where, for any kind of file.

Errors stand on a logarithmic axis over the modules in execution order. A dot on a stem is what
a module adds by itself, the line is what has added up; bands are the network's stages.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby

from .findings import Drift, ModuleDrift

__all__ = ["HEIGHT", "WIDTH", "Dot", "Line", "Rectangle", "Shape", "Text", "shapes"]

WIDTH, HEIGHT = 1200, 560
LEFT, RIGHT, TOP, BOTTOM = 74, 24, 92, 118
# A factor of ten is at least so far from the plot's ends.
MARGIN = 0.25
# A group narrower than that has no room for its name.
LABEL_ROOM = 14


@dataclass(frozen=True, slots=True)
class Line:
    """A polyline; ``role`` decides how it looks."""

    role: str
    points: tuple[tuple[float, float], ...]


@dataclass(frozen=True, slots=True)
class Rectangle:
    """A filled rectangle."""

    role: str
    x: float
    y: float
    width: float
    height: float


@dataclass(frozen=True, slots=True)
class Dot:
    """A filled circle, and what it says when it is pointed at."""

    role: str
    x: float
    y: float
    radius: float
    says: str = ""


@dataclass(frozen=True, slots=True)
class Text:
    """One line of text at its baseline; ``turned`` reads downwards at a slant."""

    role: str
    x: float
    y: float
    words: str
    anchor: str = "start"
    turned: bool = False


Shape = Line | Rectangle | Dot | Text


def shapes(drift: Drift) -> Iterator[Shape]:
    """Everything to draw, from back to front, on `WIDTH` x `HEIGHT`."""
    axes = _Axes(drift)
    yield Rectangle("paper", 0, 0, WIDTH, HEIGHT)
    yield from _bands(drift, axes)
    yield from _scale(axes)
    yield from _tolerance(drift, axes)
    yield from _series(drift, axes)
    yield from _heading(drift)
    yield from _flags(drift, axes)


class _Axes:
    """Where a module and an error stand on the picture."""

    def __init__(self, drift: Drift) -> None:
        errors = [e for m in drift.modules for e in (m.own, m.relative)] + [drift.tolerance]
        drawn = [e for e in errors if 0 < e < math.inf] or [1e-8, 1.0]
        self.low = math.log10(min(drawn)) - MARGIN
        self.high = max(math.log10(max(drawn)) + MARGIN, self.low + 1.5)
        self.step = (WIDTH - LEFT - RIGHT) / max(len(drift.modules), 1)

    def x(self, place: float) -> float:
        return LEFT + (place + 0.5) * self.step

    def y(self, error: float) -> float:
        """Zero stands at the bottom, infinity at the top."""
        if error <= 0:
            return HEIGHT - BOTTOM
        part = 1.0 if math.isinf(error) else (math.log10(error) - self.low) / (self.high - self.low)
        return HEIGHT - BOTTOM - min(max(part, 0.0), 1.0) * (HEIGHT - TOP - BOTTOM)

    @property
    def decades(self) -> list[int]:
        return list(range(math.ceil(self.low), math.floor(self.high) + 1))


def _bands(drift: Drift, axes: _Axes) -> Iterator[Shape]:
    """A stage is what the names share before their first dot."""
    place = 0
    for number, (name, members) in enumerate(
        groupby(drift.modules, key=lambda m: m.name.partition(".")[0])
    ):
        count = len(list(members))
        left, width = axes.x(place - 0.5), count * axes.step
        if number % 2:
            yield Rectangle("band", left, TOP, width, HEIGHT - TOP - BOTTOM)
        if width >= LABEL_ROOM:
            yield Text("stage", left + width / 2 - 4, HEIGHT - BOTTOM + 16, name, turned=True)
        place += count


def _scale(axes: _Axes) -> Iterator[Shape]:
    for exponent in axes.decades:
        y = axes.y(10.0**exponent)
        yield Line("grid", ((LEFT, y), (WIDTH - RIGHT, y)))
        yield Text("tick", LEFT - 8, y + 4, _power(exponent), "end")
    bottom = HEIGHT - BOTTOM
    yield Line("axis", ((LEFT, bottom), (WIDTH - RIGHT, bottom)))


def _tolerance(drift: Drift, axes: _Axes) -> Iterator[Shape]:
    y = axes.y(drift.tolerance)
    yield Line("tolerance", ((LEFT, y), (WIDTH - RIGHT, y)))
    yield Text("tolerance-text", WIDTH - RIGHT - 4, y - 5, f"tolerance {drift.tolerance:g}", "end")


def _series(drift: Drift, axes: _Axes) -> Iterator[Shape]:
    points = [(axes.x(place), axes.y(m.relative)) for place, m in enumerate(drift.modules)]
    yield Line("total", tuple(points))
    bottom = HEIGHT - BOTTOM
    radius = min(3.6, max(1.6, axes.step * 0.38))
    for place, module in enumerate(drift.modules):
        role = "own" if module.own <= drift.tolerance else "past"
        x, y = axes.x(place), axes.y(module.own)
        yield Line(f"{role}-stem", ((x, bottom), (x, y)))
        yield Dot(role, x, y, radius, _says(module))


def _heading(drift: Drift) -> Iterator[Shape]:
    photos = "1 photo" if drift.photos == 1 else f"{drift.photos} photos"
    yield Text("title", LEFT, 34, f"{drift.target}: drift by module")
    yield Text(
        "subtitle", LEFT, 54, f"RMSE / RMS of the reference, in execution order, over {photos}"
    )
    x = WIDTH - RIGHT - 330
    yield Dot("own", x, 30, 4)
    yield Text("legend", x + 10, 34, "what the module adds")
    yield Line("total", ((x + 172, 30), (x + 196, 30)))
    yield Text("legend", x + 203, 34, "what has added up")


def _flags(drift: Drift, axes: _Axes) -> Iterator[Shape]:
    """The first module past the tolerance, and the worst one."""
    first, worst = drift.first, drift.worst
    flags = []
    if first is not None and first is worst:
        flags.append((first, "first past the tolerance, and worst"))
    else:
        if first is not None:
            flags.append((first, "first past the tolerance"))
        flags.append((worst, "worst"))
    for number, (module, text) in enumerate(flags):
        place = drift.modules.index(module)
        x, y = axes.x(place), axes.y(module.own)
        high = TOP - 10 - 16 * number
        yield Line("flag", ((x, high + 4), (x, y)))
        yield Dot("flag-dot", x, y, 5.5, _says(module))
        right = x > WIDTH * 0.6
        words = f"{module.name}: {_figure(module.own)}, {text}"
        yield Text("flag-text", x - 6 if right else x + 6, high, words, "end" if right else "start")


def _says(module: ModuleDrift) -> str:
    return (
        f"{module.name}: adds {_figure(module.own)}, added up {_figure(module.relative)}"
        f" (MAE {_figure(module.mae)})"
    )


def _figure(error: float) -> str:
    return f"{error:.2g}" if math.isfinite(error) else "not a number"


_RAISED = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def _power(exponent: int) -> str:
    return {0: "1", -1: "0.1"}.get(exponent, f"10{str(exponent).translate(_RAISED)}")
