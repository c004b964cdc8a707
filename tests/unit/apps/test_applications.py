"""What is made of a photo and its mask: colors, places, sizes and kinds."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from PIL import Image

from maskport.apps import (
    Box,
    Segmenter,
    background,
    boxes,
    crop,
    cutout,
    drawn_boxes,
    heat_map,
    highlight,
    mask,
)
from maskport.apps.alpha import cleaned, foreground
from maskport.apps.boxes import boxes_of, coco
from maskport.apps.refine import refined
from maskport.errors import ImageError, InputError, UsageError
from maskport.specs import ImageSpec, MaskSpec, ModelSpec

Pixels = np.ndarray
SIDE = 32
RED, GREEN = (200, 30, 40), (20, 160, 60)


def segmenter_of(draw: Callable[[Pixels], Pixels], channels: int = 1) -> Segmenter:
    labels = tuple(f"class {i}" for i in range(channels)) if channels > 1 else ("mask",)
    spec = ModelSpec("fake", ImageSpec(SIDE, SIDE), MaskSpec(channels=channels, labels=labels))
    return Segmenter(spec, draw, "a fake")


@pytest.fixture
def reds() -> Segmenter:
    """Draws 1 where a photo is red."""
    return segmenter_of(lambda image: (image[:, :1] > image[:, 1:2]).astype(np.float32))


@pytest.fixture
def photo() -> Pixels:
    """A red square on green, 48 rows by 64 columns; neither side is the network's."""
    pixels = np.full((48, 64, 3), GREEN, np.uint8)
    pixels[12:36, 16:40] = RED
    return pixels


def test_a_cutout_has_the_objects_colors_and_nothing_behind_it(
    photo: Pixels, reds: Segmenter
) -> None:
    cut = cutout(photo, reds)
    assert cut.shape == (48, 64, 4) and cut.dtype == np.uint8
    assert tuple(cut[24, 28]) == (*RED, 255)
    assert cut[2, 2, 3] == 0
    # At the edge the green that shines through is taken out.
    edge = (cut[..., 3] > 60) & (cut[..., 3] < 255)
    assert edge.any()
    assert cut[edge][:, 1].max() <= RED[1] + 2 and cut[edge][:, 0].min() >= RED[0] - 2


def test_the_result_is_of_the_kind_that_was_given(photo: Pixels, reds: Segmenter) -> None:
    image = Image.fromarray(photo)
    image.info["icc_profile"] = b"a profile"
    given = cutout(image, reds)
    assert isinstance(given, Image.Image) and given.mode == "RGBA"
    assert given.info["icc_profile"] == b"a profile"
    np.testing.assert_array_equal(np.asarray(given), cutout(photo, reds))
    assert mask(image, reds).mode == "L" and mask(photo, reds).shape == (48, 64)


def test_no_photo_is_refused(reds: Segmenter) -> None:
    with pytest.raises(ImageError, match="8-bit RGB"):
        cutout(np.zeros((4, 4), np.uint8), reds)
    with pytest.raises(ImageError, match="float32"):
        cutout(np.zeros((4, 4, 3), np.float32), reds)


def test_values_that_are_no_numbers_are_refused(photo: Pixels) -> None:
    broken = segmenter_of(lambda image: np.full((1, 1, SIDE, SIDE), np.nan, np.float32))
    with pytest.raises(InputError, match="a fake gives values that are not numbers"):
        mask(photo, broken)


@pytest.mark.parametrize(
    ("options", "at_corner"),
    [({"color": "#0000ff"}, (0, 0, 255)), ({"color": "white"}, (255, 255, 255))],
)
def test_a_new_background_is_behind_and_not_in_front(
    photo: Pixels, reds: Segmenter, options: dict[str, str], at_corner: tuple[int, ...]
) -> None:
    made = background(photo, reds, **options)  # type: ignore[arg-type]
    assert made.shape == photo.shape
    assert tuple(made[0, 0]) == at_corner and tuple(made[24, 28]) == RED


def test_a_picture_fills_the_photo_and_keeps_its_middle(photo: Pixels, reds: Segmenter) -> None:
    wide = np.zeros((10, 100, 3), np.uint8)
    wide[:, 45:55] = (10, 20, 250)
    made = background(photo, reds, picture=wide)
    assert tuple(made[2, 32]) == (10, 20, 250)
    assert made.shape == photo.shape


def test_a_blurred_background_has_none_of_the_object_in_it(photo: Pixels, reds: Segmenter) -> None:
    made = background(photo, reds, blur=4)
    # Just outside the square a plain blur would be half red.
    assert np.abs(made[24, 44].astype(int) - GREEN).max() < 20
    assert tuple(made[24, 28]) == RED


