"""The photos of a run: found, named, brought to the network's size, with their ground truth."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from maskport.errors import ImageError
from maskport.specs import ImageSpec
from maskport.validation.photoset import PhotoSet, find_photos

SPEC = ImageSpec(8, 12)


def write(path: Path, width: int, height: int, value: int = 100) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.full((height, width, 3), value, np.uint8)
    pixels[: height // 2] = 255
    Image.fromarray(pixels).save(path)
    return path


def prepared(images: Path | None, masks: Path | None, folder: Path) -> PhotoSet:
    photos = PhotoSet(find_photos(images, masks).sources, SPEC, folder / "work")
    photos.prepare(lambda _position, _pixels: None)
    return photos


def test_photos_come_by_name_at_the_networks_size(tmp_path: Path) -> None:
    write(tmp_path / "in" / "b.png", 30, 20)
    write(tmp_path / "in" / "a.jpg", 10, 40)
    photos = prepared(tmp_path / "in", None, tmp_path)
    assert [(p.name, p.width, p.height) for p in photos.photos] == [
        ("a.jpg", 10, 40),
        ("b.png", 30, 20),
    ]
    assert photos.inputs.shape == (2, 3, 8, 12) and photos.inputs[0].dtype == np.float32
    assert photos.inputs[1].max() == 1
    assert not photos.wants_truth and photos.truth(0) is None


def test_photos_of_one_name_in_two_folders_are_told_apart(tmp_path: Path) -> None:
    for folder in ("sea", "land"):
        write(tmp_path / folder / "1.png", 4, 4)
    (tmp_path / "list.txt").write_text("sea/1.png\nland/1.png\nland/1.png\n")
    photos = prepared(tmp_path / "list.txt", None, tmp_path)
    names = [photo.name for photo in photos.photos]
    assert len(set(names)) == 3
    assert names[0].endswith("sea/1.png") and names[1].endswith("land/1.png")


@pytest.mark.skipif(sys.platform != "linux", reason="other systems refuse such names")
def test_photos_whose_names_are_no_text_are_read_and_named_with_escapes(tmp_path: Path) -> None:
    photo = write(tmp_path / "in" / "plain.png", 4, 4)
    for name in (b"caf\xe9.png", rb"caf\xe9.png"):
        os.link(photo, os.fsencode(photo.parent) + b"/" + name)
    (tmp_path / os.fsdecode(b"d\xe9j\xe0")).mkdir()
    found = find_photos(tmp_path / "in")
    assert found.identity
    photos = prepared(tmp_path / "in", None, tmp_path)
    names = [photo.name for photo in photos.photos]
    assert len(set(names)) == 3
    assert sum(r"caf\xe9.png" in name for name in names) == 2
    assert all(photo.model_dump_json() for photo in photos.photos)
    photo.rename(tmp_path / os.fsdecode(b"d\xe9j\xe0") / "1.png")
    assert find_photos(tmp_path / os.fsdecode(b"d\xe9j\xe0")).photos_from.endswith(r"d\xe9j\xe0")


def test_the_built_in_photos_need_no_files(tmp_path: Path) -> None:
    photos = prepared(None, None, tmp_path)
    names = [photo.name for photo in photos.photos]
    assert {"border-ring", "dark", "bright", "wide", "tall"} <= set(names)
    # None is flat, not even the dark one at this size, and each is another one.
    assert all(np.ptp(photos.inputs[i]) > 0.05 for i in range(len(photos)))
    assert len({photos.inputs[i].tobytes() for i in range(len(photos))}) == len(photos)


def test_ground_truth_is_at_the_photos_size_and_what_doesnt_fit_is_named(tmp_path: Path) -> None:
    for name, size in (("fits", (30, 20)), ("scaled", (30, 20)), ("turned", (30, 20)),
                       ("alone", (30, 20))):  # fmt: skip
        write(tmp_path / "in" / f"{name}.png", *size)
    write(tmp_path / "masks" / "fits.png", 30, 20)
    write(tmp_path / "masks" / "scaled.png", 60, 40)
    write(tmp_path / "masks" / "turned.png", 20, 30)
    photos = prepared(tmp_path / "in", tmp_path / "masks", tmp_path)
    truths = {p.name: photos.truth(i) for i, p in enumerate(photos.photos)}
    assert truths["alone.png"] is None and truths["turned.png"] is None
    for name in ("fits.png", "scaled.png"):
        truth = truths[name]
        assert truth is not None and truth.shape == (20, 30) and truth.max() == 1
    assert len(photos.truth_left_out) == 2
    assert "alone.png: it has no mask" in photos.truth_left_out
    assert any("turned" in reason for reason in photos.truth_left_out)


def test_identity_changes_with_contents_names_and_truth(tmp_path: Path) -> None:
    def identity(masks: Path | None = None) -> str:
        return find_photos(tmp_path / "in", masks).identity

    photo = write(tmp_path / "in" / "a.png", 4, 4)
    first = identity()
    assert identity() == first
    write(tmp_path / "masks" / "a.png", 4, 4)
    with_truth = identity(tmp_path / "masks")
    write(photo, 4, 4, value=101)
    changed = identity()
    photo.rename(photo.with_name("b.png"))
    assert len({first, with_truth, changed, identity()}) == 4


def test_a_photo_that_cant_be_read_is_named_before_anything_runs(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "torn.jpg").write_bytes(b"\xff\xd8\xff\xe0 torn")
    with pytest.raises(ImageError, match=r"torn\.jpg"):
        prepared(tmp_path / "in", None, tmp_path)
