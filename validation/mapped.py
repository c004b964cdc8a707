"""Arrays in files, mapped: their space is there before anything is written through the map."""

from __future__ import annotations

import errno
import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..outputs import room_in

__all__ = ["mapped", "mapped_again"]

# What systems answer that reserve nothing on this disk.
_NOT_RESERVED = frozenset({errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP, errno.ENODEV})
_CHUNK = bytes(1 << 20)


def mapped(file: Path, shape: Sequence[int]) -> NDArray[np.float32]:
    """A new ``.npy`` file of zeros, float32, mapped.

    A map of a file with holes ends the process (SIGBUS) when the disk has no room for a page.

    Raises:
        ToolError: There is no room for it; nothing is left of it.
    """
    file.parent.mkdir(parents=True, exist_ok=True)
    try:
        with room_in(file.parent, 4 * int(np.prod(shape))):
            array = np.lib.format.open_memmap(file, "w+", np.float32, tuple(shape))
            _reserve(file, array.offset)
    except BaseException:
        file.unlink(missing_ok=True)
        raise
    return array


def mapped_again(file: Path) -> NDArray[np.float32]:
    """A file that `mapped` made, with what was written to it."""
    array: NDArray[np.float32] = np.lib.format.open_memmap(file, "r+")
    return array


def _reserve(file: Path, offset: int) -> None:
    """Have the disk hold every byte of a file, whose values from ``offset`` on are zeros.

    Raises:
        OSError: It can't.
    """
    size = file.stat().st_size
    with file.open("r+b", buffering=0) as opened:
        if hasattr(os, "posix_fallocate"):
            try:
                os.posix_fallocate(opened.fileno(), 0, size)
            except OSError as exc:
                if exc.errno not in _NOT_RESERVED:
                    raise
            else:
                return
        position = opened.seek(offset)
        while position < size:
            position += opened.write(_CHUNK[: size - position])
        os.fsync(opened.fileno())  # some disks say only then that they are full
