"""Samples: photo and mask stay together through crop, flips and colour."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from numpy.random import default_rng

from maskport.imaging.convert import photo_to_input
from maskport.scenes import scene
from maskport.specs import ImageSpec
from maskport.training.augment import Augmentation, augmented

SPEC = ImageSpec(40, 40)
PLAIN = Augmentation(SPEC, 40, "none", 0.0)


def marked() -> tuple[np.ndarray, np.ndarray]:
    """A photo that is its own mask: red where the mask is 1."""
    mask = default_rng(0).random((40, 40)).round().astype(np.float32)
    photo = np.zeros((40, 40, 3), np.uint8)
    photo[..., 0] = 255 * mask
    return photo, mask


def test_without_changes_a_sample_is_what_inference_sees() -> None:
    drawn = scene(3, 60, 50)
    for divide_by in ("255", "image-maximum"):
        spec = replace(SPEC, divide_by=divide_by)
        pixels, truth = augmented(
            drawn.photo, drawn.mask, replace(PLAIN, spec=spec), default_rng(0)
        )
        np.testing.assert_array_equal(pixels, photo_to_input(drawn.photo, spec)[0])
        assert truth.shape == (1, 40, 40)


@pytest.mark.parametrize("flips", ["none", "horizontal", "both"])
def test_crop_and_flips_move_photo_and_mask_together(flips: str) -> None:
    photo, mask = marked()
    seen = set()
    for seed in range(24):
        how = Augmentation(SPEC, 30, flips, 0.0)  # type: ignore[arg-type]
        pixels, truth = augmented(photo, mask, how, default_rng(seed))
        np.testing.assert_array_equal(pixels[0], truth[0])
        assert pixels.shape == (3, 30, 30)
        seen.add(truth.tobytes())
    assert len(seen) > 20  # of 11 x 11 windows, times flips


@pytest.mark.parametrize(("flips", "expected"), [("none", 1), ("horizontal", 2), ("both", 4)])
def test_each_kind_of_flip_has_its_outcomes(flips: str, expected: int) -> None:
    photo, mask = marked()
    how = Augmentation(SPEC, 40, flips, 0.0)  # type: ignore[arg-type]
    outcomes = {augmented(photo, mask, how, default_rng(seed))[1].tobytes() for seed in range(40)}
    assert len(outcomes) == expected


def test_color_changes_the_photo_only_and_stays_in_range() -> None:
    drawn = scene(3, 40, 40)
    strong = replace(PLAIN, color=1.0)
    same, mask = augmented(drawn.photo, drawn.mask, PLAIN, default_rng(1))
    other, other_mask = augmented(drawn.photo, drawn.mask, strong, default_rng(1))
    np.testing.assert_array_equal(mask, other_mask)
    assert np.abs(other - same).mean() > 0.01
    assert other.min() >= 0
    assert other.max() <= 1
    assert other.dtype == mask.dtype == np.float32
