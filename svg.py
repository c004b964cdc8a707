"""Plots: values along axes, as shapes, and shapes as SVG that follows a light or dark scheme."""

from __future__ import annotations

import html
import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

__all__ = [
    "BOLD",
    "COLORS",
    "DASHED",
    "HALOED",
    "LOOKS",
    "SLANT",
    "Axis",
    "Dot",
    "Line",
    "PowerAxis",
    "Rectangle",
    "Shape",
    "Text",
    "across",
    "document",
    "elements",
    "round_values",
    "upright",
]

# Role → colour on light and on dark paper. Blue and orange are told apart by every kind of
# colour vision.
COLORS = {
    "paper": ("#ffffff", "#14171c"),
    "band": ("#f3f5f8", "#1a1e25"),
    "grid": ("#dfe3e9", "#2a303a"),
    "axis": ("#8a93a0", "#6b7482"),
    "ink": ("#1b2027", "#e8ebf0"),
    "faint": ("#5c6673", "#9aa4b2"),
    "own": ("#2468b4", "#6cabf2"),
    "past": ("#c8500a", "#ff9a55"),
    "total": ("#7d8794", "#8c96a4"),
}
# Role → colour, width of lines, size of text, opacity.
LOOKS: dict[str, tuple[str, float, int, float]] = {
    "paper": ("paper", 0, 0, 1),
    "band": ("band", 0, 0, 1),
    "rule": ("grid", 1, 0, 1),
    "axis": ("axis", 1, 0, 1),
    "tick": ("faint", 0, 12, 1),
    "tolerance": ("past", 1.2, 0, 0.8),
    "tolerance-text": ("past", 0, 12, 1),
    "total": ("total", 1.6, 0, 1),
    "curve": ("own", 1.5, 0, 1),
    "own": ("own", 0, 0, 1),
    "own-stem": ("own", 1, 0, 0.35),
    "own-text": ("own", 0, 13, 1),
    "past": ("past", 0, 0, 1),
    "past-stem": ("past", 1.4, 0, 0.6),
    "past-text": ("past", 0, 13, 1),
    "title": ("ink", 0, 19, 1),
    "subtitle": ("faint", 0, 13, 1),
    "legend": ("ink", 0, 13, 1),
    "label": ("ink", 0, 12, 1),
    "flag": ("ink", 1, 0, 0.45),
    "flag-dot": ("ink", 0, 0, 1),
    "flag-text": ("ink", 0, 13, 1),
}
DASHED = frozenset({"tolerance"})
BOLD = frozenset({"title", "flag-text"})
# Stands among lines, which must not run through it.
HALOED = frozenset({"tolerance-text"})
# Downwards from left to right.
SLANT = 45


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
Marks = Iterable[tuple[float, str]]


@dataclass(frozen=True)
class Axis:
    """Where values stand, in pixels: ``low`` at ``start``, ``high`` at ``end``, none beyond."""

    low: float
    high: float
    start: float
    end: float

    def place(self, value: float) -> float:
        """Pixels of a value."""
        return self.start + (self.end - self.start) * min(max(self._share(value), 0.0), 1.0)

    def _share(self, value: float) -> float:
        return (value - self.low) / (self.high - self.low)


class PowerAxis(Axis):
    """Each factor of ten is as long as any other; zero stands at ``start``, infinity at ``end``."""

    def decades(self) -> list[tuple[float, str]]:
        """The powers of ten on it, and their labels."""
        first = math.ceil(math.log10(self.low) - 1e-9)
        last = math.floor(math.log10(self.high) + 1e-9)
        return [(10.0**power, _label(power)) for power in range(first, last + 1)]

    def _share(self, value: float) -> float:
        if value <= 0 or math.isinf(value):
            return float(value > 0)
        return math.log10(value / self.low) / math.log10(self.high / self.low)


