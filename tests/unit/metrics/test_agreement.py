"""All metrics of agreement at once are the metrics one by one."""

from __future__ import annotations

import numpy as np
import pytest

from maskport import metrics
from maskport.metrics import AGREEMENT, compare, summarize


def pair(channels: int) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(7)
    references = random.random((3, channels, 17, 12), np.float32)
    noise = random.normal(0, 0.05, references.shape).astype(np.float32)
    return (references + noise).clip(0, 1), references


@pytest.mark.parametrize("channels", [1, 4])
def test_the_pass_gives_what_each_function_gives(channels: int) -> None:
    masks, references = pair(channels)
    agreement = compare(masks, references, 0.4)
    alone = {
        "mae": metrics.mean_absolute_error(masks, references),
        "rmse": metrics.root_mean_square_error(masks, references),
        "psnr": metrics.peak_signal_to_noise(masks, references),
        "max_error": metrics.maximum_error(masks, references),
        "p999_error": metrics.error_percentile(masks, references),
        "iou": metrics.intersection_over_union(masks, references, 0.4),
        "sweep_iou": metrics.intersection_over_union_sweep(masks, references).mean(1),
        "soft_iou": metrics.soft_intersection_over_union(masks, references),
        "boundary_f": metrics.boundary_f_measure(masks, references, 0.4),
    }
    assert agreement.metrics.keys() == alone.keys() == AGREEMENT.keys()
    for name, values in alone.items():
        np.testing.assert_array_equal(agreement.metrics[name], values, err_msg=name)
        assert values.dtype == np.float64
    if channels == 1:
        assert agreement.classes is None
    else:
        by_class = metrics.intersection_over_union_by_class(masks, references)
        np.testing.assert_array_equal(agreement.classes, by_class)
    assert agreement.sweep.shape == (3, len(agreement.thresholds))
    assert agreement.objections == ((), (), ())


def test_every_metric_knows_which_way_it_is_good() -> None:
    rows, columns = np.mgrid[0:40, 0:40]
    disc = 1 / (1 + np.exp(np.hypot(rows - 20, columns - 15) - 9))
    references = disc[None, None].astype(np.float32)
    masks = np.roll(references, 5, 3)  # beyond the tolerance of the boundary
    same, other = compare(references, references, 0.5), compare(masks, references, 0.5)
    for name, better in AGREEMENT.items():
        perfect, worse = same.metrics[name], other.metrics[name]
        assert (perfect > worse).all() if better == "higher" else (perfect < worse).all(), name
        assert summarize(perfect, better).worst_photo == 0


def test_a_mask_that_is_no_number_has_none_in_any_metric() -> None:
    masks, references = pair(1)
    masks[1, 0, 0, 0] = np.nan
    agreement = compare(masks, references, 0.5)
    for name, values in agreement.metrics.items():
        assert np.isnan(values).tolist() == [False, True, False], name
    assert agreement.objections == ((), ("not-finite",), ())


def test_masks_are_left_as_they_were() -> None:
    masks, references = pair(2)
    before = masks.copy(), references.copy()
    masks.setflags(write=False)
    references.setflags(write=False)
    compare(masks, references, 0.5)
    np.testing.assert_array_equal(masks, before[0])
    np.testing.assert_array_equal(references, before[1])
