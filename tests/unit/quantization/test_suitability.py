"""A calibration set that can't hold is objected to, with the reason; a varied one is not."""

from __future__ import annotations

import numpy as np
import pytest

from maskport.quantization.suitability import ENOUGH, evenly_spaced, objections
from maskport.scenes import scene


@pytest.fixture(scope="module")
def scenes() -> np.ndarray:
    return np.stack([scene(seed, 48, 48).photo.transpose(2, 0, 1) for seed in range(ENOUGH)])


HALF = np.tile(np.float32([0, 1]), (2, 1, 8, 4))


def test_varied_photos_with_something_on_them_will_do(scenes: np.ndarray) -> None:
    assert objections(scenes, HALF, 0.5) == ()


def test_a_few_photos_are_too_few(scenes: np.ndarray) -> None:
    (found,) = objections(scenes[:3], HALF, 0.5)
    assert found.startswith("3 calibration photos")


def test_one_photo_in_changing_light_is_too_uniform(scenes: np.ndarray) -> None:
    light = np.linspace(0.9, 1.1, ENOUGH)[:, None, None, None]
    burst = np.clip(scenes[:1] * light, 0, 255).astype(np.uint8)
    (found,) = objections(burst, HALF, 0.5)
    assert "all alike" in found


@pytest.mark.parametrize(("value", "word"), [(0.1, "draws nothing"), (0.9, "all full")])
def test_masks_without_an_edge_tell_nothing(scenes: np.ndarray, value: float, word: str) -> None:
    flat = np.full((2, 1, 8, 8), value, np.float32)
    (found,) = objections(scenes, flat, 0.5)
    assert word in found
    # One mask with an object is enough.
    assert objections(scenes, np.concatenate([flat, HALF]), 0.5) == ()


def test_several_classes_have_no_empty_mask(scenes: np.ndarray) -> None:
    assert objections(scenes, np.zeros((2, 4, 8, 8), np.float32), 0.5) == ()


def test_a_choice_has_both_ends_and_no_doubles() -> None:
    assert evenly_spaced(5, 3).tolist() == [0, 2, 4]
    assert evenly_spaced(2, 6).tolist() == [0, 1]
