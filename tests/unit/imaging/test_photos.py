"""Photos come back as upright RGB bytes, or as an error that names the file."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from maskport.errors import ImageError
from maskport.imaging.photos import list_photos, read_photo


def save(path: Path, array: np.ndarray, **options: object) -> Path:
    Image.fromarray(array).save(path, **options)
    return path


def test_a_photo_taken_sideways_is_turned_upright(tmp_path: Path) -> None:
    pixels = np.zeros((4, 8, 3), np.uint8)
    pixels[:, :4] = 255
    exif = Image.Exif()
    exif[0x0112] = 6  # turn by 90 degrees clockwise to show
    photo = read_photo(save(tmp_path / "a.png", pixels, exif=exif))
    assert photo.shape == (8, 4, 3)
    assert photo[0].min() == 255
    assert photo[-1].max() == 0


def test_transparent_pixels_lie_on_white(tmp_path: Path) -> None:
    pixels = np.zeros((2, 2, 4), np.uint8)
    pixels[0, :, 3] = 255
    photo = read_photo(save(tmp_path / "a.png", pixels))
    assert photo[0].max() == 0
    assert photo[1].min() == 255


@pytest.mark.parametrize("mode", ["L", "P", "CMYK", "1"])
def test_other_colour_modes_become_rgb(tmp_path: Path, mode: str) -> None:
    path = tmp_path / ("a.jpg" if mode == "CMYK" else "a.png")
    Image.new("RGB", (6, 4), "white").convert(mode).save(path)
    photo = read_photo(path)
    assert photo.shape == (4, 6, 3)
    assert photo.min() >= 250  # white; JPEG may be off by a little


def test_sixteen_bits_are_scaled_and_not_clipped(tmp_path: Path) -> None:
    Image.fromarray(np.full((2, 2), 0x8000, np.uint16)).save(tmp_path / "a.png")
    assert read_photo(tmp_path / "a.png").max() == 0x80


@pytest.mark.parametrize("content", [b"", b"no image", b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR"])
def test_what_is_no_image_is_named(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.png").write_bytes(content)
    with pytest.raises(ImageError, match=r"a\.png"):
        read_photo(tmp_path / "a.png")


def test_a_truncated_photo_is_an_error_and_not_half_a_photo(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    path = save(tmp_path / "a.jpg", noise)
    path.write_bytes(path.read_bytes()[:1500])
    with pytest.raises(ImageError, match="can't be decoded"):
        read_photo(path)


def test_a_decompression_bomb_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = save(tmp_path / "a.png", np.zeros((64, 64), np.uint8))
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1000)
    with pytest.raises(ImageError, match="too many pixels"):
        read_photo(path)


def test_a_folder_is_listed_by_name_without_what_is_no_photo(tmp_path: Path) -> None:
    for name in ("b.JPG", "a.png", "notes.txt"):
        (tmp_path / name).write_bytes(b"")
    (tmp_path / "deeper.png").mkdir()
    assert [p.name for p in list_photos(tmp_path)] == ["a.png", "b.JPG"]


def test_hidden_files_are_no_photos(tmp_path: Path) -> None:
    """Archives made on macOS have a file of attributes beside each photo."""
    Image.new("RGB", (4, 4)).save(tmp_path / "1.jpg")
    (tmp_path / "._1.jpg").write_bytes(b"attributes")
    assert [photo.name for photo in list_photos(tmp_path)] == ["1.jpg"]


def test_a_list_file_keeps_its_order_and_skips_comments(tmp_path: Path) -> None:
    for name in ("b.png", "a.png"):
        (tmp_path / name).write_bytes(b"")
    (tmp_path / "list.txt").write_text("# mine\nb.png\n\na.png\n")
    assert [p.name for p in list_photos(tmp_path / "list.txt")] == ["b.png", "a.png"]


def test_a_list_file_that_names_a_missing_photo_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "list.txt").write_text("gone.png\n")
    with pytest.raises(ImageError, match=r"gone\.png"):
        list_photos(tmp_path / "list.txt")


def test_an_empty_or_missing_folder_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match="holds no photos"):
        list_photos(tmp_path)
    with pytest.raises(ImageError, match="no folder"):
        list_photos(tmp_path / "gone")
