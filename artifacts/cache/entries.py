"""One entry of the cache: a folder of files, and what says which they are."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from ...errors import InputError
from ...outside.files import MANIFEST_FILE, read_bytes
from ...texts import short
from ..manifest import FileEntry, RelativePath

__all__ = [
    "FILES",
    "SAYS",
    "CacheEntry",
    "Damaged",
    "Parts",
    "changed",
    "key_of",
    "read",
    "written",
]

Parts = Mapping[str, str]
"""What decides what something is, as texts, by words for people: ``{"license": "MIT", …}``."""

# What says of an entry which it is, and the folder of its files.
SAYS, FILES = "entry", "files"
# Of texts that are shown when they differ; others are digests, or tables.
_SHOWN = 40


class Damaged(Exception):
    """An entry isn't what it says; it was removed."""


class CacheEntry(BaseModel):
    """What is kept of one thing.

    Attributes:
        name: What it is: a target, or a step that several start from.
        parts: What it depended on.
        facts: What else is known of it.
        files: By their paths below the entry's folder of files.
        folders: Those among them that are empty.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    parts: dict[str, str]
    facts: dict[str, Any]
    files: list[FileEntry]
    folders: list[RelativePath]

    @property
    def paths(self) -> list[str]:
        """Of its files."""
        return [file.path for file in self.files]

    @property
    def bytes(self) -> int:
        """Of its files."""
        return sum(file.bytes for file in self.files)


def key_of(name: str, parts: Parts) -> str:
    """SHA-256 of a name and of all that it depends on."""
    return hashlib.sha256(json.dumps([name, dict(parts)], sort_keys=True).encode()).hexdigest()


def written(entry: CacheEntry) -> bytes:
    """An entry as its file holds it: a checksum, and what it is of."""
    text = entry.model_dump_json().encode()
    return hashlib.sha256(text).hexdigest().encode() + b"\n" + text


def read(folder: Path) -> CacheEntry:
    """The entry in a folder.

    Raises:
        FileNotFoundError, NotADirectoryError: There is none.
        OSError: It can't be read.
        Damaged: It isn't what was written, or not of this folder.
    """
    try:
        digest, _, text = read_bytes(folder / SAYS, MANIFEST_FILE, inside=folder).partition(b"\n")
        if hashlib.sha256(text).hexdigest().encode() != digest:
            raise Damaged
        entry = CacheEntry.model_validate_json(text)
    except (InputError, ValueError, ValidationError) as exc:
        raise Damaged from exc
    if key_of(entry.name, entry.parts) != folder.name:
        raise Damaged
    return entry


def changed(before: Parts, now: Parts) -> list[str]:
    """Which parts differ, for people: ``license (MIT → Apache-2.0)``."""
    found = []
    for name in sorted(before.keys() | now.keys()):
        old, new = before.get(name, ""), now.get(name, "")
        if old != new:
            told = all(len(text) <= _SHOWN and text.isprintable() for text in (old, new))
            said = f" ({old or 'none'} → {new or 'none'})" if told else ""
            found.append(f"{short(name)[1:-1]}{said}")
    return found
