"""Folders for children's temporary files, which end with the children, with us, or with the next
run: whichever of these ends first, and however."""

from __future__ import annotations

import atexit
import contextlib
import os
import secrets
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import IO, Final, cast

from filelock import FileLock, Timeout

__all__ = ["Scratch", "note_child"]

_PREFIX: Final = "maskport-run-"
_LOCK: Final = "lock"
# Younger folders without a lock are about to have one.
_SECONDS: Final = 60
_KEEPER: Final = Path(__file__).with_name("keeper.py")


class Scratch:
    """A new folder, in this process's own among the system's temporary files.

    Attributes:
        path: The folder.

    Raises:
        OSError: It can't be made.
    """

    def __init__(self) -> None:
        folder = _kept().folder
        folder.mkdir(mode=0o700, exist_ok=True)  # what cleans up temporary files may have taken it
        self.path = Path(tempfile.mkdtemp(prefix="child-", dir=folder))

    def close(self) -> None:
        """Remove it, and what is in it."""
        shutil.rmtree(self.path, ignore_errors=True)


def note_child(group: int, *, runs: bool) -> None:
    """Have a process group end with us, even if we are killed; or no longer, as it has ended."""
    if (kept := _Kept.ours) is not None:
        kept.tell(group if runs else -group)


class _Kept:
    """This process's folder, and the keeper that removes it and ends our children.

    The folder is locked by a lock that the kernel releases with the process: where the keeper was
    killed with us, the next run removes it.
    """

    ours: _Kept | None = None
    making = threading.Lock()

    def __init__(self) -> None:
        temporary = Path(tempfile.gettempdir())
        for left in temporary.glob(f"{_PREFIX}*"):
            _remove_free(left)
        self.folder = temporary / f"{_PREFIX}{secrets.token_hex(8)}"
        self._keeper: subprocess.Popen[bytes] | None = None
        if os.name == "posix":
            # It knows of the folder before that is there: whenever we are killed, it removes it.
            self._keeper = subprocess.Popen(
                [sys.executable, "-I", "-S", str(_KEEPER), str(self.folder)],
                bufsize=0,
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
            )
        self.folder.mkdir(mode=0o700)
        self._lock = FileLock(self.folder / _LOCK)
        self._lock.acquire(blocking=False)

    def tell(self, number: int) -> None:
        with contextlib.suppress(OSError):  # it was killed
            if self._keeper is not None:
                cast(IO[bytes], self._keeper.stdin).write(b"%d\n" % number)

    def close(self) -> None:
        """At our own end."""
        self._lock.release()
        shutil.rmtree(self.folder, ignore_errors=True)
        if self._keeper is not None:
            self._keeper.communicate()

    def forget(self) -> None:
        """In a fork, which shall not seem to be us."""
        if self._keeper is not None:
            cast(IO[bytes], self._keeper.stdin).close()
            self._keeper.returncode = 0


def _kept() -> _Kept:
    with _Kept.making:
        if _Kept.ours is None:
            _Kept.ours = _Kept()
            atexit.register(_end)
        return _Kept.ours


def _end() -> None:
    if (kept := _Kept.ours) is not None:
        _Kept.ours = None
        kept.close()


def _forked() -> None:
    kept, _Kept.ours, _Kept.making = _Kept.ours, None, threading.Lock()
    if kept is not None:
        kept.forget()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forked)


def _remove_free(folder: Path) -> None:
    try:
        found = folder.lstat()
        mine = not hasattr(os, "getuid") or found.st_uid == os.getuid()
        if not mine or folder.is_symlink():
            return
        if not (folder / _LOCK).exists() and time.time() - found.st_mtime < _SECONDS:
            return
        with FileLock(folder / _LOCK, blocking=False):
            shutil.rmtree(folder, ignore_errors=True)
    except (OSError, Timeout):  # in use, or gone meanwhile
        return
