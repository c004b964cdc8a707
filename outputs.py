"""Files that a user named: whole or as they were before, locked, and never in a link's place."""

from __future__ import annotations

import errno
import os
import re
import shutil
import stat
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import filelock

from .errors import InputError, MaskportError, ToolError

__all__ = [
    "Busy",
    "full",
    "held",
    "no_room",
    "replaced",
    "room_in",
    "write_whole",
    "written_whole",
]

# A report takes less to write; a video that is being written takes longer.
PATIENCE = 5.0
FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
# Of libraries that write by themselves and raise errors of their own; the last two are NumPy's and
# PyTorch's, without a number.
FULL_WORDS = re.compile(
    r"No space left on device|os error 28|Disk quota exceeded|File too large"
    r"|\d+ requested and \d+ written|basic_ios::clear: iostream error"
)

Busy = filelock.Timeout


@contextmanager
def held(path: Path, seconds: float = 0.0) -> Iterator[None]:
    """Keep other processes from writing a file or a folder, wherever they run.

    The lock lies beside it as ``.NAME.lock`` and is the kernel's: it ends with the process.

    Args:
        path: What is written; links resolved.
        seconds: So long another one is waited for.

    Raises:
        Busy: Another process, or thread, writes it.
        OSError: There can't be a lock in that folder.
    """
    lock = filelock.FileLock(path.with_name(f".{path.name}.lock"), timeout=seconds)
    try:
        lock.acquire()
    except Busy:
        # What can't even be made, as in /proc, seems busy to filelock.
        os.close(os.open(lock.lock_file, os.O_RDWR | os.O_CREAT, 0o644))
        raise
    try:
        yield
    finally:
        # While it is held: whoever opened it meanwhile finds it without a name, and makes another.
        # Windows removes no open file, and after the release none that another one holds.
        if os.name == "posix":
            Path(lock.lock_file).unlink(missing_ok=True)
        lock.release()
        if os.name != "posix":
            with suppress(OSError):
                Path(lock.lock_file).unlink(missing_ok=True)


@contextmanager
def written_whole(path: Path) -> Iterator[Path]:
    """A temporary file whose content is the named file's when the block ends well.

    A regular file is replaced as a whole; of a link, the file that it leads to. Devices, pipes and
    descriptors (``/dev/stdout``) are written to, and stay what they are; so is a file in a folder
    that can't be written. Folders above it are made.

    Raises:
        InputError: It can't be written, or another process is writing it.
    """
    try:
        descriptor = _descriptor(path)
        if descriptor is not None or _stays(path):
            with tempfile.TemporaryDirectory(prefix="maskport-") as folder:
                partial = Path(folder) / "content"
                yield partial
                _pour(partial, path, descriptor)
            return
        path = Path(os.path.realpath(path))
        path.parent.mkdir(parents=True, exist_ok=True)
        with held(path, PATIENCE), replaced(path) as partial:
            yield partial
            if path.exists():
                shutil.copymode(path, partial)
    except Busy as exc:
        raise InputError(
            f"{path} is being written by another process.", "Wait for it, or give another path."
        ) from exc
    except OSError as exc:
        raise InputError(
            f"{path} can't be written: {exc.strerror or exc}.",
            "Make room there, or give a path in another folder."
            if no_room(exc)
            else "Give a path in a folder that can be.",
        ) from exc


@contextmanager
def replaced(path: Path) -> Iterator[Path]:
    """A file beside the named one that takes its place when the block ends well.

    For files that nobody else writes: those of a folder that is `held`.

    Raises:
        OSError: It can't be.
    """
    partial = path.with_name(f".{path.name}.partial")
    partial.unlink(missing_ok=True)  # a killed process may have left it
    try:
        yield partial
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def write_whole(path: Path, content: bytes | str) -> None:
    """Write a file as `written_whole` does.

    Args:
        path: Named by a user.
        content: Text is written as UTF-8.

    Raises:
        InputError: It can't be written.
    """
    # What is no UTF-8 comes escaped from `texts.shown`; the rest degrades instead of failing.
    data = content if isinstance(content, bytes) else content.encode("utf-8", "backslashreplace")
    with written_whole(path) as partial:
        partial.write_bytes(data)


