"""The plot: what it says, in each kind of file."""

from __future__ import annotations

import math
import xml.etree.ElementTree as ET
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

from maskport.errors import UsageError
from maskport.svg import Dot, Line, Text
from maskport.validation.drift.findings import Drift, ModuleDrift
from maskport.validation.drift.pictures import check_picture, write_picture
from maskport.validation.drift.plot import HEIGHT, WIDTH, shapes, svg
from maskport.validation.drift.rows import Unmatched


def module(name: str, own: float, relative: float) -> ModuleDrift:
    numbers = (relative, own, 0.1, 0.2, 0.99, 0.1, 0)
    return ModuleDrift(name, f"/{name}", (1, 4, 8, 8), (name,), "network", *numbers)


@pytest.fixture
def drift() -> Drift:
    names = ["stem", "stage1.a<b>", "stage1.b", "stage2.a", "mask"]
    owns = [1e-7, 2e-7, 0.3, 0.0, 0.5]
    modules = tuple(module(n, o, max(o, 1e-6)) for n, o in zip(names, owns, strict=True))
    return Drift("tflite-int8", 2, 0.1, "cpu", modules, (Unmatched("fuse", "it is folded"),))


def test_first_and_worst_are_named(drift: Drift) -> None:
    flags = [s.words for s in shapes(drift) if isinstance(s, Text) and s.role == "flag-text"]
    assert flags == ["stage1.b: 0.3, first past the tolerance", "mask: 0.5, worst"]


def test_only_the_worst_is_named_where_nothing_drifts(drift: Drift) -> None:
    calm = replace(drift, tolerance=1.0)
    flags = [s.words for s in shapes(calm) if isinstance(s, Text) and s.role == "flag-text"]
    assert flags == ["mask: 0.5, worst"]
    assert not any(s.role.startswith("past") for s in shapes(calm))


def test_every_module_has_a_dot_and_larger_errors_stand_higher(drift: Drift) -> None:
    dots = [s for s in shapes(drift) if isinstance(s, Dot) and s.says and s.role != "flag-dot"]
    assert [d.says.split(":")[0] for d in dots] == [m.name for m in drift.modules]
    heights = [-d.y for d in dots]
    assert sorted(heights) == [heights[i] for i in (3, 0, 1, 2, 4)]


def test_a_value_that_is_no_number_stands_at_the_top(drift: Drift) -> None:
    broken = replace(drift, modules=(*drift.modules[:-1], module("mask", math.inf, math.inf)))
    points = [(x, y) for s in shapes(broken) if isinstance(s, Line) for x, y in s.points]
    assert all(0 <= x <= WIDTH and 0 <= y <= HEIGHT for x, y in points)


def test_the_svg_is_well_formed_and_follows_the_color_scheme(drift: Drift) -> None:
    text = svg(drift)
    ET.fromstring(text)
    assert "prefers-color-scheme:dark" in text
    assert "stage1.a&lt;b&gt;" in text


@pytest.mark.parametrize("ending", [".svg", ".png", ".html"])
def test_each_kind_of_file_is_written(drift: Drift, tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"drift{ending}"
    write_picture(drift, path)
    if ending == ".png":
        with Image.open(path) as image:
            assert image.size == (2 * WIDTH, 2 * HEIGHT)
    else:
        assert "stage1.b: 0.3, first past the tolerance" in path.read_text(encoding="utf-8")


def test_the_page_says_what_was_left_out(drift: Drift, tmp_path: Path) -> None:
    write_picture(drift, tmp_path / "drift.html")
    assert "<code>fuse</code>: it is folded" in (tmp_path / "drift.html").read_text("utf-8")


@pytest.mark.parametrize("name", ["drift.pdf", "drift", "missing/drift.svg"])
def test_a_file_that_cant_be_written_is_refused_before_the_work(tmp_path: Path, name: str) -> None:
    with pytest.raises(UsageError):
        check_picture(tmp_path / name)
