"""Planes of many photos in a file, of which one photo's at a time are in memory.

Not mapped: pages of a map count as the process's memory, and one that the disk has no room for ends
the process (SIGBUS).
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..outputs import no_room, room_in

__all__ = ["Planes"]

Plane = NDArray[np.float32]


class Planes:
    """(N, C, H, W) float32 in a file: ``planes[position]`` reads (C, H, W), and sets it.

    Args:
        file: Made anew, of zeros, unless it is to be gone on with.
        shape: (N, C, H, W).
        again: Go on with the file, where it has this size.

    Attributes:
        shape: (N, C, H, W).
        kept: The file was gone on with.

    Raises:
        ToolError: There is no room for it; nothing is left of it then.
    """

    def __init__(self, file: Path, shape: tuple[int, int, int, int], *, again: bool = False):
        self.shape = shape
        self._file = file
        self._photo = 4 * shape[1] * shape[2] * shape[3]
        size = len(self) * self._photo
        self.kept = again and file.is_file() and file.stat().st_size == size
        if self.kept:
            return
        file.parent.mkdir(parents=True, exist_ok=True)
        try:
            with room_in(file.parent, size), file.open("wb") as opened:
                opened.truncate(size)
                _reserve(opened.fileno(), size)
        except BaseException:
            file.unlink(missing_ok=True)
            raise

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, position: int) -> Plane:
        with self._file.open("rb") as opened:
            opened.seek(self._start(position))
            return np.fromfile(opened, np.float32, self._photo // 4).reshape(self.shape[1:])

    def __setitem__(self, position: int, planes: Plane) -> None:
        values = np.ascontiguousarray(np.broadcast_to(planes, self.shape[1:]), np.float32)
        with room_in(self._file.parent), self._file.open("r+b") as opened:
            opened.seek(self._start(position))
            opened.write(values.data)

    def __iter__(self) -> Iterator[Plane]:
        return (self[position] for position in range(len(self)))

    def _start(self, position: int) -> int:
        if not 0 <= position < len(self):
            raise IndexError(position)
        return position * self._photo


def _reserve(descriptor: int, size: int) -> None:
    """Have the disk hold all of it now, so that a full one is told before the run and not within;
    where it can't say, that is told when it is."""
    if not hasattr(os, "posix_fallocate") or not size:
        return
    try:
        os.posix_fallocate(descriptor, 0, size)
    except OSError as exc:
        if no_room(exc):
            raise
