"""A broken file is never let into a bundle, whatever way it is broken."""

from __future__ import annotations

import numpy as np
import pytest

from maskport.imaging.scenes import scene
from maskport.validation.inspection import objection
from maskport.validation.metrics import intersection_over_union


def masks() -> np.ndarray:
    grey = np.stack([scene(seed, 40, 40).photo.mean(-1) for seed in range(3)])
    return (grey / 255).astype(np.float32)[:, None]


def judge(drawn: np.ndarray, reference: np.ndarray) -> str:
    overlaps = intersection_over_union(np.nan_to_num(drawn), reference)
    return objection(drawn, reference, overlaps)


def test_the_same_masks_are_fine() -> None:
    assert judge(masks(), masks()) == ""


def test_a_single_value_that_is_no_number_is_found() -> None:
    drawn = masks()
    drawn[1, 0, 3, 4] = np.nan
    assert "1 values that are not numbers" in judge(drawn, masks())


def test_one_flat_mask_among_good_ones_is_found() -> None:
    drawn = masks()
    drawn[2] = 0.2
    assert judge(drawn, masks()).startswith("its mask of photo 3 is flat")


def test_a_flat_mask_is_fine_where_the_reference_is_flat() -> None:
    reference = masks()
    reference[2] = 0.0
    drawn = reference.copy()
    assert judge(drawn, reference) == ""


@pytest.mark.parametrize("turn", [lambda m: 1 - m, lambda m: m.swapaxes(-1, -2)])
def test_an_inverted_or_transposed_mask_is_found(turn) -> None:
    assert "another mask" in judge(turn(masks()), masks())


def test_one_wrong_photo_among_many_good_ones_is_found() -> None:
    reference = np.concatenate([masks()] * 4)
    drawn = reference.copy()
    drawn[7] = 1 - drawn[7]
    assert "of photo 8" in judge(drawn, reference)


def test_values_on_the_right_side_of_the_threshold_may_still_be_wrong() -> None:
    reference = 0.1 + 0.2 * masks()
    assert judge(reference * 0.2, reference).startswith("it draws another mask")


def test_a_tiny_object_that_loses_a_pixel_is_no_reason() -> None:
    reference = masks()
    reference[2] = 0.0
    reference[2, 0, 4:6, 4:6] = 1.0
    drawn = reference.copy()
    drawn[2, 0, 4, 4] = 0.4  # three of four pixels are left
    assert judge(drawn, reference) == ""


def test_masks_of_next_to_nothing_are_no_reason() -> None:
    reference = np.full((4, 1, 80, 80), 0.01, np.float32)
    reference[:, 0, 4:6, 4:6] = 0.51
    drawn = reference.copy()
    drawn[:, 0, 4, 4:6] = 0.49  # half of each object, by a rounding
    assert judge(drawn, reference) == ""


def test_objects_that_are_halved_are_a_reason_whatever_their_size() -> None:
    reference = np.full((4, 1, 80, 80), 0.01, np.float32)
    reference[:, 0, 4:6, 4:8] = 0.9  # one in a thousand pixels
    drawn = reference.copy()
    drawn[:, 0, 4:6, 4:6] = 0.1
    assert "mean IoU 0.500" in judge(drawn, reference)
