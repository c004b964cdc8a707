"""The cache's folder: ``NAME/KEY/`` an entry, made elsewhere in it and renamed when it is whole.

Plain files, without a database: what is there is what the file system says, so that a process that
is killed leaves at most a folder in ``partial/``, and any number of processes may read, write and
prune at once.
"""

from __future__ import annotations

import errno
import hashlib
import os
import re
import secrets
import shutil
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from ...errors import InputError
from ...outputs import Busy, held
from ...outside.files import ARTIFACT, opened
from ..manifest import FileEntry
from .entries import FILES, SAYS, CacheEntry, Damaged, Parts, key_of, read, written

__all__ = ["Cache", "Kept"]

_PARTIAL, _LOCKS = "partial", "locks"
# Seconds after which what was begun has been left by a process that was killed.
_ABANDONED = 86_400.0
_NAME = re.compile(r"[a-z0-9][a-z0-9._-]*")
_KEY, _FRESH = re.compile("[0-9a-f]{64}"), re.compile("[0-9a-f]{32}")
_BLOCK = 1 << 20
# Hashing and copying give the interpreter back; more wait for the disk.
_THREADS = 4
# An entry that others remove and put there again while it is read.
_TRIES = 5


class _Unreadable(OSError):
    """A file that is read can't be: another user's, or of a disk that fails."""


@dataclass(frozen=True, slots=True)
class Kept:
    """An entry as it lies in the cache.

    Attributes:
        folder: Where.
        entry: What it is; none where it is damaged.
        used: When it was last made or taken, in seconds since 1970.
    """

    folder: Path
    entry: CacheEntry | None
    used: float


