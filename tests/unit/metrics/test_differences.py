"""Errors value by value, against plain NumPy on small arrays."""

from __future__ import annotations

import math

import numpy as np
import pytest

from maskport.metrics import (
    PSNR_CEILING,
    error_percentile,
    maximum_error,
    mean_absolute_error,
    peak_signal_to_noise,
    root_mean_square_error,
)

METRICS = [
    mean_absolute_error,
    root_mean_square_error,
    peak_signal_to_noise,
    maximum_error,
    error_percentile,
]


def pair(seed: int, shape: tuple[int, ...] = (3, 2, 9, 14)) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    return random.random(shape, np.float32), random.random(shape, np.float32)


def square(left: int) -> np.ndarray:
    mask = np.zeros((1, 1, 8, 8), np.float32)
    mask[..., 2:6, left : left + 4] = 1
    return mask


@pytest.mark.parametrize("seed", range(5))
def test_each_is_what_plain_numpy_says_of_each_photo(seed: int) -> None:
    masks, references = pair(seed)
    error = np.abs(masks.astype(float) - references.astype(float)).reshape(3, -1)
    # float64 sums of 252 values in another order
    same = {"rtol": 1e-12}
    np.testing.assert_allclose(mean_absolute_error(masks, references), error.mean(1), **same)
    rmse = np.sqrt((error**2).mean(1))
    np.testing.assert_allclose(root_mean_square_error(masks, references), rmse, **same)
    decibels = 10 * np.log10(1 / rmse**2)
    np.testing.assert_allclose(peak_signal_to_noise(masks, references), decibels, **same)
    np.testing.assert_array_equal(maximum_error(masks, references), error.max(1))
    for percentile in (0, 50, 99.9, 100):
        expected = np.percentile(error, percentile, axis=1)
        found = error_percentile(masks, references, percentile)
        np.testing.assert_allclose(found, expected, **same)


def test_mean_absolute_error_is_the_mean_over_all_pixels() -> None:
    assert mean_absolute_error(square(0), square(0)) == [0]
    # 4 x 1 pixels leave and 4 x 1 come, of 64
    assert mean_absolute_error(square(1), square(0)) == pytest.approx([8 / 64])


def test_the_high_percentile_leaves_out_one_pixel_in_a_thousand() -> None:
    masks = np.zeros((1, 1, 100, 100), np.float32)
    references = masks.copy()
    references[0, 0, 0, :10] = 1  # exactly 0.1 %
    # Rank 0.999 * 9999 = 9989.001 of 10,000: the 9,990 zeros end at rank 9989
    assert error_percentile(masks, references) == pytest.approx([0.001])
    assert maximum_error(masks, references) == [1]


def test_equal_masks_have_the_ceiling_and_not_infinity() -> None:
    assert peak_signal_to_noise(square(0), square(0)) == [PSNR_CEILING]
    assert math.isfinite(peak_signal_to_noise(square(0), square(0)).mean())


def test_a_difference_of_one_step_of_float32_is_still_below_the_ceiling() -> None:
    ones = np.ones((1, 1, 4, 4), np.float32)
    below = np.nextafter(ones, np.float32(0))
    # The step below 1 is 2 ** -24, and 20 log10 of 2 ** 24 is 144.5
    assert peak_signal_to_noise(ones, below) == pytest.approx([144.494], abs=1e-3)


@pytest.mark.parametrize("metric", METRICS, ids=lambda f: f.__name__)
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("side", [0, 1])
def test_a_value_that_is_no_number_leaves_its_photo_without_one(metric, value, side) -> None:
    both = pair(0)
    both[side][1, 0, 2, 3] = value
    assert np.isnan(metric(*both)).tolist() == [False, True, False]


@pytest.mark.parametrize("metric", METRICS, ids=lambda f: f.__name__)
def test_masks_of_other_shapes_are_refused(metric) -> None:
    mask = np.zeros((1, 1, 4, 4), np.float32)
    with pytest.raises(ValueError, match="can't be compared"):
        metric(mask, mask[..., :3])
    with pytest.raises(ValueError, match=r"\(N, C, H, W\)"):
        metric(mask[0], mask[0])
    with pytest.raises(ValueError, match="not empty"):
        metric(mask[:0], mask[:0])
