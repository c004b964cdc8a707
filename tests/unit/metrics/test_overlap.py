"""Overlaps of objects: counted by hand, and by plain loops."""

from __future__ import annotations

import numpy as np
import pytest

from maskport.metrics import (
    SWEEP,
    intersection_over_union,
    intersection_over_union_by_class,
    intersection_over_union_sweep,
    mean_by_class,
    soft_intersection_over_union,
)


def square(left: int, size: int = 4) -> np.ndarray:
    mask = np.zeros((1, 1, 8, 8), np.float32)
    mask[..., 2 : 2 + size, left : left + size] = 1
    return mask


EMPTY = np.zeros((1, 1, 8, 8), np.float32)


def pair(seed: int, channels: int = 1, levels: int = 20) -> tuple[np.ndarray, np.ndarray]:
    """Values on the sweep's own thresholds, so that "at least" is put to the test."""
    random = np.random.default_rng(seed)
    shape = (4, channels, 7, 11)
    return tuple(
        (random.integers(0, levels + 1, shape) / levels).astype(np.float32) for _ in range(2)
    )


def jaccard(first: np.ndarray, second: np.ndarray) -> float:
    union = (first | second).sum()
    return (first & second).sum() / union if union else 1.0


def test_it_is_the_common_part_of_both() -> None:
    assert intersection_over_union(square(0), square(0)) == [1]
    assert intersection_over_union(square(1), square(0)) == pytest.approx([12 / 20])
    assert intersection_over_union(square(4), square(0)) == [0]


def test_two_empty_masks_agree_and_one_empty_mask_does_not() -> None:
    for overlap in (intersection_over_union, soft_intersection_over_union):
        assert overlap(EMPTY, EMPTY) == [1]
        assert overlap(square(0), EMPTY) == [0]
        assert overlap(EMPTY, square(0)) == [0]


def test_the_threshold_itself_belongs_to_the_object() -> None:
    at = np.full((1, 1, 2, 2), 0.3, np.float32)
    assert intersection_over_union(at, np.ones_like(at), 0.3) == [1]
    assert intersection_over_union(at, np.ones_like(at), 0.3001) == [0]


def test_classes_are_compared_by_argmax_and_averaged() -> None:
    reference = np.stack([np.eye(4), 1 - np.eye(4), np.zeros((4, 4))]).astype(np.float32)[None]
    # no threshold for classes
    assert intersection_over_union(reference * np.float32(0.4), reference) == [1]
    mask = reference.copy()
    mask[0, :, 0, 0] = [0, 1, 0]  # one pixel changes from class 0 to class 1
    # class 0: 3 of 4; class 1: 12 of 13; class 2 is in neither
    by_class = intersection_over_union_by_class(mask, reference)
    np.testing.assert_allclose(by_class, [[3 / 4, 12 / 13, np.nan]])
    assert intersection_over_union(mask, reference) == pytest.approx([(3 / 4 + 12 / 13) / 2])


@pytest.mark.parametrize("seed", range(5))
def test_the_sweep_is_the_overlap_at_each_threshold(seed: int) -> None:
    masks, references = pair(seed)
    sweep = intersection_over_union_sweep(masks, references)
    assert sweep.shape == (4, len(SWEEP))
    for column, threshold in enumerate(SWEEP):
        cut = np.float32(threshold)
        by_hand = [jaccard(m >= cut, r >= cut) for m, r in zip(masks, references, strict=True)]
        np.testing.assert_array_equal(sweep[:, column], by_hand)
        alone = intersection_over_union(masks, references, threshold)
        np.testing.assert_array_equal(sweep[:, column], alone)


def test_the_sweep_goes_by_twentieths_from_0_05_to_0_95() -> None:
    assert [f"{threshold:.2f}" for threshold in SWEEP] == [
        f"{k / 100:.2f}" for k in range(5, 96, 5)
    ]


def test_the_sweep_of_several_planes_is_the_mean_over_those_that_have_a_pixel() -> None:
    masks, references = pair(3, channels=3)
    masks[:, 2] = references[:, 2] = 0.4  # in neither from 0.45 on
    sweep = intersection_over_union_sweep(masks, references, (0.2, 0.7))
    for photo in range(4):
        planes = [jaccard(masks[photo, k] >= 0.7, references[photo, k] >= 0.7) for k in (0, 1)]
        assert sweep[photo, 1] == pytest.approx(np.mean(planes))
        planes = [jaccard(masks[photo, k] >= 0.2, references[photo, k] >= 0.2) for k in range(3)]
        assert sweep[photo, 0] == pytest.approx(np.mean(planes))


@pytest.mark.parametrize("seed", range(5))
def test_classes_are_counted_as_plain_loops_count_them(seed: int) -> None:
    masks, references = pair(seed, channels=5, levels=3)  # many ties: the first plane wins
    masks[:, 4] = references[:, 4] = -1
    found = intersection_over_union_by_class(masks, references)
    for photo in range(4):
        drawn, expected = masks[photo].argmax(0), references[photo].argmax(0)
        for k in range(5):
            either = ((drawn == k) | (expected == k)).any()
            wanted = jaccard(drawn == k, expected == k) if either else np.nan
            np.testing.assert_equal(found[photo, k], wanted)


def test_a_class_is_averaged_over_the_photos_that_have_it() -> None:
    values = np.array([[1.0, np.nan, np.nan], [0.5, 0.25, np.nan]])
    assert mean_by_class(values) == (0.75, 0.25, None)


@pytest.mark.parametrize("seed", range(3))
def test_soft_overlap_needs_no_threshold(seed: int) -> None:
    masks, references = pair(seed, channels=2)
    low = np.minimum(masks, references).astype(float).sum((1, 2, 3))
    high = np.maximum(masks, references).astype(float).sum((1, 2, 3))
    np.testing.assert_allclose(soft_intersection_over_union(masks, references), low / high)


def test_soft_overlap_of_hard_masks_is_the_overlap() -> None:
    assert soft_intersection_over_union(square(1), square(0)) == pytest.approx([12 / 20])


@pytest.mark.parametrize(
    ("overlap", "channels"),
    [
        (intersection_over_union, 1),
        (intersection_over_union, 3),
        (intersection_over_union_sweep, 1),
        (intersection_over_union_by_class, 3),
        (soft_intersection_over_union, 2),
    ],
)
def test_a_value_that_is_no_number_is_not_background(overlap, channels: int) -> None:
    masks, references = pair(0, channels)
    masks[2, 0, 0, 0] = np.nan
    references[0, 0, 0, 0] = np.inf
    found = overlap(masks, references).reshape(4, -1)
    assert np.isnan(found[[0, 2]]).all()
    assert not np.isnan(found[[1, 3], 0]).any()


def test_a_single_channel_has_no_classes() -> None:
    with pytest.raises(ValueError, match="no classes"):
        intersection_over_union_by_class(EMPTY, EMPTY)
