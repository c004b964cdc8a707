"""What no average may hide."""

from __future__ import annotations

import numpy as np
import pytest

from maskport.validation.metrics import is_lost, objections


def drawing(channels: int = 1) -> np.ndarray:
    mask = np.zeros((1, channels, 8, 8), np.float32)
    mask[:, 0] = 0.3
    mask[:, -1, 2:6, 1:5] = 1
    return mask


def flat(value: float, channels: int = 1) -> np.ndarray:
    return np.full((1, channels, 8, 8), value, np.float32)


def test_a_mask_like_its_reference_has_none() -> None:
    assert objections(drawing(), drawing()) == ((),)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_a_value_that_is_no_number_is_named_on_its_side(value: float) -> None:
    broken = drawing()
    broken[0, 0, 3, 3] = value
    assert objections(broken, drawing()) == (("not-finite",),)
    assert objections(drawing(), broken) == (("reference-not-finite",),)
    assert objections(broken, broken) == (("not-finite", "reference-not-finite"),)


def test_a_flat_mask_is_named_where_the_reference_is_not_flat() -> None:
    assert objections(flat(0.7), drawing()) == (("flat",),)
    assert objections(flat(0.7), flat(0.2)) == ((),)
    assert objections(drawing(), flat(0.2)) == ((),)


def test_what_bytes_cannot_say_is_not_lost() -> None:
    """An empty photo of which the float network draws a hundredth, and a file in bytes nothing."""
    unit = (drawing() - np.float32(0.3)) / np.float32(0.7)
    faint = unit * np.float32(1.9 / 255)
    assert objections(flat(0), faint) == (("empty-both",),)
    assert is_lost(flat(0), faint).tolist() == [False]
    assert is_lost(flat(0), unit * np.float32(2.1 / 255)).tolist() == [True]


def test_a_flat_mask_stays_flat_with_a_grey_level_of_noise() -> None:
    noise = np.random.default_rng(0).random((1, 1, 8, 8), np.float32) / 255
    assert is_lost(0.7 + noise * np.float32(0.9), drawing()).tolist() == [True]
    assert is_lost(0.7 + noise * np.float32(3), drawing()).tolist() == [False]
    assert is_lost(drawing(), drawing()).tolist() == [False]


def test_a_class_that_is_the_same_everywhere_is_flat() -> None:
    planes = np.concatenate([flat(1), flat(0)], axis=1)
    assert is_lost(planes, drawing(2)).tolist() == [True]
    assert objections(planes, drawing(2)) == (("flat",),)


def test_two_empty_masks_are_named() -> None:
    faint = drawing() * np.float32(0.2)
    assert objections(faint, faint * np.float32(0.5), 0.5) == (("empty-both",),)
    assert objections(faint, drawing(), 0.5) == ((),)
    assert objections(faint, faint, 0.1) == ((),)


def test_two_masks_of_one_and_the_same_class_are_named() -> None:
    first = np.concatenate([flat(0.9), drawing() * np.float32(0.5)], axis=1)
    assert objections(first, first) == (("empty-both",),)
    assert objections(first, first[:, ::-1]) == ((),)


def test_values_outside_the_range_are_named_but_not_those_of_rounding() -> None:
    beyond, rounded = drawing(), drawing()
    beyond[0, 0, 3, 3] = 1.01
    rounded[0, 0, 3, 3] = np.nextafter(np.float32(1), np.float32(2))
    assert objections(beyond, drawing()) == (("out-of-range",),)
    assert objections(drawing() - np.float32(0.4), drawing()) == (("out-of-range",),)
    assert objections(rounded, drawing()) == ((),)


def test_each_photo_has_its_own() -> None:
    masks = np.concatenate([drawing(), flat(0), drawing()])
    masks[2, 0, 0, 0] = np.nan
    assert objections(masks, np.concatenate([drawing()] * 3)) == ((), ("flat",), ("not-finite",))
