"""The one opener of files from outside: regular ones, of a size that their kind has.

A path from a user, or in a bundle, can be a named pipe that nobody writes to, a device that never
ends, or a link to either. Nothing here waits for one or reads on and on.
"""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from ..errors import InputError

__all__ = [
    "ARTIFACT",
    "CHECKPOINT",
    "CONFIG",
    "LICENSE",
    "LIST",
    "LONGEST_PATH",
    "MANIFEST_FILE",
    "MOST_FILES",
    "PHOTO",
    "RESULTS",
    "TOML",
    "Kind",
    "is_file",
    "is_folder",
    "measured",
    "opened",
    "read_bytes",
]

_MB, _GB = 1 << 20, 1 << 30


@dataclass(frozen=True, slots=True)
class Kind:
    """What a file is to be.

    Attributes:
        name: With its article: "a manifest".
        most: Bytes that it may have.
    """

    name: str
    most: int


# Each is far above what was ever seen, and what the main process then holds is bounded.
MANIFEST_FILE = Kind("a manifest", 16 * _MB)
RESULTS = Kind("a file of results", 256 * _MB)
TOML = Kind("a TOML file", _MB)
LIST = Kind("a list of photos", 64 * _MB)
CONFIG = Kind("a run's file", 1 * _GB)
LICENSE = Kind("a license", 16 * _MB)
PHOTO = Kind("a photo", 4 * _GB)
CHECKPOINT = Kind("a checkpoint", 64 * _GB)
ARTIFACT = Kind("a file of a bundle", 64 * _GB)

# Of an artifact that is a folder.
MOST_FILES = 10_000
# Linux takes no longer path, and other systems shorter ones.
LONGEST_PATH = 4096

_BLOCK = 1 << 20
_KINDS = (
    (stat.S_ISDIR, "a folder"),
    (stat.S_ISFIFO, "a named pipe"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
)
# A pipe that takes the file's place after it was looked at is opened without waiting for a writer,
# and a terminal doesn't become that of this process. Windows has neither, and translates lines.
_FLAGS = os.O_RDONLY
for _flag in ("O_NONBLOCK", "O_NOCTTY", "O_CLOEXEC", "O_BINARY", "O_NOINHERIT"):
    _FLAGS |= getattr(os, _flag, 0)


def opened(
    path: str | os.PathLike[str],
    kind: Kind,
    *,
    inside: str | os.PathLike[str] | None = None,
    error: type[InputError] = InputError,
) -> BinaryIO:
    """Open a file for reading; the caller closes it.

    Args:
        path: Links are followed.
        kind: What it is to be.
        inside: The folder that links may not lead out of, for what a bundle holds.
        error: Which error is raised.

    Raises:
        InputError: It is a folder, a pipe, a socket or a device, has more bytes than its kind may,
            or a link leads out of ``inside``; an ``error``.
        OSError: There is none, or it can't be opened.
    """
    try:
        if inside is not None:
            _check_inside(path, inside, error)
        # Opening alone does something to a device, such as rewinding it.
        _check(path, os.stat(path), kind, error)
        number = os.open(path, _FLAGS)
    except ValueError as exc:  # a zero byte, a surrogate
        raise error(f"{os.fspath(path)!r} is no path: {exc}.", "Check the path.") from exc
    try:
        _check(path, os.fstat(number), kind, error)
        return os.fdopen(number, "rb")
    except BaseException:
        os.close(number)
        raise


def read_bytes(
    path: str | os.PathLike[str],
    kind: Kind,
    *,
    inside: str | os.PathLike[str] | None = None,
    error: type[InputError] = InputError,
) -> bytes:
    """All of a file.

    Raises:
        InputError, OSError: As `opened`.
    """
    with opened(path, kind, inside=inside, error=error) as file:
        return b"".join(_blocks(file, path, kind, error))


def measured(
    path: str | os.PathLike[str],
    kind: Kind,
    algorithm: str = "sha256",
    *,
    inside: str | os.PathLike[str] | None = None,
    error: type[InputError] = InputError,
) -> tuple[int, str]:
    """A file's bytes, and its checksum in lower-case hexadecimal digits.

    Raises:
        InputError, OSError: As `opened`.
    """
    digest, size = hashlib.new(algorithm, usedforsecurity=False), 0
    with opened(path, kind, inside=inside, error=error) as file:
        for block in _blocks(file, path, kind, error):
            digest.update(block)
            size += len(block)
    return size, digest.hexdigest()


def is_file(path: Path) -> bool:
    """Whether there is a regular file; none has a name that is too long, or no name at all."""
    try:
        return path.is_file()
    except (OSError, ValueError):
        return False


def is_folder(path: Path) -> bool:
    """Whether there is a folder; likewise."""
    try:
        return path.is_dir()
    except (OSError, ValueError):
        return False


def _blocks(
    file: BinaryIO, path: str | os.PathLike[str], kind: Kind, error: type[InputError]
) -> Iterator[bytes]:
    """All of a file, in blocks: it may grow, files of /proc say 0, and `read` first takes all that
    it may need."""
    size = 0
    while block := file.read(_BLOCK):
        size += len(block)
        if size > kind.most:
            raise _too_large(path, kind, "more", error)
        yield block


def _check_inside(
    path: str | os.PathLike[str], inside: str | os.PathLike[str], error: type[InputError]
) -> None:
    end, root = os.path.realpath(path), os.path.realpath(inside)
    if end != root and not end.startswith(os.path.join(root, "")):
        raise error(
            f"{os.fspath(path)} is a link that leads out of {os.fspath(inside)}.",
            "Put the file itself there, if you trust it.",
        )


def _check(
    path: str | os.PathLike[str], found: os.stat_result, kind: Kind, error: type[InputError]
) -> None:
    for is_one, name in _KINDS:
        if is_one(found.st_mode):
            raise error(
                f"{os.fspath(path)} is {name}, and not {kind.name}.", "Give a regular file."
            )
    if not stat.S_ISREG(found.st_mode):
        raise error(f"{os.fspath(path)} is no regular file.", "Give a regular file.")
    if found.st_size > kind.most:
        raise _too_large(path, kind, _size(found.st_size), error)


def _too_large(
    path: str | os.PathLike[str], kind: Kind, has: str, error: type[InputError]
) -> InputError:
    return error(
        f"{os.fspath(path)} is too large: {kind.name} has at most {_size(kind.most)}, and this "
        f"has {has}.",
        "Check that it is the right file.",
    )


def _size(count: int) -> str:
    return f"{count / _GB:,.1f} GiB" if count >= _GB else f"{count / _MB:,.1f} MiB"
