"""Faces, how they are cut out, and what is made of their drawings.

There are no trained weights of a portrait network among the tests' own: what is drawn is given.
"""

from __future__ import annotations

import sys
import types
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from maskport.apps import Face, Segmenter, composite, faces, portrait
from maskport.apps.portrait import cropped_face, fused
from maskport.errors import ImageError, MissingToolError, UsageError
from maskport.models.catalog import CATALOG

Pixels = np.ndarray


def has_cascades() -> bool:
    try:
        import cv2
    except ImportError:
        return False
    return hasattr(cv2, "CascadeClassifier") and bool(list(Path(cv2.data.haarcascades).glob("*")))


needs_cascades = pytest.mark.skipif(not has_cascades(), reason="needs maskport[portrait]")


def portraits(draw: Pixels | None = None) -> Segmenter:
    """As the catalog's, whose files end in 1 - output; what it draws, or the photo's red."""
    spec = CATALOG["u2net_portrait"].spec
    return Segmenter(spec, lambda image: image[:, :1] if draw is None else draw[None, None])


@pytest.fixture
def photo() -> Pixels:
    """Each pixel's red and green say its place."""
    rows, columns = np.mgrid[:200, :240]
    return np.stack((rows, columns, np.full_like(rows, 7)), -1).astype(np.uint8)


def test_a_face_is_cut_out_with_its_hair_and_padded_with_white(photo: Pixels) -> None:
    """By hand, after u2net_portrait_demo.py: 0.4 aside, 0.6 above, 0.2 below."""
    cut = cropped_face(photo, Face(100, 70, 50, 50))
    assert cut.shape == (90, 90, 3)
    np.testing.assert_array_equal(cut, photo[40:130, 80:170])
    at_corner = cropped_face(photo, Face(5, 10, 50, 50))
    assert at_corner.shape == (90, 90, 3)
    assert (at_corner[:20] == 255).all() and (at_corner[:, :15] == 255).all()
    np.testing.assert_array_equal(at_corner[20:, 15:], photo[:70, :75])
    at_end = cropped_face(photo, Face(190, 160, 50, 50))
    assert (at_end[70:] == 255).all() and (at_end[:, 70:] == 255).all()
    np.testing.assert_array_equal(at_end[:70, :70], photo[130:200, 170:240])


def test_a_face_that_is_no_square_keeps_its_shape(photo: Pixels) -> None:
    cut = cropped_face(photo, Face(100, 60, 20, 60))
    assert cut.shape == (108, 108, 3)
    np.testing.assert_array_equal(cut[:, 36:72], photo[24:132, 92:128])
    assert (cut[:, :36] == 255).all() and (cut[:, 72:] == 255).all()
    with pytest.raises(ImageError, match="not in a photo of 240x200"):
        cropped_face(photo, Face(900, 60, 20, 60))


def test_a_portrait_is_of_the_networks_size_and_stretched(photo: Pixels) -> None:
    drawing = portrait(photo, portraits(), face=Face(100, 70, 50, 50))
    assert drawing.shape == (512, 512) and drawing.dtype == np.uint8
    # Red rises downwards, from 40 to 129: stretched to all of black and white.
    assert drawing[0].max() <= 2 and drawing[-1].min() >= 253
    image = portrait(Image.fromarray(photo), portraits(), face=Face(100, 70, 50, 50))
    assert isinstance(image, Image.Image) and image.mode == "L" and image.size == (512, 512)


def test_a_prepared_crop_is_drawn_whole_at_its_size(photo: Pixels) -> None:
    drawing = portrait(photo, portraits(), face="none")
    assert drawing.shape == (200, 240)
    assert drawing[0].max() <= 2 and drawing[-1].min() >= 253


