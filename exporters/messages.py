"""What the parts of an export run say to each other: requests to a lane, and what has happened."""

from __future__ import annotations

from dataclasses import dataclass

from ..artifacts.manifest import Artifact
from ..processes.messages import Vocabulary
from ..specs import Amount, Count

__all__ = [
    "NEWS",
    "REQUESTS",
    "Failed",
    "Finished",
    "Make",
    "News",
    "Note",
    "Started",
    "Step",
    "Stop",
]


@dataclass(frozen=True, slots=True)
class Make:
    """To a lane: a target, whose intermediates are on disk."""

    target: str


@dataclass(frozen=True, slots=True)
class Stop:
    """To a lane: nothing else will be ordered."""


@dataclass(frozen=True, slots=True)
class Started:
    """A target is being made."""

    target: str


@dataclass(frozen=True, slots=True)
class Step:
    """What is being done, for a target or (empty) for several, and how far it is where known."""

    text: str
    target: str = ""
    done: Count = 0
    total: Count = 0


@dataclass(frozen=True, slots=True)
class Note:
    """A line for people that stays."""

    text: str


@dataclass(frozen=True, slots=True)
class Finished:
    """A target was made, and holds; with the versions of what made it."""

    target: str
    artifact: Artifact
    seconds: Amount
    tools: dict[str, str]


@dataclass(frozen=True, slots=True)
class Failed:
    """A target can't be made; ``missed``: it was nothing but a budget that no recipe holds."""

    target: str
    reason: str
    missed: bool = False


News = Started | Step | Note | Finished | Failed
REQUESTS: Vocabulary[Make | Stop] = Vocabulary(Make, Stop)
NEWS: Vocabulary[News] = Vocabulary(Started, Step, Note, Finished, Failed)
