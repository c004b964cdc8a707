"""Photos, masks and weights at an address are those that lie there."""

from __future__ import annotations

import io
import pickle
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from maskport.errors import ImageError, UsageError
from maskport.sweeps.remote import local_copy, photos_at

from ...sdks import needed

needed("fsspec")


def png(value: int) -> bytes:
    content = io.BytesIO()
    Image.fromarray(np.full((4, 6, 3), value, np.uint8)).save(content, "PNG")
    return content.getvalue()


@pytest.fixture
def bucket() -> Iterator[str]:
    from fsspec.implementations.memory import MemoryFileSystem

    files = MemoryFileSystem()
    for key, value in {"b": 2, "a": 1, "deep/c": 3}.items():
        files.pipe_file(f"/bucket/photos/{key}.png", png(value))
    files.pipe_file("/bucket/photos/notes.txt", b"no photo")
    files.pipe_file("/bucket/masks/a.jpg", png(255))
    files.pipe_file("/bucket/w.pth", b"weights")
    yield "memory://bucket"
    files.rm("/bucket", recursive=True)


def test_photos_have_an_order_and_the_masks_of_their_names(bucket: str) -> None:
    found = photos_at(f"{bucket}/photos", f"{bucket}/masks")
    assert [source.name for source in found.sources] == ["a.png", "b.png", "deep/c.png"]
    first, second, third = pickle.loads(pickle.dumps(found.sources))
    assert first.read()[0, 0, 0] == 1 and third.read()[0, 0, 0] == 3
    assert first.read_truth is not None and first.read_truth().max() == 1
    assert second.read_truth is None
    assert len({source.identity for source in found.sources}) == 3


def test_an_identity_changes_with_a_photo(bucket: str) -> None:
    from fsspec.implementations.memory import MemoryFileSystem

    before = photos_at(f"{bucket}/photos", None).identity
    MemoryFileSystem().pipe_file("/bucket/photos/b.png", png(4) + b" ")
    assert photos_at(f"{bucket}/photos", None).identity != before


def test_a_file_and_a_folder_are_copied(bucket: str, tmp_path: Path) -> None:
    assert Path(local_copy(f"{bucket}/w.pth", tmp_path)).read_bytes() == b"weights"
    folder = Path(local_copy(f"{bucket}/photos", tmp_path))
    assert (folder / "deep" / "c.png").read_bytes() == png(3)


def test_what_is_not_there_is_named(bucket: str, tmp_path: Path) -> None:
    with pytest.raises(ImageError, match="holds no photos"):
        photos_at(f"{bucket}/nothing", None)
    with pytest.raises(ImageError, match="No mask"):
        photos_at(f"{bucket}/photos", f"{bucket}/nothing")
    with pytest.raises(UsageError, match="nothing at"):
        local_copy(f"{bucket}/nothing", tmp_path)
    with pytest.raises(UsageError, match="belong to photos"):
        photos_at(str(tmp_path), f"{bucket}/masks")
