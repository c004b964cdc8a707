"""Planes in files: what is set is read, and a full disk is an error."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import psutil
import pytest

from maskport.errors import ToolError
from maskport.specs import ImageSpec
from maskport.validation.photoset import PhotoSet, find_photos
from maskport.validation.planes import Planes

reserves = pytest.mark.skipif(
    not hasattr(os, "posix_fallocate"), reason="this system reserves no space"
)


def test_a_photos_planes_are_read_as_they_were_set(tmp_path: Path) -> None:
    file = tmp_path / "new" / "masks"
    planes = Planes(file, (3, 1, 5, 7))
    assert len(planes) == 3 and planes.shape == (3, 1, 5, 7) and not planes.kept
    planes[1] = np.full((1, 5, 7), 0.5, np.float32)
    again = Planes(file, (3, 1, 5, 7), again=True)
    assert again.kept and [plane.mean() for plane in again] == [0, 0.5, 0]
    assert again[2].dtype == np.float32 and again[2].shape == (1, 5, 7)
    assert again[2].flags.writeable  # torch warns of others
    with pytest.raises(IndexError):
        again[3]
    with pytest.raises(ValueError, match="broadcast"):
        again[0] = np.zeros((2, 5, 7), np.float32)


def test_a_file_of_another_size_is_made_anew(tmp_path: Path) -> None:
    Planes(tmp_path / "masks", (3, 1, 5, 7))[0] = np.ones((1, 5, 7), np.float32)
    planes = Planes(tmp_path / "masks", (4, 1, 5, 7), again=True)
    assert not planes.kept and not planes[0].any()


@reserves
def test_the_disk_holds_all_of_it_from_the_start(tmp_path: Path) -> None:
    file = tmp_path / "masks"
    Planes(file, (4, 1, 256, 256))
    assert file.stat().st_blocks * 512 >= file.stat().st_size


def test_they_are_not_kept_in_memory(tmp_path: Path) -> None:
    planes = Planes(tmp_path / "photos", (64, 1, 1024, 512))
    before = psutil.Process().memory_info().rss
    for position in range(len(planes)):
        planes[position] = np.ones((1, 1024, 512), np.float32)
    assert sum(float(plane.sum()) for plane in planes) == 64 * 1024 * 512
    assert psutil.Process().memory_info().rss - before < 20e6


def answer(monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    def fallocate(descriptor: int, offset: int, length: int) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "posix_fallocate", fallocate, raising=False)


def test_a_full_disk_is_told_with_the_folder_and_what_it_needs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer(monkeypatch, errno.ENOSPC)
    photos = PhotoSet(find_photos(None).sources, ImageSpec(64, 64), tmp_path / "work")
    needed = f"{len(photos) * 3 * 64 * 64 * 4 / 1e3:.0f} kB"
    with pytest.raises(ToolError) as raised:
        photos.prepare(lambda _position, _pixels: None)
    assert str(tmp_path / "work") in raised.value.what
    assert f"{needed} are needed there" in raised.value.what
    assert os.listdir(tmp_path / "work") == []


@pytest.mark.parametrize("number", [errno.EOPNOTSUPP, errno.EINVAL])
def test_where_nothing_can_be_reserved_it_is_written_all_the_same(
    number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer(monkeypatch, number)
    planes = Planes(tmp_path / "masks", (4, 1, 8, 8))
    planes[3] = np.ones((1, 8, 8), np.float32)
    assert [plane.mean() for plane in planes] == [0, 0, 0, 1]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="Linux's full device")
def test_a_disk_that_is_full_later_is_told_too(tmp_path: Path) -> None:
    planes = Planes(tmp_path / "masks", (4, 1, 8, 8))
    (tmp_path / "masks").unlink()
    (tmp_path / "masks").symlink_to("/dev/full")
    with pytest.raises(ToolError, match="has no room: what is there can't grow"):
        planes[0] = np.ones((1, 8, 8), np.float32)


@pytest.mark.skipif(sys.platform != "linux", reason="limits files as Linux does")
def test_a_limit_on_files_is_told(tmp_path: Path) -> None:
    code = (
        "import resource, sys; from pathlib import Path\n"
        "from maskport.errors import ToolError; from maskport.validation.planes import Planes\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))\n"
        "try: Planes(Path(sys.argv[1]), (4, 1, 256, 256))\n"
        "except ToolError as exc: print(exc.what)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "masks.npy")], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert f"{tmp_path} has no room: 1.0 MB are needed there" in done.stdout
