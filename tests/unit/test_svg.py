"""Plots: where values stand, and what is written of them."""

from __future__ import annotations

import math
import xml.etree.ElementTree as ET

import pytest

from maskport.svg import (
    COLORS,
    LOOKS,
    Axis,
    Dot,
    Line,
    PowerAxis,
    Text,
    across,
    document,
    round_values,
    upright,
)


@pytest.mark.parametrize(
    ("top", "expected"),
    [
        (1.0, [0, 0.2, 0.4, 0.6, 0.8, 1.0]),
        (63.0, [0, 20, 40, 60, 80]),
        (0.0, [0, 1]),
    ],
)
def test_axes_start_at_zero_and_have_round_marks(top: float, expected: list[float]) -> None:
    assert round_values(top) == pytest.approx(expected)


def test_values_stand_in_proportion_and_none_leaves_its_axis() -> None:
    axis = Axis(0, 10, 100, 20)
    assert [axis.place(value) for value in (0, 5, 10, -1, 99)] == [100, 60, 20, 100, 20]


def test_each_factor_of_ten_is_as_long_as_any_other() -> None:
    axis = PowerAxis(1e-4, 1.0, 100, 20)
    places = [axis.place(value) for value in (1e-4, 1e-3, 1e-2, 0.1, 1.0, 0.0, math.inf)]
    assert places == pytest.approx([100, 80, 60, 40, 20, 100, 20])
    assert axis.decades() == [
        (1e-4, "10⁻⁴"), (1e-3, "10⁻³"), (1e-2, "10⁻²"), (0.1, "0.1"), (1.0, "1")
    ]  # fmt: skip


def test_marks_have_a_line_and_a_label_each() -> None:
    axis = Axis(0, 1, 10, 110)
    lying = list(upright(axis, [(0, "0"), (0.5, "half")], 5, 50))
    assert [s.words for s in lying if isinstance(s, Text)] == ["0", "half"]
    assert [s.points for s in lying if isinstance(s, Line)] == [
        ((10, 5), (10, 50)), ((60, 5), (60, 50))
    ]  # fmt: skip
    (line, label) = across(axis, [(1, "1")], 40, 80)
    assert isinstance(line, Line) and line.points == ((40, 110), (80, 110))
    assert isinstance(label, Text) and (label.x, label.anchor) == (32, "end")


def test_a_file_is_well_formed_says_what_it_shows_and_follows_the_color_scheme() -> None:
    words = 'a<b> & "c"'
    shapes = [Text("label", 1, 2, words), Dot("own", 3, 4, 5, words)]
    drawn = ET.fromstring(document(shapes, 30, 20, words))  # our own
    assert drawn.get("aria-label") == words
    assert [element.text for element in drawn.iter() if element.text == words] == [words] * 2
    style = drawn.findtext("{*}style") or ""
    assert "prefers-color-scheme:dark" in style
    assert ".label{" in style and ".title{" not in style


def test_every_look_has_a_color() -> None:
    assert {color for color, *_ in LOOKS.values()} <= COLORS.keys()