def test_a_photo_without_a_face_says_what_to_do(
    photo: Pixels, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = sys.modules["maskport.apps.portrait"]  # the package's name is the function
    monkeypatch.setattr(module, "faces", lambda _: [])
    with pytest.raises(ImageError, match="No face was found") as caught:
        portrait(photo, portraits())
    assert "--no-face" in caught.value.what  # a run over many photos says only what was wrong
    monkeypatch.setattr(module, "faces", lambda _: [Face(100, 70, 50, 50)])
    found = portrait(photo, portraits())
    np.testing.assert_array_equal(found, portrait(photo, portraits(), face=Face(100, 70, 50, 50)))


def test_a_composite_mixes_the_blurred_photo_and_the_drawing() -> None:
    """Against the sum of a kernel written out: sigma 2, four sigmas wide, borders repeated."""
    rng = np.random.default_rng(0)
    photo = rng.integers(0, 256, (24, 30, 3), np.uint8)
    drawing = (rng.random((24, 30)) * 0.8).astype(np.float32)
    reach = np.arange(-8, 9)
    kernel = np.exp(-(reach**2) / 8)
    kernel /= kernel.sum()
    wide = np.pad(photo.astype(float), ((8, 8), (8, 8), (0, 0)), mode="edge")
    rows = sum(k * wide[8 + i : 32 + i] for k, i in zip(kernel, reach, strict=True))
    blurred = sum(k * rows[:, 8 + i : 38 + i] for k, i in zip(kernel, reach, strict=True))
    lines = (drawing / drawing.max() * 255)[..., None]
    made = fused(photo, drawing, sigma=2, alpha=0.3)
    assert np.abs(made - (0.3 * blurred + 0.7 * lines)).max() <= 0.51  # rounded to bytes
    # The shares' ends.
    np.testing.assert_array_equal(fused(photo, drawing, sigma=0, alpha=1), photo)
    only = fused(photo, drawing, sigma=5, alpha=0)
    assert (only[..., 0] == only[..., 2]).all() and only.max() == 255


@pytest.mark.parametrize("options", [{"sigma": -1.0}, {"sigma": float("nan")}, {"alpha": 1.5}])
def test_what_is_no_blur_or_share_is_refused(photo: Pixels, options: dict[str, float]) -> None:
    with pytest.raises(UsageError):
        composite(photo, portraits(), face="none", **options)


@pytest.mark.shared
@pytest.mark.parametrize("name", ["img_1588", "img_1859"])
def test_the_authors_drawings_come_out_as_they_published_them(name: str, shared: Path) -> None:
    """Their drawing of a prepared crop as what the network draws."""
    folder = shared / "images" / "portrait"
    photo = Image.open(folder / "images" / f"{name}.jpg").convert("RGB")
    published = np.asarray(Image.open(folder / "u2net_drawings" / f"{name}.png").convert("L"))
    network = portraits(published.astype(np.float32) / 255)
    drawn = np.asarray(portrait(photo, network, face="none"))
    low, high = int(published.min()), int(published.max())
    assert np.abs(drawn - (published - low) / (high - low) * 255).max() <= 0.51
    mixed = np.asarray(composite(photo, network, face="none")).astype(int)
    assert mixed.shape == (512, 512, 3)
    # Lines are darker than the paper by half of what they are in the drawing.
    lines, paper = published < 40, published > 230
    assert mixed[paper].mean() - mixed[lines].mean() > 80


@needs_cascades
@pytest.mark.shared
def test_faces_are_found_where_they_are(shared: Path) -> None:
    """Middle and width by eye, in parts of the photo."""
    places = {
        "portrait/images/img_1588.jpg": (0.51, 0.56, 0.57),
        "portrait/images/img_1859.jpg": (0.50, 0.54, 0.55),
        "human/images/download.jpg": (0.51, 0.45, 0.27),
        "human/images/photo-1552374196-c4e7ffc6e126.jpg": (0.53, 0.44, 0.66),
        "salient/images/0002-01.jpg": (0.49, 0.33, 0.27),
    }
    for name, (across, down, wide) in places.items():
        image = Image.open(shared / "images" / name).convert("RGB")
        face = faces(image)[0]
        middle = (
            (face.left + face.width / 2) / image.width,
            (face.top + face.height / 2) / image.height,
        )
        assert middle == pytest.approx((across, down), abs=0.06), name
        assert face.width / image.width == pytest.approx(wide, abs=0.1), name


@needs_cascades
@pytest.mark.shared
def test_wheels_and_leaves_are_no_faces(shared: Path) -> None:
    """The first cascade alone finds faces in each of these."""
    for name in ("salient/images/bike.jpg", "sky/images/test_1856.jpg"):
        assert faces(Image.open(shared / "images" / name).convert("RGB")) == [], name


@needs_cascades
@pytest.mark.shared
def test_a_large_photo_is_looked_at_smaller_and_the_face_is_in_its_pixels(shared: Path) -> None:
    image = Image.open(shared / "images" / "portrait" / "images" / "img_1594.jpg").convert("RGB")
    small = faces(image)[0]
    large = faces(image.resize((2048, 2048)))[0]
    for side in ("left", "top", "width", "height"):
        assert getattr(large, side) / 4 == pytest.approx(getattr(small, side), abs=16)


@needs_cascades
def test_where_nobody_is_there_are_no_faces() -> None:
    assert faces(np.full((90, 120, 3), 128, np.uint8)) == []
    assert faces(np.full((3, 3000, 3), 128, np.uint8)) == []


def test_an_opencv_without_cascades_is_as_good_as_none(
    photo: Pixels, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = sys.modules["maskport.apps.faces"]
    monkeypatch.delattr(module._OF_THREAD, "cascades", raising=False)
    monkeypatch.setitem(sys.modules, "cv2", None)
    with pytest.raises(MissingToolError, match="Finding faces needs OpenCV") as caught:
        faces(photo)
    assert "maskport[portrait]" in caught.value.remedy
    five = types.SimpleNamespace(__version__="5.0.0", data=types.SimpleNamespace(haarcascades="/x"))
    monkeypatch.setitem(sys.modules, "cv2", five)
    with pytest.raises(MissingToolError, match=r"this one, 5\.0\.0, has none"):
        faces(photo)
