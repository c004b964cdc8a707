"""A store in any of fsspec's file systems."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from ...errors import InputError, MaskportError, ToolError, UsageError
from ...outside.secrets import Secrets
from ...texts import first_line
from .place import BLOCK, Absent, Held, Place

__all__ = ["Remote"]

# File systems whose `create` is one step of the store's own: of two at once, it refuses one.
EXCLUSIVE = {"s3", "s3a", "gs", "gcs", "memory"}
# Those without folders: asked for one, some make a bucket.
FLAT = EXCLUSIVE | {"hf", "abfs", "abfss", "adl", "az", "oss", "oci"}
# A claim that is older was left by a process that was killed.
CLAIM_HOLDS = timedelta(hours=1)


class Remote(Place):
    """A folder of a file system of fsspec's.

    Args:
        fs: The file system.
        root: The folder in it.
        scheme: By which the file system was chosen.
        shown: The address without what is secret.
        secret: What is.
    """

    def __init__(self, fs: Any, root: str, scheme: str, shown: str, secret: Secrets) -> None:
        self.shown = shown
        self._fs, self._root, self._scheme, self._secret = fs, root.rstrip("/"), scheme, secret

    def listed(self, under: str) -> dict[str, Held]:
        found: dict[str, Held] = {}
        with self._told("read"):
            self._fs.invalidate_cache()
            try:
                held = self._fs.find(self._path(under), detail=True)
            except FileNotFoundError:
                return found
            above = self._path(under).strip("/") + "/"
            before = f"{under}/" if under else ""
            for name, state in held.items():
                key = str(name).lstrip("/")
                if key.startswith(above):
                    found[f"{before}{key.removeprefix(above)}"] = Held(
                        int(state.get("size") or 0), _changed(state)
                    )
        return found

    def size(self, key: str) -> int | None:
        with self._told("read"):
            self._fs.invalidate_cache()
            try:
                state = self._fs.info(self._path(key))
            except FileNotFoundError:
                return None
            return int(state["size"]) if state.get("type") == "file" else None

    def blocks(self, key: str) -> Iterator[bytes]:
        with self._told("read"):
            self._fs.invalidate_cache()
            try:
                file = self._fs.open(self._path(key), "rb")
            except FileNotFoundError:
                raise Absent(key) from None
            with file:
                while block := file.read(BLOCK):
                    yield block

    def upload(self, file: Path, key: str) -> None:
        with self._told("written"):
            self._fs.put_file(str(file), self._made(key))

    def move(self, key: str, to: str) -> None:
        with self._told("written"):
            if self._scheme in FLAT:  # a copy is whole or not there, and `mv` would list folders
                self._fs.cp_file(self._path(key), self._path(to))
                self.remove(key)
            else:
                self._fs.mv(self._path(key), self._made(to))

    def create(self, key: str, content: bytes) -> bool:
        with self._told("written"):
            if self._scheme in EXCLUSIVE:
                try:
                    self._fs.pipe_file(self._made(key), content, mode="create")
                except FileExistsError:
                    return False
                return True
            with self._claimed(key):
                if self.size(key) is not None:
                    return False
                self.replace(key, content)
                return True

    def replace(self, key: str, content: bytes) -> None:
        with self._told("written"):
            self._fs.pipe_file(self._made(key), content)

    def remove(self, key: str) -> None:
        with suppress(Exception):  # what may not be removed is in nobody's way
            self._fs.rm_file(self._path(key))

    @contextmanager
    def _claimed(self, key: str) -> Iterator[None]:
        """Alone with a key: who sees another's claim withdraws, so that of two at once at most one
        goes on, as long as the store lists what was written.
        """
        claims = f"{key}.claims"
        mine = f"{claims}/{secrets.token_hex(16)}"
        self.replace(mine, b"claimed\n")
        try:
            since = datetime.now(UTC) - CLAIM_HOLDS
            for other, state in self.listed(claims).items():
                if other != mine and (state.changed is None or state.changed > since):
                    raise UsageError(
                        f"{key} in {self.shown} is being written by another process.",
                        "Try again when it has ended; if it was killed, in an hour.",
                    )
            yield
        finally:
            self.remove(mine)

    def _path(self, key: str) -> str:
        return f"{self._root}/{key}"

    def _made(self, key: str) -> str:
        path = self._path(key)
        if self._scheme not in FLAT:
            self._fs.makedirs(path.rpartition("/")[0], exist_ok=True)
        return path

    @contextmanager
    def _told(self, done: str) -> Iterator[None]:
        """Errors of libraries as ours, without a cause: tracebacks show what that says."""
        try:
            yield
        except (MaskportError, Absent):
            raise
        except Exception as exc:
            said = self._secret.without(first_line(exc))[:300].rstrip(".")
            text = f"{self.shown} can't be {done}: {said or type(exc).__name__}."
            if isinstance(exc, FileNotFoundError):
                raise InputError(text, "Check the address, and that the bucket is there.") from None
            if isinstance(exc, PermissionError) or "Credentials" in type(exc).__name__:
                raise InputError(
                    text,
                    "Credentials are those of the store's own library: log in by its tool, or set "
                    "its variables (docs/store.md).",
                ) from None
            raise ToolError(text, "Try again: what arrived is kept.") from None


def _changed(state: dict[str, Any]) -> datetime | None:
    for name in ("LastModified", "mtime", "last_modified", "updated", "created"):
        said = state.get(name)
        with suppress(ValueError, OSError, OverflowError):
            if isinstance(said, str):
                said = datetime.fromisoformat(said)
            elif isinstance(said, int | float):
                said = datetime.fromtimestamp(said, UTC)
            if isinstance(said, datetime):
                whole = said if said.tzinfo else said.replace(tzinfo=UTC)
                return whole.astimezone(UTC).replace(microsecond=0)
    return None
