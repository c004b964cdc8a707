"""The parts of a scene: figures, painting, and what never belongs to a mask."""

from __future__ import annotations

import math

import numpy as np
import pytest

from maskport.scenes.colors import contrasting, difference
from maskport.scenes.composition import add_foreground, add_margin
from maskport.scenes.fields import fractal, lowpass
from maskport.scenes.figures import FIGURES, Figure, drawn
from maskport.scenes.outlines import box, ellipse, stroke
from maskport.scenes.painting import Layer, Light, cast, coverage, lay, mirrored, paint
from maskport.scenes.sketch import DARK, MAIN, PALE, Sketch

GRAY = np.full(3, 0.5, np.float32)
FLAT = Light(0, 0, 0)


def painted(sketch: Sketch, scale: float, seed: int = 0) -> Layer:
    return paint(np.random.default_rng(seed), sketch, np.eye(2) * scale, GRAY, 0.3, FLAT)


@pytest.mark.parametrize("figure", [figure for figure, _ in FIGURES], ids=lambda f: f.__name__)
def test_every_figure_has_a_body_of_finite_size(
    figure: Figure,
) -> None:
    for seed in range(12):
        sketch = drawn(figure, np.random.default_rng(seed))
        assert any(part.role == "solid" for part in sketch.parts)
        assert all(np.isfinite(part.outline).all() for part in sketch.parts)
        area, wide, high = coverage(sketch, np.eye(2))
        # Units are such that a figure is about two wide or high; the thinnest are wheels,
        # glasses and tools, of which the box is mostly empty.
        assert 0.5 < max(wide, high) < 5
        assert 0.04 < area / (wide * high) <= 1.02


def test_two_draws_of_a_figure_differ() -> None:
    for figure, _ in FIGURES:
        sketches = [drawn(figure, np.random.default_rng(seed)) for seed in range(12)]
        different = {
            (sketch.upright, *(part.text + str(part.outline) for part in sketch.parts))
            for sketch in sketches
        }
        assert len(different) > 1, figure.__name__


def test_alpha_is_the_area_that_the_outline_encloses() -> None:
    sketch = Sketch()
    sketch.add(ellipse(0, 0, 1, 0.5))
    layer = painted(sketch, 40)
    # 48 corners of a circle hold 0.997 of it; the drawing adds a part of the rim's pixels.
    assert layer.alpha.sum() == pytest.approx(math.pi * 40 * 20, rel=0.02)
    assert layer.alpha.max() == 1


def test_a_hole_is_not_part_of_a_figure() -> None:
    sketch = Sketch()
    sketch.add(ellipse(0, 0, 1, 1))
    sketch.cut(ellipse(0, 0, 0.6, 0.6))
    sketch.mark(box(0, 0, 0.5, 0.5), DARK)  # a mark colours what is there; here nothing is
    layer = painted(sketch, 30)
    middle = layer.alpha.shape[0] // 2
    assert layer.alpha[middle - 8 : middle + 8, middle - 8 : middle + 8].max() == 0
    assert layer.alpha.sum() == pytest.approx(math.pi * 30**2 * (1 - 0.36), rel=0.03)


def test_a_thin_line_is_as_thin_as_it_was_asked_for() -> None:
    sketch = Sketch()
    sketch.add(stroke([(0, 0), (1, 0.0)], 0.04))
    layer = painted(sketch, 100)
    assert layer.alpha.sum(0)[20:80] == pytest.approx(4, abs=0.6)


def test_letters_fill_their_box_and_have_counters() -> None:
    sketch = Sketch()
    sketch.write("O", box(0, 0, 2, 2), MAIN, "solid")
    layer = painted(sketch, 30)
    rows, columns = np.nonzero(layer.alpha > 0.5)
    assert rows.max() - rows.min() == pytest.approx(60, abs=4)
    assert columns.max() - columns.min() == pytest.approx(60, abs=4)
    middle = layer.alpha.shape[0] // 2
    assert layer.alpha[middle - 3 : middle + 3, middle - 3 : middle + 3].max() == 0


def test_a_mark_shows_and_stays_inside() -> None:
    sketch = Sketch(families={MAIN: "white"})
    sketch.add(box(0, 0, 2, 2))
    sketch.mark(box(0, 0, 6, 1), DARK)
    plain = Sketch(families={MAIN: "white"})
    plain.add(box(0, 0, 2, 2))
    layer = painted(sketch, 20)
    np.testing.assert_array_equal(layer.alpha, painted(plain, 20).alpha)
    middle = layer.alpha.shape[0] // 2
    assert layer.planes[:, middle, middle].mean() < 0.4 < layer.planes[:, 4, middle].mean()