def test_just_one_background_is_wanted(photo: Pixels, reds: Segmenter) -> None:
    with pytest.raises(UsageError, match="a color, a picture or a blur"):
        background(photo, reds)
    with pytest.raises(UsageError, match="a color, a picture or a blur"):
        background(photo, reds, color="red", blur=2)
    with pytest.raises(UsageError, match="'grün' is no color"):
        background(photo, reds, color="grün")


@pytest.mark.parametrize(
    ("stated", "enlarged"),
    [("lanczos", Image.Resampling.LANCZOS), ("nearest", Image.Resampling.BILINEAR)],
)
def test_masks_are_enlarged_by_the_filter_that_photos_are_shrunk_by(
    photo: Pixels, stated: Any, enlarged: Image.Resampling
) -> None:
    small = np.random.default_rng(0).random((8, 8), np.float32)
    spec = ModelSpec("s", ImageSpec(8, 8, resize_filter=stated), MaskSpec())
    alpha = Segmenter(spec, lambda image: small[None, None]).alpha(photo)
    expected = np.asarray(Image.fromarray(small).resize((64, 48), enlarged))
    np.testing.assert_allclose(alpha, np.clip(expected, 0, 1))


def test_highlighting_leaves_the_object_and_takes_the_color_of_the_rest(
    photo: Pixels, reds: Segmenter
) -> None:
    made = highlight(photo, reds, dim=0.5)
    assert tuple(made[24, 28]) == RED
    red, green, blue = made[2, 2]
    assert red == green == blue < 100
    assert (highlight(photo, reds, dim=1)[2, 2] == 0).all()
    with pytest.raises(UsageError, match="no part to dim by"):
        highlight(photo, reds, dim=2)


def test_a_heat_map_shows_on_bright_photos_too(reds: Segmenter) -> None:
    photo = np.full((48, 64, 3), 255, np.uint8)
    photo[12:36, 16:40] = (255, 200, 200)
    hot = heat_map(photo, reds)
    assert np.ptp(hot[24, 28]) > 100
    assert np.ptp(hot[2, 2]) == 0


def test_boxes_are_around_what_hangs_together_the_largest_first() -> None:
    values = np.zeros((40, 60), np.float32)
    values[5:15, 10:30] = 0.9
    values[20:24, 40:44] = 0.7
    values[24, 44] = 0.8  # touches at a corner
    values[35, 2] = 1  # a speck
    found = boxes_of(values, 0.5, minimum_area=0.001)
    assert [(b.left, b.top, b.width, b.height, b.area) for b in found] == [
        (10, 5, 20, 10, 200),
        (40, 20, 5, 5, 17),
    ]
    assert found[0].score == pytest.approx(0.9, abs=1e-3)
    assert boxes_of(np.zeros((8, 8), np.float32), 0.5, 0) == []
    assert len(boxes_of(values, 0.5, 0)) == 3


def test_boxes_of_photos_are_what_coco_reads() -> None:
    box = Box(3, 4, 5, 6, 20, 0.9)
    told = coco(["a.jpg", "b.jpg"], [(48, 64), (10, 10)], [[box, box], []])
    assert [image["id"] for image in told["images"]] == [1, 2]
    assert [a["image_id"] for a in told["annotations"]] == [1, 1]
    assert told["annotations"][0]["bbox"] == [3, 4, 5, 6]
    assert told["annotations"][0]["area"] == 20
    assert {a["id"] for a in told["annotations"]} == {1, 2}
    assert told["images"][0]["width"] == 64


def test_drawn_boxes_lie_on_the_boxes(photo: Pixels, reds: Segmenter) -> None:
    (found,) = boxes(photo, reds)
    drawn = drawn_boxes(photo, [found], color="#00e05a")
    assert tuple(drawn[found.top + found.height - 1, found.left]) == (0, 224, 90)
    assert tuple(drawn[2, 2]) == GREEN


