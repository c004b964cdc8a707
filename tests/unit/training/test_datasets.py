"""Pairs on disk: found as data sets are published, and named where they can't be used."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from maskport.errors import ImageError
from maskport.training.datasets import (
    LAYOUTS,
    Layout,
    check_pairs,
    find_pairs,
    fingerprint,
    unused_masks,
)

from .conftest import write_pair


def layout_id(layout: Layout) -> str:
    return f"{layout.name}: {layout.photos}"


def unexpected(reason: str) -> None:
    raise AssertionError(reason)


@pytest.mark.parametrize("layout", LAYOUTS, ids=layout_id)
@pytest.mark.parametrize("below", ["", "set"], ids=["its own folder", "the folder above"])
def test_a_published_data_set_is_read_as_it_is_laid_out(
    tmp_path: Path, layout: Layout, below: str
) -> None:
    root = tmp_path / below
    for seed in (1, 2):
        write_pair(root / layout.photos, root / layout.masks, seed)
    found = find_pairs(tmp_path, None, unexpected)
    assert [(pair.photo.name, pair.mask.name) for pair in found] == [
        ("0001.jpg", "0001.png"),
        ("0002.jpg", "0002.png"),
    ]
    assert found[0].mask.parent == root / layout.masks


def test_of_two_data_sets_in_one_folder_none_is_taken(tmp_path: Path) -> None:
    for part in ("TR", "TE"):
        folder = tmp_path / f"DUTS-{part}"
        write_pair(folder / f"DUTS-{part}-Image", folder / f"DUTS-{part}-Mask", 1)
    with pytest.raises(ImageError, match=r"several data sets:\n  DUTS-TE: .*\n  DUTS-TR: "):
        find_pairs(tmp_path, None, unexpected)


def test_an_unknown_layout_asks_for_the_masks(tmp_path: Path) -> None:
    write_pair(tmp_path / "left", tmp_path / "right", 1)
    with pytest.raises(ImageError, match=r"not laid out .*DUTS-TR.*SOD") as raised:
        find_pairs(tmp_path, None, unexpected)
    assert "--masks" in raised.value.remedy


def test_the_matlab_files_of_sod_are_named_for_what_they_are(tmp_path: Path) -> None:
    (tmp_path / "DBidx.mat").write_bytes(b"MATLAB 5.0")
    with pytest.raises(ImageError, match="MATLAB files"):
        find_pairs(tmp_path, None, unexpected)


def test_every_photo_without_a_mask_is_named(pairs: Path) -> None:
    (pairs / "masks/0002.png").unlink()
    (pairs / "masks/0005.png").unlink()
    with pytest.raises(ImageError, match=r"2 of 7 photos .*\n  0002.jpg\n  0005.jpg\n"):
        find_pairs(pairs / "photos", pairs / "masks", unexpected)


def test_masks_of_no_photo_are_named(pairs: Path) -> None:
    (pairs / "photos/0002.jpg").unlink()
    found = find_pairs(pairs / "photos", pairs / "masks", unexpected)
    assert unused_masks(found) == ["0002.png"]


def test_everything_unreadable_or_of_another_shape_is_named_at_once(pairs: Path) -> None:
    damaged = pairs / "photos/0001.jpg"
    damaged.write_bytes(damaged.read_bytes()[:400])
    (pairs / "masks/0003.png").write_bytes(b"not a picture")
    turned = Image.open(pairs / "masks/0004.png").transpose(Image.Transpose.ROTATE_90)
    turned.save(pairs / "masks/0004.png")
    with pytest.raises(ImageError) as raised:
        check_pairs(find_pairs(pairs / "photos", pairs / "masks", unexpected))
    lines = raised.value.what.splitlines()
    assert lines[0] == "3 of 7 pairs can't be used:"
    assert ["0001.jpg" in lines[1], "0003.png" in lines[2], "0004.png" in lines[3]] == [True] * 3
    assert "turned" in lines[3]


def test_a_list_of_wrong_files_is_cut_after_ten(tmp_path: Path) -> None:
    for seed in range(12):
        write_pair(tmp_path / "a", tmp_path / "b", seed)
        (tmp_path / f"b/{seed:04}.png").write_bytes(b"")
    with pytest.raises(ImageError, match="and 2 more"):
        check_pairs(find_pairs(tmp_path / "a", tmp_path / "b", unexpected))


def test_masks_of_another_scale_are_named_and_not_refused(pairs: Path) -> None:
    mask = pairs / "masks/0000.png"
    Image.open(mask).resize((24, 20)).save(mask)
    assert check_pairs(find_pairs(pairs / "photos", pairs / "masks", unexpected)) == ["0000.png"]


def test_masks_of_class_numbers_are_refused_and_empty_ones_are_not(pairs: Path) -> None:
    Image.fromarray(np.zeros((40, 48), np.uint8)).save(pairs / "masks/0001.png")
    check_pairs(find_pairs(pairs / "photos", pairs / "masks", unexpected))
    Image.fromarray(np.eye(40, 48, dtype=np.uint8)).save(pairs / "masks/0003.png")
    with pytest.raises(ImageError, match=r"1 of 7 .*\n.*0003.png has no byte above 1;"):
        check_pairs(find_pairs(pairs / "photos", pairs / "masks", unexpected))


def test_a_disk_that_takes_two_spellings_for_one_folder_holds_one_set(tmp_path: Path) -> None:
    write_pair(tmp_path / "imgs", tmp_path / "gt", 1)
    (tmp_path / "Imgs").symlink_to(tmp_path / "imgs")
    (tmp_path / "GT").symlink_to(tmp_path / "gt")
    assert [pair.photo.name for pair in find_pairs(tmp_path, None, unexpected)] == ["0001.jpg"]


def test_the_second_tree_of_archives_from_macos_is_left_out(tmp_path: Path) -> None:
    for root in (tmp_path, tmp_path / "__MACOSX"):
        write_pair(root / "images", root / "ground_truth_mask", 1)
    assert find_pairs(tmp_path, None, unexpected)[0].photo.parent == tmp_path / "images"


def test_a_changed_file_or_name_changes_the_fingerprint(pairs: Path) -> None:
    def now() -> str:
        return fingerprint(find_pairs(pairs / "photos", pairs / "masks", unexpected))

    first = now()
    assert now() == first
    Image.fromarray(np.zeros((40, 48), np.uint8)).save(pairs / "masks/0000.png")
    second = now()
    assert second != first
    for folder, suffix in (("photos", "jpg"), ("masks", "png")):
        (pairs / f"{folder}/0001.{suffix}").rename(pairs / f"{folder}/0901.{suffix}")
    assert now() != second
