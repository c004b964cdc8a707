"""Maps whose disk is full are errors, not the end of the process."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from maskport.errors import ToolError
from maskport.specs import ImageSpec
from maskport.validation.mapped import mapped, mapped_again
from maskport.validation.photoset import PhotoSet, find_photos

reserves = pytest.mark.skipif(
    not hasattr(os, "posix_fallocate"), reason="this system reserves no space"
)


def test_a_map_is_a_file_of_zeros_that_numpy_reads(tmp_path: Path) -> None:
    file = tmp_path / "new" / "masks.npy"
    array = mapped(file, (3, 1, 5, 7))
    assert array.shape == (3, 1, 5, 7) and array.dtype == np.float32 and not array.any()
    array[1] = 0.5
    del array
    assert (mapped_again(file)[1] == 0.5).all()
    assert np.load(file).sum() == 0.5 * 35


@reserves
def test_no_part_of_it_is_a_hole(tmp_path: Path) -> None:
    file = tmp_path / "masks.npy"
    mapped(file, (4, 1, 256, 256))
    assert file.stat().st_blocks * 512 >= file.stat().st_size


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
def test_where_nothing_can_be_reserved_it_is_written(
    number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer(monkeypatch, number)
    file = tmp_path / "masks.npy"
    array = mapped(file, (4, 1, 256, 256))
    assert file.stat().st_blocks * 512 >= file.stat().st_size
    assert array.shape == (4, 1, 256, 256) and not array.any()


@pytest.mark.skipif(sys.platform != "linux", reason="limits files as Linux does")
def test_a_limit_on_files_is_told(tmp_path: Path) -> None:
    code = (
        "import resource, sys; from pathlib import Path\n"
        "from maskport.errors import ToolError; from maskport.validation.mapped import mapped\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))\n"
        "try: mapped(Path(sys.argv[1]), (4, 1, 256, 256))[:] = 1\n"
        "except ToolError as exc: print(exc.what)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "masks.npy")], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert f"{tmp_path} has no room: 1.0 MB are needed there" in done.stdout
