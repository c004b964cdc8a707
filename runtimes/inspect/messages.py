"""What the process that reads files is asked, and what it answers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from ...processes.messages import Vocabulary
from .findings import Acceptance, Inspected

__all__ = ["ANSWERS", "REQUESTS", "Answer", "Read", "Refused", "Tried"]


@dataclass(frozen=True, slots=True)
class Read:
    """Read a file. The answer is what was `Inspected` and then what was `Tried`, or `Refused`."""

    path: str
    memory: int


@dataclass(frozen=True, slots=True)
class Tried:
    """What takes the file; comes last, because runtimes have their word in it."""

    accelerators: list[Acceptance]


@dataclass(frozen=True, slots=True)
class Refused:
    """The file is ``broken``, a tool is ``missing`` (package and extra), or ``memory`` ended."""

    kind: Literal["broken", "missing", "memory"]
    what: str = ""
    remedy: str = ""
    package: str = ""
    extra: str = ""


Answer = Inspected | Tried | Refused
REQUESTS: Vocabulary[Read] = Vocabulary(Read)
ANSWERS: Vocabulary[Answer] = Vocabulary(Inspected, Tried, Refused)
