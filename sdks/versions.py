"""Versions of all that makes files; nothing is imported to find out."""

from __future__ import annotations

import importlib.metadata
import re
from collections.abc import Iterable
from functools import cache

__all__ = ["Versions"]

_REQUIREMENT = re.compile(r"\s*([A-Za-z0-9][A-Za-z0-9._-]*)\s*(?:\[([^\]]*)\])?")
_EXTRA = re.compile(r"""extra\s*==\s*["']([^"']+)["']""")


class Versions:
    """What is installed now; each distribution is read once."""

    def __init__(self) -> None:
        self._read = cache(_installed)

    def of(self, extras: Iterable[str]) -> dict[str, str]:
        """By distribution, the versions of maskport's own requirements, of those of some of its
        extras, and of what these require in turn. What other packages there are changes nothing.

        Args:
            extras: Of maskport, as in ``pip install 'maskport[coreml]'``.
        """
        found: dict[str, str] = {}
        seen: set[tuple[str, str]] = set()
        waiting = [("maskport", extra) for extra in ("", *extras)]
        while waiting:
            name, extra = waiting.pop()
            if (name, extra) in seen:
                continue
            seen.add((name, extra))
            version, requirements = self._read(name)
            if version:
                found[name] = version
            for requirement in requirements:
                waiting += _named(requirement, extra)
        found.pop("maskport", None)
        return found


def _named(requirement: str, extra: str) -> list[tuple[str, str]]:
    """The distribution that a requirement names, once for each of its extras; nothing where it is
    another extra's."""
    wanted, found = _EXTRA.search(requirement), _REQUIREMENT.match(requirement)
    if found is None or (_plain(wanted[1]) if wanted else "") != extra:
        return []
    extras = ["", *filter(None, map(_plain, (found[2] or "").split(",")))]
    return [(_plain(found[1]), one) for one in extras]


def _installed(name: str) -> tuple[str, tuple[str, ...]]:
    """Version and requirements; nothing where it isn't installed."""
    try:
        found = importlib.metadata.distribution(name)
    except importlib.metadata.PackageNotFoundError:
        return "", ()
    return found.version, tuple(found.requires or ())


def _plain(name: str) -> str:
    """A name as all its spellings mean it."""
    return re.sub(r"[-_.]+", "-", name.strip()).lower()
