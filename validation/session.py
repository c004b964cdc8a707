"""One validation run: every artifact drawn, compared and timed, beside the reference."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import filelock
import numpy as np
from numpy.typing import NDArray

from ..artifacts.bundle import Bundle, describe_files
from ..artifacts.manifest import Artifact, Tensor
from ..errors import LostError, MaskportError, NotCoveredError, RunnerError, UsageError
from ..imaging.convert import mask_for_photo
from ..models.devices import best_device
from ..models.prepared import Reference, check_range
from ..runtimes.worker import Build, Limits, Worker
from ..specs import ModelSpec
from .judge import Judge, Judged, truth_values
from .latency import Schedule
from .ledger import Ledger
from .maps import MapStore
from .metrics import SaliencyScores
from .photoset import PhotoSet, Source
from .pool import Job, Pool, memory_budget
from .reference import VIEWS, Origin
from .results import PhotoResult

__all__ = ["Event", "Findings", "Order", "Watcher", "validation_run"]

# Of the slowest a file may be, beside the reference on the same machine.
SLOWEST = 60
LEAST_SECONDS = 60.0
LOAD_SECONDS = 120.0


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened.

    Attributes:
        kind: ``stage`` (a text), ``started``, ``photo`` (done of total), ``round`` (done of
            total), ``ended`` (nothing is left to do for the target now), ``lost`` (why).
        target: Empty for stages.
    """

    kind: Literal["stage", "started", "photo", "round", "ended", "lost"]
    target: str = ""
    text: str = ""
    done: int = 0
    total: int = 0


Watcher = Callable[[Event], None]


@dataclass(frozen=True, slots=True)
class Order:
    """What is to be found out.

    Attributes:
        bundle: Whose files.
        targets: Which of its artifacts.
        spec: The bundle's.
        reference: The untouched network; None where only latency is wanted.
        origin: How a process builds it again to be timed; None where it can't.
        sources: The photos.
        compare: Compare masks; else the first photo is only used to be timed on.
        schedule: When to time; None for never.
        threads: CPU threads of every runtime.
        time_limit: Seconds for one photo; by the reference's own time where None.
        memory_limit: Bytes for one process.
        keep_maps: Keep the masks for a report.
        work: Folder for what a run keeps while it lasts.
        resume: Take up what an earlier run left in it.
        compute_units: For Core ML on macOS.
    """

    bundle: Bundle
    targets: tuple[Artifact, ...]
    spec: ModelSpec
    reference: Reference | None
    origin: Origin | None
    sources: tuple[Source, ...]
    compare: bool
    schedule: Schedule | None
    threads: int
    time_limit: float | None
    memory_limit: int
    keep_maps: bool
    work: Path
    resume: bool
    compute_units: str = ""


@dataclass(frozen=True, slots=True)
class Findings:
    """What a run has found; `assemble.results_of` makes results of it.

    Attributes:
        ledger: Facts by target.
        jobs: What was run, in order.
        photos: What it was run on.
        device: Where the reference ran.
        reference_truth: The reference's own masks against the ground truth, by photo.
        scores: Ground-truth scores by target; ``""`` for the reference.
        total_s: Seconds of this run.
        inference_s: Of these, in runs.
        load_s: Of these, waiting for processes and files.
    """

    ledger: Ledger
    jobs: tuple[Job, ...]
    photos: PhotoSet
    maps: MapStore
    device: str
    reference_truth: list[PhotoResult]
    scores: dict[str, SaliencyScores]
    total_s: float
    inference_s: float
    load_s: float


@contextlib.contextmanager
def validation_run(order: Order, watch: Watcher) -> Iterator[Findings]:
    """Run it. What was found stays on disk until the block ends well.

    Raises:
        UsageError: Another run of the same bundle is going on.
        MaskportError: The reference or the photos can't be used. What an artifact does is never
            raised: it is a finding.
    """
    order.work.mkdir(parents=True, exist_ok=True)
    lock = filelock.FileLock(order.work / "lock", timeout=0)
    try:
        lock.acquire()
    except filelock.Timeout as exc:
        raise UsageError(
            f"Another validation of {order.bundle.path} is running.", "Wait until it has ended."
        ) from exc
    try:
        yield _Session(order, watch).run()
        for left in order.work.iterdir():
            if left.name != "lock":
                shutil.rmtree(left) if left.is_dir() else left.unlink()
    finally:
        lock.release()


