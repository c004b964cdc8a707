"""What became of a sweep, as plain values."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

__all__ = ["Failed", "Swept"]


@dataclass(frozen=True, slots=True)
class Failed:
    """A task that came to nothing.

    Attributes:
        label: Which.
        reason: Why.
        exit_code: As of the command that does it alone.
    """

    label: str
    reason: str
    exit_code: int


@dataclass(slots=True)
class Swept:
    """What became of a sweep.

    Attributes:
        place: Where it is kept, as it may be printed.
        photos: Where the photos are from, likewise.
        bundles: That were asked for.
        files: The table: a row a file.
        failed: What came to nothing; its bundles are not in the table.
        not_made: Targets that could not be exported, and why.
        did: Tasks that were done now.
        had: Tasks that were done before.
    """

    place: str
    photos: str
    bundles: int
    files: list[dict[str, Any]] = field(default_factory=list)
    failed: list[Failed] = field(default_factory=list)
    not_made: list[str] = field(default_factory=list)
    did: int = 0
    had: int = 0