def no_room(exc: BaseException | None) -> bool:
    """Whether a full disk, a quota or a limit on files is what raised it, at first or at last."""
    while exc is not None:
        if isinstance(exc, OSError) and exc.errno in FULL:
            return True
        if FULL_WORDS.search(str(exc)):
            return True
        exc = exc.__cause__ or exc.__context__
    return False


@contextmanager
def room_in(folder: Path, needs: int = 0) -> Iterator[None]:
    """Name the folder in which the block writes, should it be full.

    Args:
        folder: It exists.
        needs: Bytes that the block writes, where that is known.

    Raises:
        ToolError: There was no room.
    """
    try:
        yield
    except Exception as exc:
        if isinstance(exc, MaskportError) or not no_room(exc):
            raise
        raise full(_elsewhere(exc, folder) or folder, needs) from exc


def full(place: Path | None = None, needs: int = 0) -> ToolError:
    """The error that says which disk is full.

    Args:
        place: What could not grow; of the folders that maskport writes to by itself, the fullest,
            where it isn't known.
        needs: Bytes that it was to have, where that is known.
    """
    if place is None:
        places = {Path(tempfile.gettempdir()), Path.cwd()}
        if chosen := os.environ.get("MASKPORT_CACHE"):
            places.add(Path(chosen))
        place = min((p for p in places if p.exists()), key=lambda p: shutil.disk_usage(p).free)
    free = ""
    with suppress(OSError):
        folder = place if place.exists() else place.parent
        free = f"; {_size(shutil.disk_usage(folder).free)} are free"
    wanted = f"{_size(needs)} are needed there" if needs else "what is there can't grow"
    return ToolError(
        f"{place} has no room: {wanted}{free}.",
        "Make room, or choose a folder on another disk (TMPDIR, MASKPORT_CACHE, --out).",
    )


def _elsewhere(exc: Exception, folder: Path) -> Path | None:
    """The file that could not grow, where an error names one that doesn't lie in the folder."""
    name = getattr(exc, "filename", None)
    if not isinstance(name, str) or Path(name).is_relative_to(folder):
        return None
    return Path(name)


def _size(count: int) -> str:
    return f"{count / 1e6:.1f} MB" if count >= 1e6 else f"{count / 1e3:.0f} kB"


def _stays(path: Path) -> bool:
    """Whether it is there and can't be replaced: no regular file, or in a folder of others.

    Raises:
        OSError: It is a folder or a disk, or a link that leads in circles.
    """
    try:
        mode = path.stat().st_mode
    except FileNotFoundError:
        return False
    if stat.S_ISDIR(mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    if stat.S_ISBLK(mode):
        raise OSError(errno.EPERM, "it is a disk", str(path))
    if not stat.S_ISREG(mode):
        return True
    folder = os.path.dirname(os.path.realpath(path))
    return os.access(path, os.W_OK) and not os.access(folder, os.W_OK)


def _descriptor(path: Path) -> int | None:
    """Which open file of this process the path means (``/dev/stdout``, ``/dev/fd/3``)."""
    ours = os.path.realpath("/proc/self/fd")
    for _ in range(40):  # as many links as Linux follows
        folder = os.path.realpath(path.parent)
        if re.fullmatch(r"\d+", path.name) and folder in {ours, "/dev/fd"}:
            return int(path.name)
        if not path.is_symlink():
            return None
        path = Path(folder) / path.readlink()
    return None


def _pour(partial: Path, path: Path, descriptor: int | None) -> None:
    for stream in (sys.stdout, sys.stderr):
        if stream is not None:
            stream.flush()
    with (
        partial.open("rb") as source,
        path.open("wb") if descriptor is None else os.fdopen(os.dup(descriptor), "wb") as opened,
    ):
        shutil.copyfileobj(source, opened)