def test_objects_get_colors_that_differ_from_their_ground() -> None:
    for seed in range(20):
        rng = np.random.default_rng(seed)
        ground = rng.random(3, np.float32)
        assert difference(contrasting(rng, ground, 0.2), ground) >= 0.15


def test_laying_replaces_what_is_below_and_says_where() -> None:
    planes = np.zeros((3, 20, 30), np.float32)
    layer = Layer(np.ones((3, 8, 8), np.float32), np.full((8, 8), 0.5, np.float32))
    opacity = lay(planes, layer, -3, 26)
    expected = np.zeros((20, 30), np.float32)
    expected[:5, 26:] = 0.5
    np.testing.assert_array_equal(opacity, expected)
    np.testing.assert_array_equal(planes, np.stack([expected] * 3))
    assert lay(planes, layer, 40, 0).max() == 0  # outside the frame


def test_a_shadow_falls_beside_its_thing_and_takes_light_away() -> None:
    planes = np.full((3, 60, 80), 0.8, np.float32)
    cast(planes, np.ones((20, 10), np.float32), 10, 30, 1.0, 0.5, 2.0, 0.5)
    assert planes.min() == pytest.approx(0.4, abs=0.02)
    assert planes.max() == pytest.approx(0.8)
    dark = planes[0] < 0.6
    rows, columns = np.nonzero(dark)
    # Its foot is at row 30; half as high as the thing, it leans to the right by the full height.
    assert abs(rows.max() - 29) <= 2
    assert abs(rows.min() - 20) <= 2
    assert columns[rows == rows.max()].mean() < 40 < columns[rows == rows.min()].mean()


def test_a_reflection_is_upside_down_and_fades() -> None:
    alpha = np.ones((10, 4), np.float32)
    alpha[0] = 0  # the top
    image = mirrored(Layer(np.zeros((3, 10, 4), np.float32), alpha), 0.5)
    assert image.alpha[0, 0] == pytest.approx(0.5)
    assert image.alpha[-1, 0] == 0
    assert (np.diff(image.alpha[:, 0]) <= 0).all()


def test_what_is_in_front_leaves_the_mask_where_it_hides_an_object() -> None:
    hidden = 0
    for seed in range(30):
        planes = np.full((3, 64, 64), 0.5, np.float32)
        mask = np.zeros((64, 64), np.float32)
        mask[10:60, 10:54] = 1
        before, mask_before = planes.copy(), mask.copy()
        add_foreground(np.random.default_rng(seed), planes, mask, FLAT)
        less = mask_before - mask
        assert less.min() >= 0
        # Never most of an object, or it would not be what the photo is of.
        assert less.sum() <= 0.31 * mask_before.sum()
        untouched = np.abs(planes - before).max(0) < 1e-6
        assert less[untouched].max(initial=0) < 0.05
        hidden += less.sum() > 10
    assert hidden > 10  # it does happen


def test_a_margin_is_plain_and_in_no_mask() -> None:
    planes = fractal(np.random.default_rng(0), 120, 50, 10)[:, :40][None].repeat(3, 0)
    mask = np.ones((120, 40), np.float32)
    add_margin(np.random.default_rng(1), planes, mask)
    for edge in (np.s_[0], np.s_[-1], np.s_[:, 0], np.s_[:, -1]):
        assert mask[edge].max() == 0
        assert np.ptp(planes[0][edge]) == 0
    assert mask[60, 20] == 1


def test_noise_has_mean_nothing_and_deviation_one_at_any_size() -> None:
    for height, width in ((1, 1), (1, 9), (30, 70), (200, 3)):
        field = fractal(np.random.default_rng(0), height, width, 16, 5)
        assert field.shape == (height, width)
        assert field.dtype == np.float32
        assert abs(float(field.mean())) < 1e-4
        if field.size > 100:
            assert field.std() == pytest.approx(1, abs=1e-3)


def test_a_lowpass_keeps_the_mean_and_takes_the_detail() -> None:
    plane = np.random.default_rng(0).random((60, 80), np.float32)
    smooth = lowpass(plane, 10)
    assert smooth.mean() == pytest.approx(plane.mean(), abs=0.01)
    assert smooth.std() < 0.2 * plane.std()  # the mean of 100 values deviates by a tenth


def test_pale_and_dark_surfaces_are_what_they_are_called() -> None:
    sketch = Sketch()
    sketch.add(box(-0.5, 0, 1, 1), DARK)
    sketch.add(box(0.5, 0, 1, 1), PALE)
    layer = painted(sketch, 30)
    half = layer.alpha.shape[1] // 2
    assert layer.planes[:, 5:-5, 4 : half - 4].mean() < 0.35
    assert layer.planes[:, 5:-5, half + 4 : -4].mean() > 0.65
