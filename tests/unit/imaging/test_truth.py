"""Ground truth is found by name, and a mask of something else is not compared."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from maskport.errors import ImageError
from maskport.imaging.truth import fit_mask, pair_masks, read_mask


def write(path: Path, size: tuple[int, int] = (6, 4), color: object = 255, mode: str = "L") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new(mode, size, color).save(path)  # type: ignore[arg-type]
    return path


def test_masks_are_found_by_their_photos_stem(tmp_path: Path) -> None:
    photos = [tmp_path / "boat.jpg", tmp_path / "no mask.jpg"]
    mask = write(tmp_path / "masks" / "boat.png")
    write(tmp_path / "masks" / "another.png")
    assert pair_masks(photos, tmp_path / "masks") == {photos[0]: mask}


@pytest.mark.parametrize(
    ("names", "reason"),
    [
        ([], "no mask for any of 1 photos, such as boat.jpg"),
        (["boat.png", "boat.bmp"], "several masks: boat.bmp, boat.png"),
    ],
)
def test_no_mask_at_all_and_two_for_one_photo_are_errors(
    tmp_path: Path, names: list[str], reason: str
) -> None:
    (tmp_path / "masks").mkdir()
    for name in names:
        write(tmp_path / "masks" / name)
    with pytest.raises(ImageError, match=reason):
        pair_masks([tmp_path / "boat.jpg"], tmp_path / "masks")


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match="no folder of masks"):
        pair_masks([tmp_path / "boat.jpg"], tmp_path / "masks")


def test_gray_levels_are_exact_whatever_the_files_mode(tmp_path: Path) -> None:
    for mode, color in (("L", 77), ("RGB", (77, 77, 77))):
        mask = read_mask(write(tmp_path / f"{mode}.png", color=color, mode=mode))
        assert mask.shape == (4, 6) and mask.dtype == np.float32
        assert (mask == np.float32(77 / 255)).all()


def test_a_mask_at_another_scale_is_resized() -> None:
    mask = np.zeros((40, 60), np.float32)
    mask[:, 30:] = 1
    fitted = fit_mask(mask, 81, 120, "boat.png")  # 40 * 2 is 80; a pixel off is rounding
    assert fitted.shape == (81, 120)
    assert fitted[:, :58].max() == 0 and fitted[:, 62:].min() == 1


def test_a_turned_mask_is_not_squeezed_into_its_photo() -> None:
    """Published masks of photos that lost their EXIF orientation: resized, they would be scored
    as if the network had drawn nonsense."""
    with pytest.raises(ImageError, match="960x1280, its photo 1280x960, as if one of them was"):
        fit_mask(np.zeros((1280, 960), np.float32), 960, 1280, "test_1518.png")


def test_a_mask_of_another_photo_is_refused() -> None:
    with pytest.raises(ImageError, match="100x50, its photo 100x70"):
        fit_mask(np.zeros((50, 100), np.float32), 70, 100, "boat.png")
