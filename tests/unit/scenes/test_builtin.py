"""The built-in photos: ordinary ones, and each kind at which exports go wrong."""

from __future__ import annotations

import re

import numpy as np
import pytest

from maskport.scenes import NamedPhoto, builtin_photos
from maskport.scenes.seeded import visibility


@pytest.fixture(scope="module")
def photos() -> dict[str, NamedPhoto]:
    return {photo.name: photo for photo in builtin_photos()}


def test_names_are_unique_and_can_be_files(photos: dict[str, NamedPhoto]) -> None:
    assert len(photos) == len(builtin_photos()) == 12
    assert all(re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", name) for name in photos)


def test_they_are_the_same_every_time(photos: dict[str, NamedPhoto]) -> None:
    for again in builtin_photos():
        np.testing.assert_array_equal(again.photo, photos[again.name].photo)
        np.testing.assert_array_equal(again.mask, photos[again.name].mask)


def test_every_one_has_an_object_and_a_ground(photos: dict[str, NamedPhoto]) -> None:
    for photo in photos.values():
        assert photo.photo.dtype == np.uint8
        assert photo.mask.shape == photo.photo.shape[:2]
        assert 0.03 < photo.mask.mean() < 0.6, photo.name
        assert photo.mask.max() > 0.98
        assert photo.mask.min() == 0


def test_none_is_noise_alone(photos: dict[str, NamedPhoto]) -> None:
    """Neighbours are alike in a photo; in noise they have nothing to do with one another."""
    for photo in photos.values():
        gray = photo.photo.mean(-1)[1:-1, 1:-1]
        alike = np.corrcoef(gray[:, :-1].ravel(), gray[:, 1:].ravel())[0, 1]
        assert alike > 0.7, photo.name


def test_sizes_are_ordinary_extreme_odd_and_tiny(photos: dict[str, NamedPhoto]) -> None:
    sizes = {name: photo.mask.shape for name, photo in photos.items()}
    assert {(480, 640), (640, 480)} <= set(sizes.values())
    assert sizes["wide"] == (150, 1200)
    assert sizes["tall"] == (960, 120)
    assert sizes["tiny"] == (48, 48)
    assert any(height % 2 and width % 2 for height, width in sizes.values())


def test_dark_is_dark_and_bright_is_bright(photos: dict[str, NamedPhoto]) -> None:
    dark, bright = photos["dark"], photos["bright"]
    assert dark.photo.mean() < 0.12 * 255
    assert dark.photo.max() < 0.6 * 255  # so that dividing by the maximum makes a difference
    assert bright.photo.mean() > 0.85 * 255
    others = [p.photo.mean() for n, p in photos.items() if n.startswith("scene-")]
    assert dark.photo.mean() < min(others)
    assert bright.photo.mean() > max(others)


def test_low_contrast_is_low_and_not_nothing(photos: dict[str, NamedPhoto]) -> None:
    pale = photos["low-contrast"]
    assert pale.photo.std() < 14  # grey levels; ordinary photos have 40 to 60
    assert visibility(pale.photo, pale.mask) > 0.02


def test_a_bright_ring_lies_at_the_border_and_the_object_touches_it(
    photos: dict[str, NamedPhoto],
) -> None:
    ring = photos["border-ring"]
    for edge in (np.s_[0], np.s_[-1], np.s_[:, 0], np.s_[:, -1]):
        assert ring.photo[edge].min() == 255
        assert ring.mask[edge].max() == 0
    inner = ring.mask[1:-1, 1:-1]
    touching = [inner[0], inner[-1], inner[:, 0], inner[:, -1]]
    assert max(np.count_nonzero(edge > 0.5) for edge in touching) >= 10
    # One pixel wide: within it, the photo is darker.
    assert np.median(ring.photo[1, 1:-1]) < 200
