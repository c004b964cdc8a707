"""Versions of all that makes files; nothing is imported to find out."""

from __future__ import annotations

import importlib.metadata
import re
import site
import sys
from collections.abc import Iterable
from functools import cache
from pathlib import Path

__all__ = ["Versions"]

_REQUIREMENT = re.compile(r"\s*([A-Za-z0-9][A-Za-z0-9._-]*)\s*(?:\[([^\]]*)\])?")
_EXTRA = re.compile(r"""extra\s*==\s*["']([^"']+)["']""")


class Versions:
    """What is installed now; each distribution is read once.

    It is the same in every process. Some packages add a folder of their own to the path when they
    are imported, with copies of others (Ray's thirdparty_files, setuptools' _vendor): these aren't
    installed.
    """

    def __init__(self) -> None:
        installed = {Path(folder) for folder in (*site.getsitepackages(), *_of_the_user())}
        path = tuple(place for place in sys.path if installed.isdisjoint(Path(place).parents))
        self._read = cache(lambda name: _installed(name, path))

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


def _of_the_user() -> list[str]:
    """Where ``pip install --user`` puts packages, if this Python looks there."""
    return [site.getusersitepackages()] if site.ENABLE_USER_SITE else []


def _installed(name: str, path: tuple[str, ...]) -> tuple[str, tuple[str, ...]]:
    """Version and requirements; nothing where it isn't installed in any folder of a path."""
    for found in importlib.metadata.distributions(name=name, path=list(path)):
        return found.version, tuple(found.requires or ())
    return "", ()


def _plain(name: str) -> str:
    """A name as all its spellings mean it."""
    return re.sub(r"[-_.]+", "-", name.strip()).lower()
