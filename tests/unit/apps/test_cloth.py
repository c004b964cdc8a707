"""Garments: classes, soft edges, and several files of a photo."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from maskport.apps import Segmenter, cloth
from maskport.apps.cloth import names_of
from maskport.errors import InputError, UsageError
from maskport.specs import ImageSpec, MaskSpec, ModelSpec

Pixels = np.ndarray
LABELS = ("background", "upper", "lower", "full")
SHIRT, TROUSERS, WALL = (200, 30, 40), (30, 40, 200), (120, 120, 120)


def softmax(image: Pixels) -> Pixels:
    """By color: red is upper, blue is lower."""
    red, _, blue = (image[:, i : i + 1] for i in range(3))
    scores = np.concatenate(
        [np.full_like(red, 0.4), red - blue + 0.2, blue - red + 0.2, np.full_like(red, -1)], 1
    )
    powers = np.exp(12 * scores)
    return (powers / powers.sum(1, keepdims=True)).astype(np.float32)


def network(labels: tuple[str, ...] = LABELS, size: int = 48) -> Segmenter:
    spec = MaskSpec(channels=len(labels), labels=labels)
    return Segmenter(ModelSpec("fake", ImageSpec(size, size), spec), softmax)


@pytest.fixture
def photo() -> Pixels:
    pixels = np.full((96, 96, 3), WALL, np.uint8)
    pixels[16:48, 30:66] = SHIRT
    pixels[48:90, 30:66] = TROUSERS
    return pixels


def test_a_pixel_is_of_the_most_likely_class_and_garments_are_apart(photo: Pixels) -> None:
    clothes = cloth(photo, network())
    assert clothes.labels.shape == (96, 96) and clothes.labels.dtype == np.uint8
    assert [clothes.labels[row, 48] for row in (4, 30, 70)] == [0, 1, 2]
    assert set(np.unique(clothes.labels)) == {0, 1, 2}
    assert list(clothes.cutouts) == ["upper", "lower", "full"]
    upper, lower = clothes.cutouts["upper"], clothes.cutouts["lower"]
    assert upper is not None and lower is not None and clothes.cutouts["full"] is None
    assert upper.shape == (96, 96, 4)
    assert tuple(upper[30, 48]) == (*SHIRT, 255) and upper[70, 48, 3] == 0
    assert tuple(lower[70, 48]) == (*TROUSERS, 255) and lower[30, 48, 3] == 0


def test_edges_are_soft_and_of_the_garments_own_color(photo: Pixels) -> None:
    upper = cloth(photo, network()).cutouts["upper"]
    assert upper is not None
    edge = (upper[..., 3] > 60) & (upper[..., 3] < 250)
    assert edge.any()
    # What is behind is grey; the shirt's own green is 30.
    assert upper[edge][:, 1].mean() < 50


def test_images_come_back_as_images_and_labels_with_a_palette(photo: Pixels) -> None:
    clothes = cloth(Image.fromarray(photo), network())
    assert isinstance(clothes.labels, Image.Image) and clothes.labels.mode == "P"
    assert clothes.labels.getpixel((48, 30)) == 1
    palette = np.array(clothes.labels.getpalette()).reshape(-1, 3)
    # Pascal VOC's first colors.
    assert palette[:6].tolist() == [
        *([0, 0, 0], [128, 0, 0], [0, 128, 0], [128, 128, 0], [0, 0, 128], [128, 0, 128])
    ]
    assert len(np.unique(palette, axis=0)) == 256
    upper = clothes.cutouts["upper"]
    assert isinstance(upper, Image.Image) and upper.mode == "RGBA"


def test_a_garment_of_few_pixels_is_none(photo: Pixels) -> None:
    assert cloth(photo, network(), minimum_area=0.2).cutouts["upper"] is None
    assert cloth(photo, network(), minimum_area=0.1).cutouts["upper"] is not None
    with pytest.raises(UsageError, match="no part of a photo"):
        cloth(photo, network(), minimum_area=2)


def test_a_veil_where_another_class_wins_is_not_cut_out(photo: Pixels) -> None:
    """Elsewhere the class is possible, as it is a little all over the photo, and nowhere likely."""

    def draw(image: Pixels) -> Pixels:
        made = softmax(image)
        made[:, 1, 44:, :10] += 0.3
        return made

    spec = network().spec
    upper = cloth(photo, Segmenter(spec, draw)).cutouts["upper"]
    assert upper is not None
    assert upper[92, 4, 3] == 0 and upper[30, 48, 3] == 255


def test_classes_give_names_to_files() -> None:
    assert names_of(network()) == ["upper", "lower", "full"]
    assert names_of(network(("none", "T-shirt / top", "../coat", "?"))) == [
        *("T-shirt_top", "coat", "class")
    ]
    assert names_of(network(("none", "Hat", "hat"))) == ["1_Hat", "2_hat"]
    with pytest.raises(InputError, match="are 1") as caught:
        names_of(Segmenter(ModelSpec("fake", ImageSpec(8, 8), MaskSpec()), softmax))
    assert "cutout" in caught.value.remedy
