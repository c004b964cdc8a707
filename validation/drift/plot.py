"""The plot of drift by module, as shapes: what to draw where, for any kind of file.

Errors stand on a logarithmic axis over the modules in execution order. A dot on a stem is what
a module adds by itself, the line is what has added up; bands are the network's stages.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import groupby

from ...svg import Dot, Line, PowerAxis, Rectangle, Shape, Text, across, document
from .findings import Drift, ModuleDrift

__all__ = ["HEIGHT", "WIDTH", "shapes", "svg"]

WIDTH, HEIGHT = 1200, 560
LEFT, RIGHT, TOP, BOTTOM = 74, 24, 92, 118
# A factor of ten is at least so far from the plot's ends.
MARGIN = 0.25
# A group narrower than that has no room for its name.
LABEL_ROOM = 14


def svg(drift: Drift) -> str:
    """The plot as SVG."""
    return document(shapes(drift), WIDTH, HEIGHT, f"{drift.target}: drift by module")


def shapes(drift: Drift) -> Iterator[Shape]:
    """Everything to draw, from back to front, on `WIDTH` x `HEIGHT`."""
    axes = _Axes(drift)
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
        low = math.log10(min(drawn)) - MARGIN
        high = max(math.log10(max(drawn)) + MARGIN, low + 1.5)
        self.errors = PowerAxis(10**low, 10**high, HEIGHT - BOTTOM, TOP)
        self.y = self.errors.place
        self.step = (WIDTH - LEFT - RIGHT) / max(len(drift.modules), 1)

    def x(self, place: float) -> float:
        return LEFT + (place + 0.5) * self.step


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
            yield Text("tick", left + width / 2 - 4, HEIGHT - BOTTOM + 16, name, turned=True)
        place += count


def _scale(axes: _Axes) -> Iterator[Shape]:
    yield from across(axes.errors, axes.errors.decades(), LEFT, WIDTH - RIGHT)
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
    flags = [(worst, "worst")]
    if first is worst:
        flags = [(worst, "first past the tolerance, and worst")]
    elif first is not None:
        flags.insert(0, (first, "first past the tolerance"))
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
