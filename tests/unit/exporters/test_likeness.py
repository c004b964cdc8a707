"""A broken file is never let into a bundle, whatever way it is broken."""

from __future__ import annotations

from dataclasses import asdict
from types import SimpleNamespace

import numpy as np
import pytest

from maskport.exporters.inspection import bounds_of, objection
from maskport.formats import TARGETS
from maskport.precisions import Bounds
from maskport.scenes import scene
from maskport.validation.gates import default_gates

# As INT8's default gates.
INT8 = Bounds(mae=0.004, worst_mae=0.015, iou=0.99, worst_iou=0.97)


def masks() -> np.ndarray:
    """Of which a network is unsure: photos' greys."""
    gray = np.stack([scene(seed, 40, 40).photo.mean(-1) for seed in range(3)])
    return (gray / 255).astype(np.float32)[:, None]


def squares(count: int = 4, side: int = 40) -> np.ndarray:
    """Of which it is sure: (count, 1, 80, 80) with squares of so many pixels a side."""
    drawn = np.zeros((count, 1, 80, 80), np.float32)
    drawn[:, 0, 10 : 10 + side, 10 : 10 + side] = 1.0
    return drawn


def judge(drawn: np.ndarray, reference: np.ndarray, bounds: Bounds = INT8) -> str:
    return objection(drawn, reference, 0.5, bounds)


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
    assert judge(turn(masks()), masks())


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


def test_a_small_object_that_is_lost_is_a_reason() -> None:
    reference = np.full((4, 1, 80, 80), 0.01, np.float32)
    reference[2, 0, 4:6, 4:6] = 0.9
    drawn = reference.copy()
    drawn[2] = 0.01
    drawn[2, 0, 40, 40] = 0.3  # not flat
    assert judge(drawn, reference).startswith("it loses the object that PyTorch draws of photo 3")


def test_an_object_in_a_photo_of_nothing_is_a_reason() -> None:
    reference = np.full((4, 1, 80, 80), 0.01, np.float32)
    drawn = reference.copy()
    drawn[1, 0, 4:8, 4:8] = 0.9
    assert judge(drawn, reference).startswith("it draws an object in photo 2 that PyTorch")


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
    assert judge(drawn, reference).startswith("it loses the object that PyTorch draws of photo 1")


def test_an_overlap_that_a_precision_does_not_promise_is_a_reason() -> None:
    """A column of 40 is 2.5 % of the square: less than a photo may lose, more than all may."""
    one, every = squares(), squares()
    one[0, 0, 10:50, 10] = 0.45
    every[:, 0, 10:50, 10] = 0.45
    wide = Bounds(mae=0.02, worst_mae=0.02, iou=0.99, worst_iou=0.97)
    assert judge(one, squares(), wide) == ""
    # Of four photos one may be the worst of many: (3 × 0.99 + 0.97) / 4.
    assert judge(every, squares(), wide) == (
        "it draws another mask than PyTorch on average: IoU 0.9750, where at least 0.985 is "
        "expected"
    )
    # Of a single one that is all that can be said.
    assert judge(every[:1], squares(1), wide) == ""


def test_a_photo_that_loses_more_than_the_worst_may_is_named() -> None:
    drawn = squares()
    drawn[2, 0, 10:50, 10:12] = 0.45  # 5 % of the square
    wide = Bounds(mae=0.02, worst_mae=0.02, iou=0.9, worst_iou=0.97)
    assert "of photo 3: IoU 0.9500, where at least 0.97" in judge(drawn, squares(), wide)


def test_errors_that_a_precision_does_not_promise_are_a_reason() -> None:
    """What is off by as much everywhere leaves every overlap as it is."""
    assert judge(squares() * np.float32(0.97), squares()) == (
        "it draws another mask than PyTorch on average: MAE 0.0075, where at most 0.00675 is "
        "expected"
    )
    assert judge(squares() * np.float32(0.99), squares()) == ""


def test_a_photo_that_the_network_is_unsure_of_has_no_say() -> None:
    reference = squares()
    reference[1] = 0.52
    drawn = reference.copy()
    drawn[1] = 0.45  # another object altogether, by 0.07
    assert judge(drawn, reference) == ""
    drawn[1] = 0.3
    assert "another mask than PyTorch of photo 2: MAE 0.220" in judge(drawn, reference)


def test_where_the_network_is_sure_of_nothing_masks_have_to_be_alike() -> None:
    reference = masks()
    assert judge(reference + np.float32(0.01), reference) == ""
    assert "on average: IoU" in judge(reference + np.float32(0.08), reference)


@pytest.mark.parametrize("row", TARGETS, ids=lambda row: row.name)
def test_bounds_are_the_default_gates_of_the_precision(row) -> None:
    bounds = bounds_of(row.precision)
    assert 0 < bounds.mae < bounds.worst_mae <= 0.1
    assert 0.85 <= bounds.worst_iou < bounds.iou < 1
    if row.precision == "int8":
        assert bounds == INT8
    selected = SimpleNamespace(target=row.name, format=row.format, precision=row.precision)
    gates = default_gates().of(selected, beside_gpu=False)
    limits = {gate.quantity.name: gate.bound.limit for gate in gates if gate.bound}
    assert limits == asdict(bounds)
