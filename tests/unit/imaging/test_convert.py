"""Photo to tensor and map to mask do just what the specifications say."""

from __future__ import annotations

import numpy as np
import pytest

from maskport.errors import ImageError
from maskport.imaging.convert import mask_for_photo, photo_to_input
from maskport.scenes import scene
from maskport.specs import ImageSpec, MaskSpec


def test_bytes_become_planes_of_red_green_blue_over_255() -> None:
    photo = np.array([[[255, 51, 0], [0, 102, 153]]], np.uint8)
    image = photo_to_input(photo, ImageSpec(1, 2))
    assert image.shape == (1, 3, 1, 2)
    assert image.dtype == np.float32
    np.testing.assert_allclose(image[0, :, 0, 0], [1, 0.2, 0])
    np.testing.assert_allclose(image[0, :, 0, 1], [0, 0.4, 0.6], rtol=1e-6)


def test_a_dark_photo_is_stretched_where_the_network_divides_by_the_maximum() -> None:
    photo = np.full((4, 4, 3), 50, np.uint8)
    photo[0, 0] = 100
    by_maximum = photo_to_input(photo, ImageSpec(4, 4, divide_by="image-maximum"))
    assert by_maximum.max() == 1.0
    assert photo_to_input(photo, ImageSpec(4, 4)).max() == np.float32(100 / 255)


def test_a_black_photo_stays_black() -> None:
    black = np.zeros((4, 4, 3), np.uint8)
    assert photo_to_input(black, ImageSpec(2, 2, divide_by="image-maximum")).max() == 0.0


def test_height_and_width_are_not_swapped() -> None:
    assert photo_to_input(scene(0, 30, 50).photo, ImageSpec(20, 10)).shape == (1, 3, 20, 10)


def test_what_is_no_rgb_photo_is_an_error() -> None:
    with pytest.raises(ImageError, match="8-bit RGB"):
        photo_to_input(np.zeros((4, 4), np.uint8), ImageSpec(4, 4))


def test_a_mask_is_stretched_to_its_own_extremes_where_the_spec_says_so() -> None:
    values = np.array([[[0.2, 0.4], [0.6, 0.7]]], np.float32)
    stretched = mask_for_photo(values, MaskSpec(normalization="min-max"), 2, 2)
    np.testing.assert_allclose(stretched[0], [[0, 0.4], [0.8, 1]], atol=1e-6)
    np.testing.assert_allclose(mask_for_photo(values, MaskSpec(), 2, 2), values)


def test_a_flat_mask_is_not_divided_by_nothing() -> None:
    flat = np.full((1, 3, 3), 0.25, np.float32)
    mask = mask_for_photo(flat, MaskSpec(normalization="min-max"), 5, 4)
    assert mask.shape == (1, 5, 4)
    np.testing.assert_allclose(mask, 0.25)
