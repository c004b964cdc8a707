"""Where weights come from, and under which license; PyTorch isn't loaded for it."""

from __future__ import annotations

from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import UsageError
from ..texts import short
from .checksums import checksum_of
from .download import fetch
from .licenses import license_beside

if TYPE_CHECKING:
    from .catalog import Entry

__all__ = ["RANDOM", "WeightsOrigin", "origin_of", "seed_of"]

RANDOM = "random:"


@dataclass(frozen=True, slots=True)
class WeightsOrigin:
    """What is known of weights without reading them.

    Attributes:
        file: Its name, ``random:SEED``, or ``(in memory)``.
        path: Where it is; None where it is no file.
        source: Where it was published, or in words where it is from.
        license: As far as it is known.
    """

    file: str
    path: Path | None
    source: str
    license: str


def origin_of(
    entry: Entry | None, factory: str, weights: str | PathLike[str] | None
) -> WeightsOrigin:
    """Where the weights of a network are; the catalog's own are fetched where they aren't here.

    Args:
        entry: Of the catalog, if the network is.
        factory: What it is called.
        weights: A file, ``random:SEED``, or None for the catalog's own.

    Raises:
        DownloadError: The catalog's own can't be fetched.
        UsageError: There is no such seed.
        InputError, OSError: The file can't be read.
    """
    if weights is None and entry is None:
        return WeightsOrigin("(in memory)", None, f"as {factory} made it", "not stated")
    if isinstance(weights, str) and weights.startswith(RANDOM):
        source = f"drawn from seed {seed_of(weights)}: untrained, for trying the tool"
        return WeightsOrigin(weights, None, source, "none needed")
    if weights is None and entry is not None:
        path, unknown = fetch(entry, progress=False), entry.origin
    else:
        path, unknown = Path(weights or ""), ""
    page = (_page(entry, path) if entry else "") or unknown
    stated = entry.license if entry and page else license_beside(path)
    return WeightsOrigin(path.name, path, page or "given as a file", stated or "not stated")


def seed_of(weights: str) -> int:
    """Of ``random:SEED``.

    Raises:
        UsageError: It has none.
    """
    seed = weights.removeprefix(RANDOM)
    if not (seed.isascii() and seed.isdecimal() and len(seed) <= 10 and int(seed) < 2**32):
        raise UsageError(
            f"{short(weights)} has no seed.", "Write a number from 0 to 4294967295: random:0."
        )
    return int(seed)


def _page(entry: Entry, path: Path) -> str:
    """Where a file was published, known by its checksum; empty for any other file."""
    for known in entry.sources:
        if known.checksum is not None:
            algorithm, digits = known.checksum
            if checksum_of(path, algorithm) == digits:
                return known.page
    return ""