def round_values(top: float, most: int = 6) -> list[float]:
    """Round values from 0 to the first that is not below ``top``, at most ``most`` steps."""
    if top <= 0:
        return [0.0, 1.0]
    magnitude = 10.0 ** math.floor(math.log10(top / most))
    step = next(f * magnitude for f in (1, 2, 5, 10, 20) if f * magnitude * most >= top)
    return [k * step for k in range(math.ceil(top / step - 1e-9) + 1)]


def across(axis: Axis, marks: Marks, left: float, right: float) -> Iterator[Shape]:
    """A line at each value of an upright axis, its label to the left."""
    for value, label in marks:
        y = axis.place(value)
        yield Line("rule", ((left, y), (right, y)))
        yield Text("tick", left - 8, y + 4, label, "end")


def upright(axis: Axis, marks: Marks, top: float, bottom: float) -> Iterator[Shape]:
    """A line at each value of a lying axis, its label below."""
    for value, label in marks:
        x = axis.place(value)
        yield Line("rule", ((x, top), (x, bottom)))
        yield Text("tick", x, bottom + 18, label, "middle")


def document(shapes: Iterable[Shape], width: int, height: int, says: str) -> str:
    """A file, or a part of a page, on paper of its own; ``says`` is for who can't see it."""
    drawn = [Rectangle("paper", 0, 0, width, height), *shapes]
    light, dark = ("".join(f"--{n}:{c[k]};" for n, c in COLORS.items()) for k in (0, 1))
    style = (
        f":root{{{light}}}@media(prefers-color-scheme:dark){{:root{{{dark}}}}}"
        "text{font-family:system-ui,-apple-system,'Segoe UI',sans-serif}"
        + "".join(_css(role) for role in dict.fromkeys(shape.role for shape in drawn))
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img" '
        f'aria-label="{html.escape(says)}">\n<style>{style}</style>\n{elements(drawn)}\n</svg>\n'
    )


def elements(shapes: Iterable[Shape]) -> str:
    """SVG elements, whose classes are the shapes' roles."""
    return "\n".join(_element(shape) for shape in shapes)


def _css(role: str) -> str:
    color, width, size, opacity = LOOKS[role]
    rules = f"fill:var(--{color})"
    if width:
        rules = f"fill:none;stroke:var(--{color});stroke-width:{width}"
    if size:
        rules += f";font-size:{size}px"
    if role in BOLD:
        rules += ";font-weight:600"
    if role in HALOED:
        rules += ";paint-order:stroke;stroke:var(--paper);stroke-width:4px"
    if role in DASHED:
        rules += ";stroke-dasharray:6 4"
    if opacity < 1:
        rules += f";opacity:{opacity}"
    return f".{role}{{{rules}}}"


def _element(shape: Shape) -> str:
    if isinstance(shape, Line):
        points = " ".join(f"{x:.1f},{y:.1f}" for x, y in shape.points)
        return f'<polyline class="{shape.role}" points="{points}"/>'
    if isinstance(shape, Rectangle):
        return (
            f'<rect class="{shape.role}" x="{shape.x:.1f}" y="{shape.y:.1f}" '
            f'width="{shape.width:.1f}" height="{shape.height:.1f}"/>'
        )
    if isinstance(shape, Dot):
        title = f"<title>{html.escape(shape.says)}</title>" if shape.says else ""
        return (
            f'<circle class="{shape.role}" cx="{shape.x:.1f}" cy="{shape.y:.1f}" '
            f'r="{shape.radius:.1f}">{title}</circle>'
        )
    turn = f' transform="rotate({SLANT} {shape.x:.1f} {shape.y:.1f})"' if shape.turned else ""
    return (
        f'<text class="{shape.role}" x="{shape.x:.1f}" y="{shape.y:.1f}" '
        f'text-anchor="{shape.anchor}"{turn}>{html.escape(shape.words)}</text>'
    )


def _label(power: int) -> str:
    return {0: "1", -1: "0.1"}.get(power, f"10{str(power).translate(_RAISED)}")


_RAISED = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
