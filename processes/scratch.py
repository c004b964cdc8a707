"""A folder for a child's temporary files, which ends with the child, or with the next run."""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from pathlib import Path
from typing import Final

from filelock import FileLock, Timeout

__all__ = ["Scratch"]

_PREFIX: Final = "maskport-child-"
_LOCK: Final = "lock"
# Younger ones may not be locked yet.
_SECONDS: Final = 60


class Scratch:
    """A new folder in the system's own for temporary files.

    It is locked by a lock that the kernel releases with the process: folders of runs that were
    killed are free, and removed when the next one is made.

    Attributes:
        path: The folder.

    Raises:
        OSError: It can't be made.
    """

    def __init__(self) -> None:
        for left in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*"):
            _remove_free(left)
        self.path = Path(tempfile.mkdtemp(prefix=_PREFIX))
        self._lock = FileLock(self.path / _LOCK)
        self._lock.acquire(blocking=False)

    def close(self) -> None:
        """Remove it, and what is in it."""
        self._lock.release()
        shutil.rmtree(self.path, ignore_errors=True)


def _remove_free(folder: Path) -> None:
    try:
        found = folder.lstat()
        mine = not hasattr(os, "getuid") or found.st_uid == os.getuid()
        if not mine or folder.is_symlink() or time.time() - found.st_mtime < _SECONDS:
            return
        with FileLock(folder / _LOCK, blocking=False):
            shutil.rmtree(folder, ignore_errors=True)
    except (OSError, Timeout):  # in use, or gone meanwhile
        return
