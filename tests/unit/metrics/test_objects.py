"""What the network itself is sure of decides which photos an overlap is asked of."""

from __future__ import annotations

import numpy as np
import pytest

from maskport.metrics import drawn_objects

SIDE = 80


def disc(radius: float, *, edge: float = 1.0, value: float = 1.0) -> np.ndarray:
    """(1, 1, 80, 80): a disc whose edge goes from 0 to its value over so many pixels."""
    y, x = np.mgrid[:SIDE, :SIDE] - SIDE / 2
    return (value * np.clip(0.5 + (radius - np.hypot(x, y)) / edge, 0, 1)).astype(np.float32)[
        None, None
    ]


def kind(reference: np.ndarray, threshold: float = 0.5) -> str:
    (found,) = drawn_objects(reference, threshold)
    return found


def test_a_clear_object_is_sure() -> None:
    assert kind(disc(20)) == "sure"
    assert kind(np.ones((1, 1, SIDE, SIDE), np.float32)) == "sure"


def test_an_object_that_moves_with_the_threshold_is_unsure() -> None:
    """Its edge of 30 pixels moves by six between 0.4 and 0.6: more than a twentieth of it."""
    assert kind(disc(20, edge=30)) == "unsure"
    assert kind(np.full((1, 1, SIDE, SIDE), 0.52, np.float32)) == "unsure"
    # Nothing reaches the threshold, and nearly everything nearly does.
    assert kind(np.full((1, 1, SIDE, SIDE), 0.45, np.float32)) == "unsure"


def test_a_soft_edge_counts_by_how_much_of_the_object_it_is() -> None:
    assert kind(disc(35, edge=6)) == "sure"  # 1.2 pixels of edge: 7 % of its area, by 0.1 half
    assert kind(disc(8, edge=6)) == "unsure"


def test_an_object_of_few_pixels_is_small() -> None:
    assert kind(disc(5)) == "small"  # 78 pixels
    assert kind(disc(3, value=0.51)) == "small"


def test_a_photo_of_nothing_has_none() -> None:
    assert kind(np.full((1, 1, SIDE, SIDE), 0.2, np.float32)) == "none"
    assert kind(disc(3, value=0.35)) == "none"


def test_the_specs_threshold_is_meant() -> None:
    gray = np.full((1, 1, SIDE, SIDE), 0.3, np.float32)
    assert kind(gray, 0.5) == "none"
    assert kind(gray, 0.3) == "unsure"


@pytest.mark.parametrize(("lead", "found"), [(0.6, "sure"), (0.15, "unsure")])
def test_of_several_classes_the_next_one_is_the_threshold(lead: float, found: str) -> None:
    left = np.zeros((1, 3, SIDE, SIDE), np.float32)
    left[:, 0] = 0.3
    left[:, 1, :, :40] = 0.3 + lead
    left[:, 2, :, 40:] = 0.3 + lead
    assert kind(left) == found


def test_a_background_alone_is_no_object() -> None:
    planes = np.zeros((1, 2, SIDE, SIDE), np.float32)
    planes[:, 0] = 0.9
    assert kind(planes) == "none"


def test_a_class_of_few_pixels_makes_no_photo_unsure() -> None:
    planes = np.zeros((1, 3, SIDE, SIDE), np.float32)
    planes[:, 0], planes[:, 1, :, :30] = 0.5, 1.0
    planes[:, 2, :3, 77:] = 0.51
    assert kind(planes) == "sure"


def test_a_reference_with_values_that_are_not_numbers_is_unsure() -> None:
    broken = disc(20)
    broken[0, 0, 0, 0] = np.nan
    assert kind(broken) == "unsure"


def test_each_photo_has_its_own() -> None:
    assert drawn_objects(np.concatenate([disc(20), disc(5)])) == ("sure", "small")
