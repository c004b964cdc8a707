"""What a run is asked for, what it tells meanwhile, and what it finds."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from ..artifacts.bundle import Bundle
from ..artifacts.manifest import Artifact
from ..cores import usable_cores
from ..models.prepared import Reference
from ..specs import ModelSpec
from .journal import Journal
from .latency import SCHEDULES, Schedule
from .maps import MapStore
from .options import RunOptions
from .photoset import FoundPhotos
from .pool import Job
from .reference import Origin
from .results import Machine, Photo, PhotoResult

__all__ = ["Findings", "ValidationEvent", "ValidationRequest", "Watcher"]


@dataclass(frozen=True, slots=True)
class ValidationEvent:
    """Something that happened.

    Attributes:
        kind: ``stage`` (a text), ``note`` (a text that is worth a line), ``queued``,
            ``started`` (with what), ``photo`` and ``round`` (done of total),
            ``ended`` (nothing is left to do for the target now), ``lost`` (why).
        target: Empty for stages and notes.
    """

    kind: Literal["stage", "note", "queued", "started", "photo", "round", "ended", "lost"]
    target: str = ""
    text: str = ""
    done: int = 0
    total: int = 0


Watcher = Callable[[ValidationEvent], None]


@dataclass(frozen=True, slots=True)
class ValidationRequest:
    """What is to be found out.

    Attributes:
        bundle: Whose files.
        targets: Which of its artifacts.
        spec: The bundle's.
        reference: The untouched network, to compare with; None where only latency is wanted, of
            the first photo.
        origin: How a process builds it again to be timed; None where it can't.
        photos: What they are run on.
        options: How.
        keep_maps: Keep the masks for a report.
        work: Folder for what a run keeps while it lasts.
    """

    bundle: Bundle
    targets: tuple[Artifact, ...]
    spec: ModelSpec
    reference: Reference | None
    origin: Origin | None
    photos: FoundPhotos
    options: RunOptions
    keep_maps: bool
    work: Path

    @property
    def schedule(self) -> Schedule | None:
        """When to time; None for never."""
        return SCHEDULES[self.options.latency]

    @property
    def threads(self) -> int:
        """CPU threads of every runtime; as many as this process may use CPUs, unless told."""
        return self.options.threads or usable_cores()


@dataclass(frozen=True, slots=True)
class Findings:
    """What a run has found; `assemble.results_of` makes results of it.

    Attributes:
        journal: Facts by target.
        jobs: What was run, in order.
        photos: What masks were compared on; none where only latency was wanted.
        truth_left_out: Photos without usable ground truth, where some have one: why.
        maps: Masks that were kept for a report.
        device: Where the reference ran.
        device_name: Likewise, for people.
        reference_truth: The reference's own masks against the ground truth, by photo.
        reference_rows: Their rows of `metrics.saliency_rows`, of the photos that have one.
        intact: Of each file: it is still the one that the manifest describes.
        machine: Where it was measured.
        threads: CPU threads of what was timed.
        inference_s: Seconds in runs.
        load_s: Seconds waiting for processes and files.
    """

    journal: Journal
    jobs: tuple[Job, ...]
    photos: list[Photo]
    truth_left_out: list[str]
    maps: MapStore
    device: str
    device_name: str
    reference_truth: list[PhotoResult]
    reference_rows: list[NDArray[np.float64]]
    intact: Mapping[str, bool]
    machine: Machine
    threads: int
    inference_s: float
    load_s: float
