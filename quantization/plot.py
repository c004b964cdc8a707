"""Sensitivity as a picture: a bar for what each part loses, a bar for what it costs in float."""

from __future__ import annotations

from collections.abc import Iterator

from ..svg import Axis, Rectangle, Shape, Text, document
from .sensitivity import Analysis

__all__ = ["sensitivity_svg"]

_ROW, _NAME, _BAR = 22, 230, 220
_SECOND = _NAME + _BAR + 90
_WIDTH = _SECOND + _BAR + 106


def sensitivity_svg(found: Analysis) -> str:
    """An SVG of one line a part; bars are relative to the largest."""
    height = _ROW * (len(found.parts) + 3)
    return document(_shapes(found, height - 8), _WIDTH, height, "sensitivity by part")


def _shapes(found: Analysis, bottom: int) -> Iterator[Shape]:
    yield Text("past-text", _NAME, _ROW, "1 - IoU, rounded alone")
    yield Text("own-text", _SECOND, _ROW, "time added in float (of all integers)")
    most = max((1 - part.alone.iou for part in found.parts), default=0) or 1
    slowest = max((part.slower for part in found.parts), default=0) or 1
    losses = Axis(0, most, _NAME, _NAME + _BAR)
    times = Axis(0, slowest, _SECOND, _SECOND + _BAR)
    for number, part in enumerate(found.parts, 2):
        y, lost = number * _ROW, 1 - part.alone.iou
        yield Text("label", _NAME - 8, y, part.module, "end")
        yield from _bar("past", losses, y, lost, f"{lost:.5f}")
        yield from _bar("own", times, y, part.slower, f"{part.slower:.2f}")
    yield Text("label", _NAME - 8, bottom, "all of them", "end")
    yield Text("label", _NAME, bottom, f"{1 - found.whole.iou:.5f}")


def _bar(role: str, axis: Axis, y: int, value: float, label: str) -> Iterator[Shape]:
    length = max(1.0, axis.place(value) - axis.start)
    yield Rectangle(role, axis.start, y - 11, length, 14)
    yield Text("label", axis.start + length + 5, y, label)
