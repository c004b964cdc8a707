"""What an isolated runner is asked, and what it answers; images, masks and tensors go beside it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from ..artifacts.manifest import Artifact
from ..processes.messages import Vocabulary
from ..specs import Amount
from .costs.counting import Cost
from .intermediates.nodes import NodeInfo

__all__ = [
    "ANSWERS",
    "REQUESTS",
    "Answer",
    "Ask",
    "Build",
    "Infer",
    "Job",
    "Loaded",
    "Node",
    "Peak",
    "Ran",
    "Ready",
    "Refused",
    "Saturating",
]


@dataclass(frozen=True, slots=True)
class Build:
    """For eager PyTorch: a function that gives the module, named so that a process can call it.

    Attributes:
        function: ``module:function``.
        arguments: Plain values.
    """

    function: str
    arguments: dict[str, str]


@dataclass(frozen=True, slots=True)
class Job:
    """Be the runner of an artifact; the answer is `Ready`. See `IsolatedRunner`."""

    path: str
    artifact: Artifact
    threads: int | None
    memory: int
    build: Build | None
    compute_units: str
    runtime: str


@dataclass(frozen=True, slots=True)
class Ask:
    """``load`` the file, and say `Loaded`; ``count`` its `Cost`; name what is `Saturating`; give a
    `Node` for each of its ``intermediates``; or say what the `Peak` of the ``memory`` was."""

    what: Literal["load", "count", "saturating", "intermediates", "memory"]


@dataclass(frozen=True, slots=True)
class Infer:
    """Draw the mask of the image that comes along so many times, after so many that warm it up,
    and for at least so many seconds."""

    warm_up: int
    runs: int
    seconds: float


@dataclass(frozen=True, slots=True)
class Ready:
    """The runtime was imported."""


@dataclass(frozen=True, slots=True)
class Loaded:
    """What is known of a file once it is loaded."""

    runtime: str
    emulated: bool
    load_ms: Amount


@dataclass(frozen=True, slots=True)
class Ran:
    """Milliseconds of each run, and of the warm-up; the mask (1, C, H, W) comes along."""

    milliseconds: list[Amount]
    warm_up: Amount


@dataclass(frozen=True, slots=True)
class Saturating:
    """Operations that can saturate, see `runtimes.saturation`."""

    names: list[str]


@dataclass(frozen=True, slots=True)
class Node:
    """The values of a node come along; after the last one, None."""

    info: NodeInfo | None


@dataclass(frozen=True, slots=True)
class Peak:
    """The most memory that was resident, in MB."""

    megabytes: Amount


@dataclass(frozen=True, slots=True)
class Refused:
    """What was asked can't be done: the file is at fault, nothing here runs it, or memory ended."""

    kind: Literal["broken", "unavailable", "memory"]
    what: str = ""
    remedy: str = ""


Answer = Ready | Loaded | Ran | Cost | Saturating | Node | Peak | Refused
REQUESTS: Vocabulary[Job | Ask | Infer] = Vocabulary(Job, Ask, Infer)
ANSWERS: Vocabulary[Answer] = Vocabulary(Ready, Loaded, Ran, Cost, Saturating, Node, Peak, Refused)