@pytest.mark.parametrize(
    ("options", "shape"),
    [
        ({"margin": 0}, (24, 24)),
        ({"margin": 0.25}, (36, 36)),
        ({"margin": 0, "aspect": 2.0}, (24, 48)),
        ({"margin": 0, "aspect": 0.5}, (48, 24)),
        ({"margin": 9}, (48, 64)),
    ],
)
def test_a_crop_is_around_the_object_and_within_the_photo(
    photo: Pixels, reds: Segmenter, options: dict[str, float], shape: tuple[int, int]
) -> None:
    # The network's pixels are two columns and one and a half rows wide.
    cut = crop(photo, reds, **options)
    assert abs(cut.shape[0] - shape[0]) <= 3 and abs(cut.shape[1] - shape[1]) <= 3
    assert tuple(cut[cut.shape[0] // 2, cut.shape[1] // 2]) == RED or options["margin"] == 9


def test_a_photo_without_an_object_is_left_whole(reds: Segmenter) -> None:
    plain = np.full((20, 30, 3), GREEN, np.uint8)
    assert crop(plain, reds).shape == plain.shape
    assert boxes(plain, reds) == []
    assert (cutout(plain, reds)[..., 3] == 0).all()


@pytest.mark.parametrize("options", [{"margin": -1}, {"aspect": 0.0}, {"aspect": float("inf")}])
def test_what_makes_no_crop_is_refused(
    photo: Pixels, reds: Segmenter, options: dict[str, float]
) -> None:
    with pytest.raises(UsageError, match="make no crop"):
        crop(photo, reds, **options)


def test_of_several_classes_one_can_be_taken_and_the_first_is_the_background(
    photo: Pixels,
) -> None:
    def three(image: Pixels) -> Pixels:
        red = (image[:, :1] > image[:, 1:2]).astype(np.float32)
        return np.concatenate([1 - red, red * 0.75, red * 0.25], 1)

    classes = segmenter_of(three, 3)
    assert mask(photo, classes)[24, 28] == 255  # all but the background
    assert mask(photo, classes, channel=1)[24, 28] == 191
    assert mask(photo, classes, channel=0)[2, 2] == 255
    with pytest.raises(InputError, match="There is no class 3") as caught:
        mask(photo, classes, channel=3)
    assert "class 2" in caught.value.remedy


def test_cleaning_takes_veils_and_specks_and_leaves_objects() -> None:
    alpha = np.full((100, 100), 0.02, np.float32)
    alpha[20:60, 20:60] = 0.98
    alpha[80, 80] = 0.5
    made = cleaned(alpha)
    assert made[0, 0] == 0 and made[40, 40] == 1 and made[80, 80] == 0
    dots = np.zeros((100, 100), np.float32)
    dots[::20, ::20] = 1
    assert (cleaned(dots) == dots).all()  # all of them are of one size


def test_foreground_colors_are_found_behind_an_edge_of_any_size() -> None:
    """A known mix: most of what is behind is taken out."""
    for side in (80, 1300):
        ramp = np.clip(np.linspace(-8, 9, side, dtype=np.float32), 0, 1)
        alpha = np.broadcast_to(ramp, (side // 2, side)).copy()
        mixed = alpha[..., None] * np.array(RED) + (1 - alpha[..., None]) * np.array(GREEN)
        pixels = np.rint(mixed).astype(np.uint8)
        middle = (alpha > 0.2) & (alpha < 1)
        before, after = (
            np.abs(some[middle].astype(int) - RED).mean()
            for some in (pixels, foreground(pixels, alpha))
        )
        assert after < before / 3


def test_a_refined_mask_follows_the_photos_edge() -> None:
    """A circle of 512 pixels, known at 32: its edge is nearer than by plain scaling."""
    rows, columns = np.mgrid[:512, :512]
    inside = (rows - 250) ** 2 + (columns - 260) ** 2 < 150**2
    photo = np.where(inside[..., None], RED, GREEN).astype(np.uint8)
    truth = inside.astype(np.float32)
    image = Image.fromarray(truth)
    small = np.asarray(image.resize((32, 32), Image.Resampling.BOX))
    plain = np.asarray(Image.fromarray(small).resize((512, 512), Image.Resampling.BILINEAR))
    made = refined(small[None], photo)[0]
    assert made.shape == (512, 512) and made.min() >= 0 and made.max() <= 1
    assert np.abs(made - truth).mean() < np.abs(plain - truth).mean() / 4


def test_refining_in_strips_leaves_no_seams() -> None:
    rng = np.random.default_rng(0)
    photo = np.full((1200, 40, 3), 90, np.uint8)
    small = rng.uniform(0, 1, (1, 30, 20)).astype(np.float32)
    made = refined(small, photo)[0]
    steps = np.abs(np.diff(made, axis=0)).max(1)
    # The photo is of one color, so the mask is smooth; 512 and 1024 are where strips meet.
    assert steps[[511, 1023]].max() <= np.sort(steps)[-20:].max()


def test_matting_solves_between_what_is_sure() -> None:
    """Stripes of two widths of the object's color, of which the mask knows a blurred whole."""
    pytest.importorskip("pymatting", reason="needs maskport[apps]")
    from maskport.apps.alpha import matted

    photo = np.full((90, 120, 3), GREEN, np.uint8)
    photo[30:60, 30:80] = RED
    photo[30:60:4, 80:84] = RED  # hair of one row
    truth = (photo[..., 0] > 100).astype(np.float32)
    soft = np.asarray(Image.fromarray(truth).resize((15, 11)).resize((120, 90)))
    made = matted(photo, np.clip(soft, 0, 1))
    assert np.abs(made - truth).mean() < np.abs(soft - truth).mean() / 3
    empty = np.zeros((90, 120), np.float32)
    assert (matted(photo, empty) == empty).all()
