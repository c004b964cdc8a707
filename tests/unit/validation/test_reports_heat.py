"""Heat maps: colours whose order can be seen, and no error that gets lost."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from maskport.validation.reports.heat import COLORS, NOT_A_NUMBER, heat_map


def lightness(color: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Oklab's L in [0, 1]: Ottosson, "A perceptual color space for image processing" (2020)."""
    encoded = color / 255
    linear = np.where(encoded <= 0.04045, encoded / 12.92, ((encoded + 0.055) / 1.055) ** 2.4)
    cones = linear @ np.array(
        [
            [0.4122214708, 0.2119034982, 0.0883024619],
            [0.5363325363, 0.6806995451, 0.2817188376],
            [0.0514459929, 0.1073969566, 0.6299787005],
        ]
    )
    return np.asarray(np.cbrt(cones) @ [0.2104542553, 0.7936177850, -0.0040720468])


def test_lightness_is_that_of_oklab() -> None:
    # Ottosson's article: white has L = 1, black 0; mid grey #777777 is 0.569.
    colors = np.array([[255, 255, 255], [0, 0, 0], [0x77, 0x77, 0x77]], np.uint8)
    np.testing.assert_allclose(lightness(colors), [1, 0, 0.569], atol=1e-3)


def test_each_step_of_the_colors_is_as_much_lighter_as_any_other() -> None:
    steps = np.diff(lightness(COLORS))
    # An even ramp over 0.91 in 31 steps; bytes round by up to a tenth of a step.
    np.testing.assert_allclose(steps, 0.91 / 31, rtol=0.2)


def test_no_error_is_black_and_the_scales_top_is_brightest() -> None:
    error = np.zeros((4, 4), np.float16)
    error[:, 2:] = 0.1
    heat = heat_map(error, 4)
    assert heat.scale == 0.1
    np.testing.assert_array_equal(heat.pixels[0, 0], COLORS[0])
    np.testing.assert_array_equal(heat.pixels[0, 3], COLORS[-1])


@pytest.mark.parametrize(
    ("error", "scale"), [(0.0, 0.001), (0.0009, 0.001), (0.02, 0.03), (0.5, 1.0), (7.0, 1.0)]
)
def test_scales_are_few_so_that_maps_compare(error: float, scale: float) -> None:
    assert heat_map(np.full((8, 8), error), 8).scale == scale


def test_a_few_outliers_dont_blacken_the_rest_and_are_named() -> None:
    error = np.full((100, 100), 0.009)
    error[30, 70] = 0.9
    heat = heat_map(error, 100)
    assert heat.scale == 0.01
    assert heat.maximum == pytest.approx(0.9)
    # The middle of that pixel.
    assert heat.at == (0.705, 0.305)


def test_a_peak_survives_scaling_down() -> None:
    error = np.zeros((300, 1000))
    error[123, 456] = 1.0
    heat = heat_map(error, 100)
    assert heat.pixels.shape == (30, 100, 3)
    assert (heat.pixels == COLORS[-1]).all(-1).sum() == 1


def test_pixels_without_a_number_have_a_color_of_their_own() -> None:
    error = np.zeros((4, 4))
    error[0, 0], error[1, 1], error[2, 2] = np.nan, np.inf, 0.5
    heat = heat_map(error, 4)
    assert heat.not_numbers == 2
    assert heat.maximum == 0.5
    assert tuple(heat.pixels[0, 0]) == tuple(heat.pixels[1, 1]) == NOT_A_NUMBER


def test_a_map_without_any_number_is_drawn_too() -> None:
    heat = heat_map(np.full((4, 4), np.nan), 4)
    assert heat.maximum is None
    assert heat.not_numbers == 16
