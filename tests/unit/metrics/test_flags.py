"""What no average may hide."""

from __future__ import annotations

import numpy as np
import pytest

from maskport.metrics import objections


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
    assert objections(flat(0.7), flat(0.65)) == ((),)
    assert "flat" not in objections(drawing() * np.float32(0.3), flat(0.2))[0]


def test_what_bytes_cannot_say_is_not_lost() -> None:
    """An empty photo of which the float network draws a hundredth, and a file in bytes nothing."""
    unit = (drawing() - np.float32(0.3)) / np.float32(0.7)
    assert objections(flat(0), unit * np.float32(1.9 / 255)) == (("empty-both",),)
    assert "flat" in objections(flat(0), unit * np.float32(2.1 / 255))[0]


def test_a_flat_mask_stays_flat_with_a_gray_level_of_noise() -> None:
    noise = np.random.default_rng(0).random((1, 1, 8, 8), np.float32) / 255
    assert "flat" in objections(0.7 + noise * np.float32(0.9), drawing())[0]
    assert "flat" not in objections(0.7 + noise * np.float32(3), drawing())[0]


def test_a_class_that_is_the_same_everywhere_is_flat() -> None:
    planes = np.concatenate([flat(1), flat(0)], axis=1)
    assert objections(planes, drawing(2)) == (("flat",),)


def test_a_mean_error_above_a_tenth_is_another_mask_though_no_object_changed() -> None:
    gray = drawing() * np.float32(0.9)
    assert objections(gray - np.float32(0.11), gray) == (("another-mask",),)
    assert objections(gray - np.float32(0.09), gray) == ((),)


def disc(radius: float) -> np.ndarray:
    """A disc in 160 x 160 pixels, from 1 to 0 over twelve of them: the network is unsure of it."""
    y, x = np.mgrid[:160, :160] - 80
    return np.clip(0.5 + (radius - np.hypot(x, y)) / 12, 0, 1).astype(np.float32)[None, None]


def test_an_unsure_object_may_change_by_what_doubt_explains_and_no_more() -> None:
    """Between 0.75 and 0.25 its radius is 17 to 23, so it overlaps itself by (17 / 23)² = 0.55."""
    assert objections(disc(16), disc(20)) == ((),)  # (16 / 20)² = 0.64
    assert objections(disc(14), disc(20)) == (("another-mask",),)  # 0.49, with an error of 0.025


def test_an_object_of_four_pixels_that_is_lost_is_named() -> None:
    """One in a thousand pixels: no mean error shows it."""
    reference = np.full((1, 1, 64, 64), 0.01, np.float32)
    reference[0, 0, 10:12, 10:12] = 0.8
    mask = reference.copy()
    mask[0, 0, 10:12, 11] = 0.45
    assert objections(mask, reference) == (("lost",),)  # half of it
    assert objections(reference, mask) == (("invented",),)
    mask[0, 0, 10, 11] = 0.55
    assert objections(mask, reference) == ((),)  # three of four


def test_what_the_reference_hardly_draws_can_not_be_lost() -> None:
    """0.7 is no more than 0.2 above the threshold: a rounding may take it away."""
    reference = np.full((1, 1, 64, 64), 0.01, np.float32)
    reference[0, 0, 10:14, 10:14] = 0.7
    mask = reference * np.float32(0.7)
    assert objections(mask, reference) == ((),)


def test_a_class_that_lost_its_pixels_to_another_is_named() -> None:
    reference = np.concatenate([flat(0.9), drawing() * np.float32(0.0)], axis=1)
    reference[:, 1, 2:4, 2:4] = 1.0
    reference[:, 0, 2:4, 2:4] = 0.0
    mask = reference.copy()
    mask[:, 1, 2:4, 2:4] = 0.2
    mask[:, 0, 2:4, 2:4] = 0.3
    assert objections(mask, reference) == (("lost",),)


def test_two_empty_masks_are_named() -> None:
    faint = drawing() * np.float32(0.2)
    assert objections(faint, faint * np.float32(0.5), 0.5) == (("empty-both",),)
    assert "empty-both" not in objections(faint, drawing(), 0.5)[0]
    assert objections(faint, faint, 0.1) == ((),)


def test_two_masks_of_one_and_the_same_class_are_named() -> None:
    first = np.concatenate([flat(0.9), drawing() * np.float32(0.5)], axis=1)
    assert objections(first, first) == (("empty-both",),)
    assert "empty-both" not in objections(first, first[:, ::-1])[0]


def test_values_outside_the_range_are_named_but_not_those_of_rounding() -> None:
    beyond, rounded = drawing(), drawing()
    beyond[0, 0, 3, 3] = 1.01
    rounded[0, 0, 3, 3] = np.nextafter(np.float32(1), np.float32(2))
    assert objections(beyond, drawing()) == (("out-of-range",),)
    assert "out-of-range" in objections(drawing() - np.float32(0.4), drawing())[0]
    assert objections(rounded, drawing()) == ((),)


def test_each_photo_has_its_own() -> None:
    masks = np.concatenate([drawing(), flat(0), drawing()])
    masks[2, 0, 0, 0] = np.nan
    assert objections(masks, np.concatenate([drawing()] * 3)) == ((), ("flat",), ("not-finite",))
