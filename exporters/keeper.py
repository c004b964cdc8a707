"""What a run takes from the cache, and what it puts there as soon as that is made."""

from __future__ import annotations

import math
import shutil
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from ..artifacts.cache import Cache, CacheEntry, Damaged, Parts, default_limit, key_of
from ..artifacts.manifest import FileEntry
from ..errors import MaskportError
from ..sdks.versions import Versions
from ..texts import first_line
from .ingredients import CARD_PARTS, CODE, VERSION, code_digest

__all__ = ["Keeper", "steps_of"]

# Of the disk: what is left is the bundle's.
LEAST_FREE = 1 << 30


class Keeper:
    """The cache, as one process of a run sees it.

    Args:
        cache: Where.
        parts: What each thing depends on, by its name in the cache.
        tell: Takes a line for people.
        unchanged: Whether all that things depend on still is what it was when the run began; what
            was made of something that has changed meanwhile is not kept.
    """

    def __init__(
        self,
        cache: Cache,
        parts: Mapping[str, Parts],
        tell: Callable[[str], None],
        unchanged: Callable[[], bool],
    ) -> None:
        self.cache = cache
        self.parts = parts
        self._tell = tell
        self._unchanged = unchanged
        self._putting = True
        self._left: set[str] = set()
        self.damaged: set[str] = set()

    def key(self, name: str) -> str:
        """By which something lies in the cache."""
        return key_of(name, self.parts[name])

    def has(self, name: str) -> bool:
        """Whether something is kept by a name; its files are not looked at."""
        try:
            return self.cache.find(name, self.parts[name]) is not None
        except Damaged:
            self._say_damaged(name)
            return False

    def take(self, name: str, into: Path) -> CacheEntry | None:
        """Write what is kept by a name into a folder; None where nothing is, or it is damaged."""
        try:
            return self.cache.take(name, self.parts[name], into)
        except Damaged:
            self._say_damaged(name)
            return None

    def put(
        self,
        name: str,
        files: Sequence[Path],
        below: Path,
        facts: dict[str, Any] | None = None,
        known: Sequence[FileEntry] = (),
    ) -> None:
        """Keep files, and what is known of them. That it can't be done fails nothing."""
        if name in self._left or not self._putting or not self.check():
            return
        try:
            if _free(self.cache.folder) < LEAST_FREE:
                self._stop(f"The disk of the cache {self.cache.folder} is nearly full")
                return
            self.cache.put(name, self.parts[name], files, below, facts or {}, known)
        except (OSError, MaskportError, ValueError) as exc:
            self._stop(f"The cache {self.cache.folder} can't be written ({first_line(exc)})")

    def leave(self, names: Iterable[str]) -> None:
        """Keep none of these: something went wrong with them that may not go wrong again."""
        self._left.update(names)

    def check(self) -> bool:
        """Whether all is as it was when the run began; else nothing is put from here on."""
        if self._putting and not self._unchanged():
            self._stop("Photos, weights, tools or maskport itself were changed during the export")
        return self._putting

    def prune(self) -> None:
        """Let the cache stay within its limit."""
        with suppress(OSError, MaskportError):
            held = sum(kept.entry.bytes for kept in self.cache.entries() if kept.entry)
            self.cache.prune(default_limit(self.cache.folder, held), math.inf)

    def _say_damaged(self, name: str) -> None:
        self.damaged.add(name)
        self._tell(f"{name}: what the cache has of it is damaged; it is removed, and made again.")

    def _stop(self, reason: str) -> None:
        self._putting = False
        self._tell(f"{reason}: what is made from here on is not kept.")


class _Steps(dict[str, Parts]):
    """What every step of a target depends on: the same as the target, but for its texts."""

    def __init__(self, parts: Parts) -> None:
        super().__init__()
        self._parts = {name: text for name, text in parts.items() if name not in CARD_PARTS}

    def __missing__(self, name: str) -> Parts:
        return self._parts


def _tools_unchanged(parts: Parts, extra: str) -> bool:
    """Whether maskport's code and the tools are still those that something was to be made by."""
    found = {f"{VERSION}{name}": version for name, version in Versions().of([extra]).items()}
    try:
        same = parts[CODE] == code_digest()
    except OSError:  # a file that went away while it was read
        return False
    return same and all(parts.get(n) == v for n, v in found.items())


def _free(folder: Path) -> int:
    """Bytes that the disk of a folder has left, which may not be there yet."""
    there = next(path for path in (folder, *folder.parents) if path.exists())
    return shutil.disk_usage(there).free


def steps_of(cache: Cache, parts: Parts, extra: str, tell: Callable[[str], None]) -> Keeper:
    """For the process that makes a target.

    Args:
        cache: Where.
        parts: What the target depends on.
        extra: Of maskport, that has its tools.
        tell: Takes a line for people.
    """
    return Keeper(cache, _Steps(parts), tell, lambda: _tools_unchanged(parts, extra))
