"""A store in a folder: by the system's own calls, without fsspec."""

from __future__ import annotations

import errno
import os
import shutil
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

from ...errors import InputError
from ...outputs import Busy, full, held, no_room
from ...outside.files import ARTIFACT, opened
from .keys import partial_key
from .place import BLOCK, Absent, Held, Place

__all__ = ["Folder"]

# Of file systems that know no second name of a file.
_NO_LINKS = {errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK}
# Seconds in which another one that publishes has written its manifest.
_PATIENCE = 10.0


class Folder(Place):
    """What is written appears by a rename or by a link, so it is whole wherever it can be seen."""

    def __init__(self, root: Path) -> None:
        self.shown = str(root)
        self._root = root

    def listed(self, under: str) -> dict[str, Held]:
        found: dict[str, Held] = {}
        with self._told("read"):
            for folder, _, names in os.walk(self._root / under):
                for name in names:
                    file = Path(folder, name)
                    with suppress(FileNotFoundError):
                        state = file.stat()
                        if stat.S_ISREG(state.st_mode):
                            changed = datetime.fromtimestamp(int(state.st_mtime), UTC)
                            key = file.relative_to(self._root).as_posix()
                            found[key] = Held(state.st_size, changed)
        return found

    def size(self, key: str) -> int | None:
        with self._told("read"):
            try:
                state = (self._root / key).stat()
            except (FileNotFoundError, NotADirectoryError):
                return None
            return state.st_size if stat.S_ISREG(state.st_mode) else None

    def blocks(self, key: str) -> Iterator[bytes]:
        with self._told("read"):
            try:
                file = opened(self._root / key, ARTIFACT)
            except (FileNotFoundError, NotADirectoryError) as exc:
                raise Absent(key) from exc
            with file:
                while block := file.read(BLOCK):
                    yield block

    def upload(self, file: Path, key: str) -> None:
        with (
            self._told("written"),
            opened(file, ARTIFACT) as source,
            self._made(key).open("xb") as target,
        ):
            shutil.copyfileobj(source, target, BLOCK)

    def move(self, key: str, to: str) -> None:
        with self._told("written"):
            (self._root / key).replace(self._made(to))

    def create(self, key: str, content: bytes) -> bool:
        with self._told("written"), self._written(content) as partial:
            target = self._made(key)
            try:
                os.link(partial, target)
            except FileExistsError:
                return False
            except OSError as exc:
                if exc.errno not in _NO_LINKS:
                    raise
                with held(target, _PATIENCE):
                    if target.exists():
                        return False
                    partial.rename(target)
            return True

    def replace(self, key: str, content: bytes) -> None:
        with self._told("written"), self._written(content) as partial:
            partial.replace(self._made(key))

    def remove(self, key: str) -> None:
        with suppress(OSError):
            (self._root / key).unlink(missing_ok=True)

    def _made(self, key: str) -> Path:
        path = self._root / key
        path.parent.mkdir(parents=True, exist_ok=True)
        return path

    @contextmanager
    def _written(self, content: bytes) -> Iterator[Path]:
        """A file without a name in the store yet."""
        partial = self._made(partial_key())
        try:
            partial.write_bytes(content)
            yield partial
        finally:
            partial.unlink(missing_ok=True)

    @contextmanager
    def _told(self, done: str) -> Iterator[None]:
        try:
            yield
        except Busy as exc:
            raise InputError(
                f"{self.shown} is being written by another process.", "Try again when it has ended."
            ) from exc
        except OSError as exc:
            if no_room(exc):
                raise full(self._root) from exc
            where = f" ({exc.filename})" if exc.filename else ""
            raise InputError(
                f"{self.shown} can't be {done}: {exc.strerror or exc}{where}.",
                "Give a folder that can be.",
            ) from exc
