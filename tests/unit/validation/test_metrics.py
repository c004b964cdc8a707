"""Metrics on masks whose answer can be counted by hand."""

from __future__ import annotations

import numpy as np
import pytest

from maskport.validation.metrics import intersection_over_union, is_flat, mean_absolute_error


def square(left: int, size: int = 4) -> np.ndarray:
    mask = np.zeros((1, 8, 8), np.float32)
    mask[:, 2 : 2 + size, left : left + size] = 1
    return mask


def test_mean_absolute_error_is_the_mean_over_all_pixels() -> None:
    assert mean_absolute_error(square(0), square(0)) == 0
    # 4 x 1 pixels leave and 4 x 1 come, of 64
    assert mean_absolute_error(square(1), square(0)) == pytest.approx(8 / 64)


def test_iou_is_the_common_part_of_both() -> None:
    assert intersection_over_union(square(0), square(0)) == 1
    assert intersection_over_union(square(1), square(0)) == pytest.approx(12 / 20)
    assert intersection_over_union(square(4), square(0)) == 0


def test_two_empty_masks_agree_and_one_empty_mask_does_not() -> None:
    empty = np.zeros((1, 8, 8), np.float32)
    assert intersection_over_union(empty, empty) == 1
    assert intersection_over_union(square(0), empty) == 0


def test_the_threshold_itself_belongs_to_the_object() -> None:
    at = np.full((1, 2, 2), 0.3, np.float32)
    assert intersection_over_union(at, np.ones_like(at), np.float32(0.3)) == 1


def test_classes_are_compared_by_argmax_and_averaged() -> None:
    reference = np.stack([np.eye(4), 1 - np.eye(4), np.zeros((4, 4))]).astype(np.float32)
    assert intersection_over_union(reference * 0.4, reference) == 1  # no threshold for classes
    mask = reference.copy()
    mask[:, 0, 0] = [0, 1, 0]  # one pixel changes from class 0 to class 1
    # class 0: 3 of 4; class 1: 12 of 13; class 2 is in neither
    assert intersection_over_union(mask, reference) == pytest.approx((3 / 4 + 12 / 13) / 2)


def test_a_mask_that_draws_nothing_is_flat() -> None:
    assert is_flat(np.full((1, 4, 4), 0.7, np.float32))
    assert not is_flat(square(0))