class _Session:
    """The state of one run."""

    def __init__(self, order: Order, watch: Watcher) -> None:
        self.order, self.watch = order, watch
        self.inference_ms = 0.0
        self.scores: dict[str, SaliencyScores] = {}
        self.maps = MapStore(order.work / "maps")
        self.photos = PhotoSet(order.sources, order.spec.image, order.work)
        self.jobs = (*self._files(), *self._views())

    def run(self) -> Findings:
        began = time.monotonic()
        order = self.order
        self.stage("reading the photos")
        self.ledger = Ledger(order.work / "journal.jsonl", self._identity(), resume=order.resume)
        if not self.ledger.resumed:
            shutil.rmtree(self.maps.folder, ignore_errors=True)
        self.photos.prepare(self.maps.save_photo if order.keep_maps else _drop)
        device = best_device()
        truths = self._draw_references(device) if order.compare else []
        limits = Limits(LOAD_SECONDS, self._time_limit(), order.memory_limit)
        with Pool(order.threads, limits, memory_budget(), order.compute_units) as pool:
            self.pool = pool
            for job, following in zip(self.jobs, [*self.jobs[1:], None], strict=True):
                self._guarded(job, lambda job=job, f=following: self._examine(job, f))  # type: ignore[misc]
            if order.schedule is not None:
                self._take_turns(order.schedule)
            load_seconds = pool.load_seconds
        self.ledger.close()
        return Findings(
            ledger=self.ledger,
            jobs=self.jobs,
            photos=self.photos,
            maps=self.maps,
            device=device,
            reference_truth=truths,
            scores=self.scores,
            total_s=time.monotonic() - began,
            inference_s=self.inference_ms / 1e3,
            load_s=load_seconds,
        )

    def stage(self, text: str) -> None:
        self.watch(Event("stage", text=text))

    def _files(self) -> Iterator[Job]:
        for artifact in self.order.targets:
            yield Job(artifact, self.order.bundle.path / artifact.path)

    def _views(self) -> Iterator[Job]:
        """The network itself, timed as a file would be."""
        origin = self.order.origin
        if origin is None:
            return
        for view in VIEWS:
            arguments = {
                "bundle": str(self.order.bundle.path),
                "network": origin.network,
                "weights": str(origin.weights),
                "view": view,
            }
            build = Build(f"{__package__}.reference:network_view", arguments)
            yield Job(_stand_in(view, self.order.spec), origin.weights, build)

    def _identity(self) -> str:
        """Changes with whatever would make an earlier run's findings another's."""
        order = self.order
        contents = {}
        for job in self.jobs:
            with contextlib.suppress(OSError):
                contents[job.target] = describe_files(job.path, job.path.parent)[2]
        values = {
            "manifest": order.bundle.manifest.model_dump(mode="json"),
            "files": contents,
            "photos": self.photos.identity,
            "compare": order.compare,
            "schedule": repr(order.schedule),
            "threads": order.threads,
            "maps": order.keep_maps,
            "units": order.compute_units,
        }
        return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()

    def _time_limit(self) -> float:
        if self.order.time_limit is not None:
            return self.order.time_limit
        return max(LEAST_SECONDS, SLOWEST * self.reference_seconds)

    reference_seconds = 0.0

    def _draw_references(self, device: str) -> list[PhotoResult]:
        """What the untouched network draws, kept in a file; its ground-truth results."""
        order = self.order
        assert order.reference is not None  # noqa: S101  (there is one where masks are compared)
        image, mask = order.spec.image, order.spec.mask
        file = order.work / "references.npy"
        shape = (len(self.photos), mask.channels, image.height, image.width)
        known = self.ledger.resumed and file.is_file()
        self.references = np.lib.format.open_memmap(
            file, "r+" if known else "w+", np.float32, None if known else shape
        )
        missing = [
            p for p in range(len(self.photos)) if not (known and self.ledger.reference_drawn(p))
        ]
        drawn = order.reference.drawing((self.photos.inputs[p] for p in missing), device)
        with contextlib.closing(drawn):  # type: ignore[type-var]
            for count, position in enumerate(missing, 1):
                self.stage(f"drawing the reference's masks on {device} {count}/{len(missing)}")
                began = time.monotonic()
                self.references[position] = next(drawn)
                spent = time.monotonic() - began
                self.reference_seconds = max(self.reference_seconds, spent)
                self.inference_ms += spent * 1e3
                check_range(self.references[position], order.spec)
                if order.keep_maps:
                    own = mask_for_photo(self.references[position], mask, *shape[2:])
                    self.maps.save_reference(position, own)
                self.ledger.enter("drawn", position=position)
        return self._reference_truth()

    def _reference_truth(self) -> list[PhotoResult]:
        if not self.photos.wants_truth:
            return []
        scores = self.scores[""] = SaliencyScores()
        results = []
        for position, photo in enumerate(self.photos.photos):
            final = mask_for_photo(
                self.references[position], self.order.spec.mask, photo.height, photo.width
            )
            truth = truth_values(self.photos, position, final[None], scores)
            results.append(PhotoResult(photo=photo.name, metrics={}, truth=truth))
        return results

    def _guarded(self, job: Job, action: Callable[[], None]) -> None:
        """What goes wrong with an artifact is a finding about it."""
        if self.ledger.of(job.target).lost is not None:
            return
        try:
            action()
        except (RunnerError, MaskportError) as exc:
            status = "broken"
            if isinstance(exc, LostError):
                status = exc.kind
            elif isinstance(exc, NotCoveredError):
                status = "unavailable"
            elif not job.path.exists():
                status = "missing"
            self.pool.drop(job.target)
            self.ledger.enter("lost", job.target, status=status, reason=exc.what)
            self.watch(Event("lost", job.target, exc.what))

    def _examine(self, job: Job, following: Job | None) -> None:
        """Load a file, run it once, count it, and compare its masks."""
        facts = self.ledger.of(job.target)
        wanted = self._positions(job)
        todo = [p for p in wanted if p not in facts.photos]
        if not todo and facts.first_ms is not None and facts.peak_memory_mb is not None:
            return
        self.watch(Event("started", job.target, "loading"))
        worker, loaded = self.pool.worker(job)
        self.pool.make_room()
        if not facts.runtime:
            self.ledger.enter(
                "loaded",
                job.target,
                runtime=loaded.runtime,
                emulated=loaded.emulated,
                load_ms=loaded.load_ms,
            )
        if facts.first_ms is None:
            _, milliseconds = self._run(worker, 0)
            self.ledger.enter("first", job.target, ms=milliseconds)
        if following is not None:
            self.pool.start(following)
        self._compare(job, worker, todo, len(wanted))
        self.ledger.enter("memory", job.target, mb=worker.peak_memory_mb())
        if job.build is None and facts.cost is None:
            self._count(job, worker)
        if self.order.schedule is None or facts.emulated:
            self.pool.drop(job.target)
        self.watch(Event("ended", job.target))

    def _positions(self, job: Job) -> range:
        """The photos that a job is compared on.

        The network itself on the CPU is the reference, where that ran there too.
        """
        same = job.target == VIEWS[0] and best_device() == "cpu"
        return range(len(self.photos) if self.order.compare and not same else 0)

    def _compare(self, job: Job, worker: Worker, todo: list[int], total: int) -> None:
        """Draw each photo while the mask of the one before it is judged."""
        if not todo:
            return
        facts = self.ledger.of(job.target)
        scores = None
        if self.photos.wants_truth:
            scores, todo = self._scores(job.target, todo)
        maps = self.maps if self.order.keep_maps else None
        judge = Judge(self.photos, self.references, self.order.spec.mask, maps)
        pending: tuple[int, Future[Judged]] | None = None

        def settle() -> None:
            if pending is None:
                return
            position, judged = pending[0], pending[1].result()
            if scores is not None:
                scores.save(self._scores_file(job.target))
            result = judged.result.model_dump(mode="json")
            self.ledger.enter(
                "photo", job.target, position=position, result=result, sweep=judged.sweep
            )
            self.watch(Event("photo", job.target, done=len(facts.photos), total=total))

        with ThreadPoolExecutor(1) as executor:
            for position in todo:
                mask, _ = self._run(worker, position)
                settle()
                judged = executor.submit(judge.judge, job.target, position, mask, scores)
                pending = position, judged
            settle()

    def _run(self, worker: Worker, position: int) -> tuple[NDArray[np.float32], float]:
        mask, milliseconds = worker.run(self.photos.inputs[position][None])
        self.inference_ms += milliseconds
        return mask, milliseconds

    def _scores(self, target: str, todo: list[int]) -> tuple[SaliencyScores, list[int]]:
        """The ground-truth scores to go on with, and what is to be drawn for them.

        Where the scores on disk are not those of the journal's photos, all are drawn again.
        """
        facts = self.ledger.of(target)
        scores = SaliencyScores.load(self._scores_file(target)) if facts.photos else None
        measured = sum(1 for result in facts.photos.values() if result.truth is not None)
        if scores is None or len(scores) != measured:
            scores, todo = SaliencyScores(), list(range(len(self.photos)))
        self.scores[target] = scores
        return scores, todo

    def _scores_file(self, target: str) -> Path:
        return self.order.work / f"scores-{hashlib.sha256(target.encode()).hexdigest()[:16]}.npz"

    def _count(self, job: Job, worker: Worker) -> None:
        cost: dict[str, Any] | None = None
        reason = ""
        try:
            cost = worker.cost()
        except LostError:
            raise
        except RunnerError as exc:
            reason = exc.what
        self.ledger.enter("cost", job.target, cost=cost, reason=reason)

    def _take_turns(self, schedule: Schedule) -> None:
        """Time the files in rounds; each round begins with another file."""
        jobs = [job for job in self.jobs if not self.ledger.of(job.target).emulated]
        for number in range(schedule.rounds):
            turn = number % max(len(jobs), 1)
            for job in (*jobs[turn:], *jobs[:turn]):
                if len(self.ledger.of(job.target).rounds) <= number:
                    self._guarded(
                        job,
                        lambda job=job, number=number: self._time(job, schedule, number),  # type: ignore[misc]
                    )

    def _time(self, job: Job, schedule: Schedule, number: int) -> None:
        self.watch(Event("round", job.target, done=number, total=schedule.rounds))
        worker, _ = self.pool.worker(job)
        self.pool.make_room()
        times, warm_up_ms = worker.time(
            self.photos.inputs[0][None],
            warm_up=schedule.warm_up,
            runs=schedule.runs,
            seconds=schedule.seconds,
        )
        self.inference_ms += sum(times) + warm_up_ms
        self.ledger.enter("round", job.target, times=times)
        self.watch(Event("round", job.target, done=number + 1, total=schedule.rounds))


def _stand_in(view: str, spec: ModelSpec) -> Artifact:
    """What the manifest would say of the network itself, were it a file."""
    image = spec.image
    return Artifact(
        target=view,
        path="reference",
        format="pytorch",
        precision="fp32",
        bytes=0,
        sha256="0" * 64,
        files=[{"path": "reference", "bytes": 0, "sha256": "0" * 64}],  # type: ignore[list-item]
        inputs=[
            Tensor(
                name="image",
                shape=[1, 3, image.height, image.width],
                dtype="float32",
                layout="NCHW",
            )
        ],
        outputs=[
            Tensor(
                name="mask",
                shape=[1, spec.mask.channels, image.height, image.width],
                dtype="float32",
                layout="NCHW",
            )
        ],
    )


def _drop(_position: int, _pixels: NDArray[np.uint8]) -> None:
    """No report is wanted, so no photo is kept."""


def default_threads() -> int:
    """The CPUs that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