class Cache:
    """Entries by name and by what they depended on.

    Args:
        folder: It is made when something is first put there.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def find(self, name: str, parts: Parts) -> CacheEntry | None:
        """What is kept of something, its files unread.

        Raises:
            Damaged: What says which files there are isn't what was put there. It was removed.
        """
        place = self._place(name, parts)
        try:
            return read(place)
        except OSError:
            return None
        except Damaged:
            self._remove(place)
            raise

    def take(self, name: str, parts: Parts, into: Path) -> CacheEntry | None:
        """Write an entry's files into a folder, each byte of them checked on the way.

        Returns:
            The entry; none where there is none.

        Raises:
            Damaged: A file, or what says which there are, isn't what was put there. The entry was
                removed, where that may be done.
            OSError: ``into`` can't be written.
        """
        place = self._place(name, parts)
        for _ in range(_TRIES):
            before = _which(place)
            if before is None:
                return None
            try:
                entry = _taken(place, into)
            except _Unreadable:
                return None
            except (FileNotFoundError, Damaged) as exc:
                # It may have been pruned meanwhile, and put there anew.
                if _which(place) == before:
                    self._remove(place)
                    raise Damaged from exc
                continue
            with suppress(OSError):
                os.utime(place / SAYS)
            return entry
        return None

    def put(
        self,
        name: str,
        parts: Parts,
        files: Iterable[Path],
        below: Path,
        facts: dict[str, Any],
        known: Iterable[FileEntry] = (),
    ) -> None:
        """Keep something; where it is kept already, nothing happens.

        Args:
            name: What it is: small letters, digits, dots and hyphens.
            parts: All that it depended on.
            files: Files and folders.
            below: The folder that their paths are relative to.
            facts: What else is to be known of it, as JSON can hold it.
            known: What the files were when the facts were found, where that is known; others are
                not kept.

        Raises:
            OSError: There is no room, or the cache can't be written.
        """
        place = self._place(name, parts)
        if (place / SAYS).exists():
            return
        partial = self._fresh()
        try:
            copied, folders = [], []
            for path in files:
                found = [path, *sorted(path.rglob("*"))] if path.is_dir() else [path]
                for one in found:
                    inner = one.relative_to(below).as_posix()
                    if not one.is_dir():
                        with opened(one, ARTIFACT) as given:
                            copied.append(_copied(given, partial / FILES / inner, inner))
                    elif not any(one.iterdir()):
                        folders.append(inner)
            was = {file.path: file for file in known}
            if was and was != {file.path: file for file in copied}:
                return
            entry = CacheEntry(
                name=name, parts=dict(parts), facts=facts, files=copied, folders=folders
            )
            (partial / SAYS).write_bytes(written(entry))
            place.parent.mkdir(exist_ok=True)
            try:
                partial.rename(place)
            except OSError as exc:  # another process has put it there meanwhile
                if exc.errno not in {errno.ENOTEMPTY, errno.EEXIST} and not place.exists():
                    raise
        finally:
            shutil.rmtree(partial, ignore_errors=True)

    def alike(self, name: str, parts: Parts, same: Iterable[str]) -> CacheEntry | None:
        """The entry of that name from which the fewest parts differ.

        Args:
            name: What it is.
            parts: What it depends on now.
            same: Parts in which both must agree.
        """

        def distance(kept: Kept) -> tuple[int, float]:
            before = kept.entry.parts if kept.entry else {}
            names = before.keys() | parts.keys()
            return sum(before.get(n) != parts.get(n) for n in names), -kept.used

        wanted = {part: parts.get(part) for part in same}
        found = [
            kept
            for kept in self._kept(self.folder / name)
            if kept.entry and all(kept.entry.parts.get(p) == v for p, v in wanted.items())
        ]
        return min(found, key=distance).entry if found else None

    def entries(self) -> list[Kept]:
        """All that is kept, by name, the last used first."""
        try:
            names = sorted(path for path in self.folder.iterdir() if path.is_dir())
        except OSError:
            return []
        found = []
        for path in names:
            if path.name not in {_PARTIAL, _LOCKS}:
                found += sorted(self._kept(path), key=lambda kept: -kept.used)
        return found

    def prune(self, most: float, oldest: float) -> list[Kept]:
        """Remove what wasn't used for so many seconds, then what wasn't used for longest until so
        many bytes are left; what is damaged, and what killed processes have left.

        Returns:
            What was removed.
        """
        self._forget_partials()
        entries, removed = self.entries(), []
        total = sum(kept.entry.bytes for kept in entries if kept.entry)
        for kept in sorted(entries, key=lambda kept: kept.used):
            size = kept.entry.bytes if kept.entry else 0
            if kept.entry is None or time.time() - kept.used > oldest or total > most:
                self._remove(kept.folder)
                removed.append(kept)
                total -= size
        return removed

    @contextmanager
    def alone(self, keys: Iterable[tuple[str, Parts]], wait: Callable[[], None]) -> Iterator[None]:
        """Keep other processes from making the same things meanwhile.

        Args:
            keys: What is going to be made.
            wait: Called where another process makes just these; then its end is waited for. The
                lock is the kernel's, so it ends with that process, however that ends.

        Raises:
            OSError: There can't be a lock.
        """
        named = "\n".join(sorted(key_of(name, parts) for name, parts in keys))
        lock = self.folder / _LOCKS / hashlib.sha256(named.encode()).hexdigest()
        lock.parent.mkdir(parents=True, exist_ok=True)
        with ExitStack() as stack:
            try:
                stack.enter_context(held(lock))
            except Busy:
                wait()
                stack.enter_context(held(lock, -1))
            yield

    def _place(self, name: str, parts: Parts) -> Path:
        if _NAME.fullmatch(name) is None or name in {_PARTIAL, _LOCKS}:
            raise ValueError(f"{name!r} can't be the name of an entry")
        return self.folder / name / key_of(name, parts)

    def _fresh(self) -> Path:
        """A folder that nobody else has, on the disk of the entries."""
        path = self.folder / _PARTIAL / secrets.token_hex(16)
        path.parent.mkdir(parents=True, exist_ok=True)
        (path / FILES).mkdir(parents=True)
        return path

    def _remove(self, place: Path) -> None:
        """At once for those who look for it; then its files."""
        with suppress(OSError):
            gone = self._fresh()
            place.rename(gone / place.name)
            shutil.rmtree(gone, ignore_errors=True)

    def _forget_partials(self) -> None:
        for path in (*self.folder.glob(f"{_PARTIAL}/*"), *self.folder.glob(f"{_LOCKS}/.*")):
            if path.parent.name == _PARTIAL and _FRESH.fullmatch(path.name) is None:
                continue
            with suppress(OSError):
                if path.stat().st_mtime < time.time() - _ABANDONED:
                    if path.is_dir():
                        shutil.rmtree(path, ignore_errors=True)
                    else:
                        path.unlink()

    def _kept(self, folder: Path) -> Iterator[Kept]:
        """Those of one name."""
        with suppress(OSError):
            for place in folder.iterdir():
                if _KEY.fullmatch(place.name) is None:  # nothing of ours
                    continue
                with suppress(OSError):  # just removed, or another user's
                    try:
                        yield Kept(place, read(place), (place / SAYS).stat().st_mtime)
                    except Damaged:
                        yield Kept(place, None, place.stat().st_mtime)


def _taken(place: Path, into: Path) -> CacheEntry:
    """Copy an entry's files; where that can't be done, nothing of it is left.

    Raises:
        Damaged: One isn't what was put there.
        FileNotFoundError: One isn't there.
    """
    try:
        entry = read(place)
    except (FileNotFoundError, NotADirectoryError) as exc:
        raise FileNotFoundError(place) from exc
    except OSError as exc:
        raise _Unreadable from exc

    def take(file: FileEntry) -> None:
        path = place / FILES / file.path
        try:
            given = opened(path, ARTIFACT, inside=place / FILES)
        except (FileNotFoundError, NotADirectoryError) as exc:
            raise FileNotFoundError(path) from exc
        except OSError as exc:  # another user's
            raise _Unreadable from exc
        except InputError as exc:  # a folder, a link that leads out
            raise Damaged from exc
        with given:
            if path.is_symlink() or _copied(given, into / file.path, file.path) != file:
                raise Damaged

    try:
        for folder in entry.folders:
            (into / folder).mkdir(parents=True, exist_ok=True)
        with ThreadPoolExecutor(_THREADS) as pool:
            list(pool.map(take, entry.files))
    except (FileNotFoundError, Damaged, _Unreadable):
        for name in {path.partition("/")[0] for path in (*entry.paths, *entry.folders)}:
            path = into / name
            if path.is_dir():
                shutil.rmtree(path)
            path.unlink(missing_ok=True)
        raise
    return entry


def _read(given: BinaryIO) -> bytes:
    try:
        return given.read(_BLOCK)
    except OSError as exc:
        raise _Unreadable(exc.errno, exc.strerror) from exc


def _which(place: Path) -> tuple[int, int] | None:
    """Tells an entry from the next one of that name; none where there is none to be read."""
    try:
        state = place.stat()
    except OSError:
        return None
    return state.st_ino, state.st_ctime_ns


def _copied(given: BinaryIO, target: Path, name: str) -> FileEntry:
    """Copy a file; what is written is what was hashed."""
    target.parent.mkdir(parents=True, exist_ok=True)
    digest, size = hashlib.sha256(), 0
    with target.open("wb") as copy:
        while block := _read(given):
            digest.update(block)
            copy.write(block)
            size += len(block)
    return FileEntry(path=name, bytes=size, sha256=digest.hexdigest())
