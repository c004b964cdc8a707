"""Outlines, against distances between every two pixels."""

from __future__ import annotations

import numpy as np
import pytest

from maskport.metrics import boundary_f_measure, relaxed_boundary_f_measure
from maskport.metrics.boundary import boundary_of, within


def blob(seed: int, height: int = 23, width: int = 31) -> np.ndarray:
    random = np.random.default_rng(seed)
    rows, columns = np.mgrid[0:height, 0:width]
    inside = np.zeros((height, width), bool)
    for _ in range(3):
        top, left, radius = random.uniform((0, 0, 2), (height, width, 8))
        inside |= (rows - top) ** 2 + (columns - left) ** 2 <= radius**2
    return inside


def edge_by_hand(inside: np.ndarray) -> list[tuple[int, int]]:
    height, width = inside.shape
    return [
        (y, x)
        for y, x in np.argwhere(inside)
        if any(
            0 <= y + dy < height and 0 <= x + dx < width and not inside[y + dy, x + dx]
            for dy, dx in ((-1, 0), (1, 0), (0, -1), (0, 1))
        )
    ]


def share_within(points: list, others: list, tolerance: float) -> float:
    near = [any((y - v) ** 2 + (x - u) ** 2 <= tolerance**2 for v, u in others) for y, x in points]
    return sum(near) / len(near)


def f_by_hand(mask: np.ndarray, other: np.ndarray, tolerance: float, beta_squared: float) -> float:
    drawn, expected = edge_by_hand(mask), edge_by_hand(other)
    precision = share_within(drawn, expected, tolerance)
    recall = share_within(expected, drawn, tolerance)
    below = beta_squared * precision + recall
    return (1 + beta_squared) * precision * recall / below if below else 0.0


def as_masks(*objects: np.ndarray) -> np.ndarray:
    return np.stack(objects)[:, None].astype(np.float32)


@pytest.mark.parametrize("tolerance", [0, 1, 1.5, 3, 4.9, 60])
@pytest.mark.parametrize("seed", range(4))
def test_boundary_f_is_that_of_all_distances(seed: int, tolerance: float) -> None:
    mask, other = blob(seed), blob(seed + 100)
    found = boundary_f_measure(as_masks(mask), as_masks(other), 0.5, tolerance)
    assert found == pytest.approx([f_by_hand(mask, other, tolerance, 1.0)], abs=1e-12)


@pytest.mark.parametrize("seed", range(4))
def test_the_relaxed_one_weighs_precision_more(seed: int) -> None:
    mask, other = blob(seed), blob(seed + 100)
    found = relaxed_boundary_f_measure(as_masks(mask), as_masks(other))
    assert found == pytest.approx([f_by_hand(mask, other, 3.0, 0.3)], abs=1e-12)


@pytest.mark.parametrize("shape", [(1, 9), (9, 1), (2, 2), (5, 40)])
@pytest.mark.parametrize("tolerance", [0, 1, 2, 3, 7.5])
def test_near_pixels_are_a_disc_in_every_frame(shape: tuple[int, int], tolerance: float) -> None:
    points = np.random.default_rng(1).random(shape) < 0.1
    points[0, 0] = True
    found = within(tolerance, points)
    for y, x in np.ndindex(*shape):
        distance = np.hypot(*(np.argwhere(points) - (y, x)).T).min()
        assert found[y, x] == (distance <= tolerance)


def test_the_frame_is_no_outline() -> None:
    inside = np.zeros((6, 6), bool)
    inside[3:, :4] = True
    # The upper side, and the right one; the corner is of both
    assert sorted(map(tuple, np.argwhere(boundary_of(inside)))) == [
        *((3, 0), (3, 1), (3, 2), (3, 3)),
        *((4, 3), (5, 3)),
    ]


def test_an_outline_three_pixels_off_is_fine_and_four_are_not() -> None:
    inside = np.zeros((40, 40), bool)
    inside[10:25, 10:25] = True
    moved = [np.roll(inside, shift, 1) for shift in (0, 3, 4)]
    found = boundary_f_measure(as_masks(*moved), as_masks(inside, inside, inside))
    assert found[:2].tolist() == [1, 1]
    # Of 56 pixels all 15 of the outer side are too far, and of the inner one the 7 in the middle,
    # which are farther than 3 from the horizontal sides too; the same in both directions.
    assert found[2] == pytest.approx((56 - 15 - 7) / 56)


def test_masks_without_an_outline_agree_where_they_are_the_same() -> None:
    empty, full, object_ = np.zeros((9, 9), bool), np.ones((9, 9), bool), np.eye(9, dtype=bool)
    first = as_masks(empty, full, empty, full, object_, empty)
    second = as_masks(empty, full, full, empty, empty, object_)
    assert boundary_f_measure(first, second).tolist() == [1, 1, 0, 0, 0, 0]


def test_classes_are_averaged_over_those_that_either_has() -> None:
    reference = np.zeros((1, 3, 20, 20), np.float32)
    reference[0, 0] = 0.5
    reference[0, 1, 5:12, 5:12] = 1
    mask = reference.copy()
    mask[0, 1, 5:12, 5:12] = 0
    mask[0, 1, 14:19, 14:19] = 1
    classes = [f_by_hand(mask[0].argmax(0) == k, reference[0].argmax(0) == k, 3, 1) for k in (0, 1)]
    assert boundary_f_measure(mask, reference) == pytest.approx([np.mean(classes)])


def test_a_value_that_is_no_number_leaves_its_photo_without_one() -> None:
    masks = as_masks(blob(0), blob(1))
    masks[0, 0, 0, 0] = np.nan
    assert np.isnan(boundary_f_measure(masks, masks)).tolist() == [True, False]
    assert np.isnan(relaxed_boundary_f_measure(masks, masks)).tolist() == [True, False]
