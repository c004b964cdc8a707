"""Which format a file is of, whatever its name."""

from __future__ import annotations

import zipfile
from collections.abc import Iterable
from fnmatch import fnmatchcase
from pathlib import Path

from ...errors import ArtifactError
from ...formats import FORMATS
from ..bundle import MANIFEST

__all__ = ["recognize"]


def recognize(path: Path) -> str:
    """The format of a file, or of a folder that a format calls a file: a row of `FORMATS`.

    Its content decides where the format has a mark, else its name.

    Raises:
        ArtifactError: It is of none.
        OSError: It can't be read.
    """
    if path.is_dir():
        rows = FORMATS.items()
        found = next((name for name, row in rows if _holds(path, row.members)), None)
    else:
        found = _by_content(path)
    found = found or next(
        (name for name, row in FORMATS.items() if path.suffix.lower() in row.suffixes), None
    )
    if found is None:
        raise _unknown(path)
    return found


def _by_content(path: Path) -> str | None:
    with path.open("rb") as file:
        head = file.read(8)
    if head.startswith(b"PK"):
        try:
            with zipfile.ZipFile(path) as archive:
                return _by_members(archive.namelist())
        except zipfile.BadZipFile:
            return None
    rows = FORMATS.items()
    return next((n for n, row in rows if row.magic and head[4:].startswith(row.magic)), None)


def _by_members(names: Iterable[str]) -> str | None:
    names = list(names)
    for format_name, row in FORMATS.items():
        if row.members and all(any(fnmatchcase(n, m) for n in names) for m in row.members):
            return format_name
    return None


def _holds(folder: Path, members: tuple[str, ...]) -> bool:
    return bool(members) and all(any(folder.glob(member)) for member in members)


def _unknown(path: Path) -> ArtifactError:
    if (path / MANIFEST).is_file():
        return ArtifactError(
            f"{path} is a bundle, not one file.", "Give one of the files or folders in it."
        )
    known = ", ".join(suffix for row in FORMATS.values() for suffix in row.suffixes)
    kind = "folder" if path.is_dir() else "file"
    return ArtifactError(
        f"{path} is a {kind} of no format that is known here.",
        f"Known are {known}, and SavedModel folders.",
    )
