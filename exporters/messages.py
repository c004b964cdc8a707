"""What the parts of an export run say to each other: orders to a lane, and what has happened."""

from __future__ import annotations

from dataclasses import dataclass

from pydantic import FiniteFloat

from ..artifacts.manifest import Artifact
from ..processes.messages import Vocabulary

__all__ = ["NEWS", "ORDERS", "Failed", "Finished", "Make", "News", "Started", "Step", "Stop"]


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
    """What is being done, and how far it is.

    Attributes:
        text: What.
        target: For which target; empty where it serves several.
        done: So much of it,
        total: of so much; 0 where that is unknown.
    """

    text: str
    target: str = ""
    done: int = 0
    total: int = 0


@dataclass(frozen=True, slots=True)
class Finished:
    """A target was made, and holds.

    Attributes:
        target: Its name.
        artifact: Its entry in the manifest.
        seconds: It took.
        tools: Versions of what made it.
    """

    target: str
    artifact: Artifact
    seconds: FiniteFloat
    tools: dict[str, str]


@dataclass(frozen=True, slots=True)
class Failed:
    """A target can't be made.

    Attributes:
        target: Its name.
        reason: In words.
        missed: It was nothing but a budget that no recipe holds.
    """

    target: str
    reason: str
    missed: bool = False


News = Started | Step | Finished | Failed
ORDERS: Vocabulary[Make | Stop] = Vocabulary(Make, Stop)
NEWS: Vocabulary[News] = Vocabulary(Started, Step, Finished, Failed)
