"""A scene is a photo with a mask that is right, the same for the same seed, at any size."""

from __future__ import annotations

import numpy as np
import pytest

from maskport.scenes import Scene, scene
from maskport.scenes.camera import photographed
from maskport.scenes.seeded import MOST, VISIBLE, visibility


@pytest.fixture(scope="module")
def many() -> list[Scene]:
    return [scene(seed, 64, 72) for seed in range(200)]


def test_the_same_arguments_draw_the_same_bytes() -> None:
    first, second = scene(3, 40, 60), scene(3, 40, 60)
    np.testing.assert_array_equal(first.photo, second.photo)
    np.testing.assert_array_equal(first.mask, second.mask)


def test_another_seed_draws_another_photo_and_another_mask() -> None:
    first, second = scene(3, 40, 60), scene(4, 40, 60)
    # In grey levels and in shares of a pixel; the same scene with other noise stays below.
    assert np.abs(first.photo.astype(int) - second.photo).mean() > 10
    assert np.abs(first.mask - second.mask).mean() > 0.02


def test_a_negative_seed_is_refused() -> None:
    with pytest.raises(ValueError, match="non-negative"):
        scene(-1, 20, 20)


@pytest.mark.parametrize(
    ("height", "width"),
    [(1, 1), (1, 50), (50, 1), (2, 3), (7, 7), (37, 53), (20, 333), (400, 17), (96, 96)],
)
def test_any_size_has_a_photo_and_an_object(height: int, width: int) -> None:
    for seed in range(4):
        drawn = scene(seed, height, width)
        assert drawn.photo.shape == (height, width, 3)
        assert drawn.photo.dtype == np.uint8
        assert drawn.mask.shape == (height, width)
        assert drawn.mask.dtype == np.float32
        assert drawn.mask.min() >= 0
        assert 0.5 < drawn.mask.max() <= 1


def test_no_mask_is_empty_and_none_is_full(many: list[Scene]) -> None:
    shares = np.array([drawn.mask.mean() for drawn in many])
    assert shares.max() <= MOST
    # What networks for salient objects are made for: neither specks nor wallpaper.
    assert np.mean((shares >= 0.03) & (shares <= 0.55)) > 0.95
    assert shares.std() > 0.05


def test_masks_have_smooth_edges_and_clear_insides(many: list[Scene]) -> None:
    values = np.concatenate([drawn.mask.ravel() for drawn in many])
    between = np.mean((values > 0.02) & (values < 0.98))
    # Edges only: objects some 25 pixels wide have about a tenth of the frame near an edge.
    assert 0.01 < between < 0.2
    assert np.mean(values > 0.98) > 0.05


def test_a_masks_edges_are_where_its_photo_changes(many: list[Scene]) -> None:
    """Judged against masks of other scenes, whose edges lie anywhere in the photo."""
    own = np.array([visibility(drawn.photo, drawn.mask) for drawn in many])
    foreign = np.array(
        [visibility(a.photo, b.mask) for a, b in zip(many, many[1:] + many[:1], strict=True)]
    )
    assert own.min() >= VISIBLE
    assert own.mean() > foreign.mean() + 0.05
    assert np.mean(own > foreign) > 0.9


def test_photos_differ_in_light_and_color_as_photos_do(many: list[Scene]) -> None:
    means = np.stack([drawn.photo.mean((0, 1)) for drawn in many]) / 255
    brightness = means.mean(1)
    # Photos that people take average about 0.4 to 0.5, with a deviation of some 0.15.
    assert 0.3 < brightness.mean() < 0.6
    assert brightness.std() > 0.1
    assert np.percentile(brightness, 2) < 0.25
    assert np.percentile(brightness, 98) > 0.65
    warmth = means[:, 0] - means[:, 2]
    assert (warmth > 0.05).sum() > 20
    assert (warmth < -0.05).sum() > 20


def test_no_scene_is_drawn_twice(many: list[Scene]) -> None:
    small = np.stack([drawn.photo[::8, ::8].astype(float).ravel() for drawn in many])
    apart = np.sqrt(((small[:, None] - small[None]) ** 2).mean(-1))
    np.fill_diagonal(apart, np.inf)
    assert apart.min() > 8  # grey levels; sensor noise of the same scene is about 4


def test_objects_may_be_cut_by_the_frame_and_most_are_not(many: list[Scene]) -> None:
    def touches(mask: np.ndarray) -> bool:
        edges = (mask[0], mask[-1], mask[:, 0], mask[:, -1])
        return any(bool(edge.max() > 0.5) for edge in edges)

    share = np.mean([touches(drawn.mask) for drawn in many])
    assert 0.05 < share < 0.4


def test_a_camera_moves_nothing() -> None:
    """The edges of a bright square stay where they are, blurred or not."""
    planes = np.full((3, 80, 90), 0.25, np.float32)
    planes[:, 25:55, 30:64] = 0.8
    for seed in range(60):
        photo = photographed(np.random.default_rng(seed), planes.copy()).mean(-1)
        across, down = np.median(photo[30:50], 0), np.median(photo[:, 35:59], 1)
        for profile, edge in ((across, 30), (across, 64), (down, 25), (down, 55)):
            steps = np.abs(np.diff(profile))[edge - 8 : edge + 7]
            # The step between edge - 1 and edge is in the middle; scaling down by up to three
            # and up again may move it by as much as half a large pixel.
            assert abs(int(steps.argmax()) - 7) <= 2, (seed, edge)
