"""A calibration set is the same for the same source, and says what it is."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from maskport.errors import ImageError, UsageError
from maskport.imaging.convert import photo_to_input
from maskport.imaging.photos import read_photo
from maskport.quantization.calibration import generated, load_calibration
from maskport.scenes import scene
from maskport.scenes.seeds import EVALUATION, TRAINING
from maskport.specs import ImageSpec


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    for seed in range(5):
        Image.fromarray(scene(seed, 30, 40).photo // (seed + 1)).save(tmp_path / f"{seed}.png")
    return tmp_path


@pytest.mark.parametrize("divide_by", ["255", "image-maximum"])
def test_it_holds_what_the_network_will_see_to_half_a_byte(photos: Path, divide_by: str) -> None:
    spec = ImageSpec(16, 24, divide_by=divide_by)
    found = load_calibration(photos, spec)
    assert found.pixels.shape == (5, 3, 16, 24)
    for name, pixels in zip(found.names, found.pixels, strict=True):
        image = photo_to_input(read_photo(photos / name), spec)[0]
        assert np.abs(pixels / 255 - image).max() <= 0.5001 / 255


def test_the_checksum_follows_photos_order_and_size(photos: Path) -> None:
    spec = ImageSpec(16, 24)
    whole = load_calibration(photos, spec)
    assert whole.sha256 == load_calibration(photos, spec).sha256
    assert whole.sha256 != load_calibration(photos, spec.resized(24, 16)).sha256
    (photos / "list.txt").write_text("1.png\n0.png\n2.png\n3.png\n4.png\n")
    assert whole.sha256 != load_calibration(photos / "list.txt", spec).sha256


def test_a_large_source_is_thinned_evenly_and_says_so(photos: Path) -> None:
    found = load_calibration(photos, ImageSpec(8, 8), most=3)
    assert found.names == ("0.png", "2.png", "4.png")
    assert found.left_out == 2


def test_a_damaged_photo_is_an_error_and_not_skipped(photos: Path) -> None:
    (photos / "3.png").write_bytes(b"no image")
    with pytest.raises(ImageError, match=r"3\.png"):
        load_calibration(photos, ImageSpec(8, 8))


def test_a_photo_that_goes_away_half_way_is_named(
    photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def read_and_delete(photo: Path) -> np.ndarray:
        (photos / "4.png").unlink(missing_ok=True)
        return read_photo(photo)

    monkeypatch.setattr("maskport.quantization.calibration.read_photo", read_and_delete)
    with pytest.raises(ImageError, match=r"There is no photo .*4\.png"):
        load_calibration(photos, ImageSpec(8, 8))


def test_generated_scenes_are_a_set_of_their_own_and_always_the_same() -> None:
    spec = ImageSpec(24, 32)
    found = load_calibration("scenes:3", spec)
    assert found.pixels.shape == (3, 3, 24, 32) and found.left_out == 0
    assert found.sha256 == load_calibration("scenes:3", spec).sha256
    seeds = [int(name.removeprefix("scene ")) for name in found.names]
    assert all(EVALUATION + 100_000 < seed < TRAINING for seed in seeds)
    assert generated("scenes:3") and not generated("photos") and not generated(None)


@pytest.mark.parametrize("source", ["scenes:", "scenes:0", "scenes:many", "scenes:1000000"])
def test_a_number_of_scenes_that_is_none_is_refused(source: str) -> None:
    with pytest.raises(UsageError, match="number of scenes"):
        load_calibration(source, ImageSpec(8, 8))


def test_photos_that_are_not_read_are_counted_and_named(photos: Path) -> None:
    for name in ("a.gif", "b.gif"):
        (photos / name).write_bytes(b"")
    found = load_calibration(photos, ImageSpec(8, 8), most=3)
    # Two beyond three of five, and two that are not read.
    assert found.left_out == 4
    assert found.unread == ("2 (a.gif, b.gif): GIF is not read; save it as PNG or JPEG",)
