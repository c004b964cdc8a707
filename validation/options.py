"""What a user says of a run: made once, and handed on whole."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from torch import nn

__all__ = ["LatencyMode", "NetworkOptions", "RunOptions"]

LatencyMode = Literal["none", "standard", "release"]


@dataclass(frozen=True, slots=True)
class NetworkOptions:
    """The network to compare with, where it is not all in the bundle.

    Attributes:
        network: ``package.module:factory`` or a name of the catalog, instead of the manifest's;
            or the network itself, which then can't be timed beside the files.
        weights: A checkpoint, instead of the weights that the bundle holds.
        weights_key: Which weights, where the checkpoint holds several sets.
    """

    network: nn.Module | str | None = None
    weights: Path | None = None
    weights_key: str | None = None


@dataclass(frozen=True, slots=True)
class RunOptions:
    """Which artifacts of a bundle are run, on which photos, beside which network, how often, and
    within which limits.

    What each means, and in which unit, stands at `validate.validate`, whose arguments they are.
    """

    images: Path | None = None
    masks: Path | None = None
    targets: tuple[str, ...] = ("all",)
    size: int | str | tuple[int, int] | None = None
    network: NetworkOptions = field(default_factory=NetworkOptions)
    latency: LatencyMode = "standard"
    threads: int | None = None
    time_limit: float | None = None
    memory_limit: int | None = None
    compute_units: str = ""
    runtime: str = ""
    resume: bool = False
    force: bool = False
    require_signature: Path | None = None
