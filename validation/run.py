"""One validation run: every artifact drawn, compared and timed, beside the reference."""

from __future__ import annotations

import contextlib
import hashlib
import json
import shutil
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import ValidationError

from ..artifacts.bundle import describe_files, verify_artifact
from ..errors import (
    ArtifactError,
    ChangedError,
    ImageError,
    InputError,
    LostError,
    MaskportError,
    NotCoveredError,
    RunnerError,
    UsageError,
)
from ..metrics import drawn_objects
from ..models.checksums import digest_of
from ..models.devices import best_device, device_name
from ..outputs import Busy, held, room_in
from ..runtimes.isolated import Build, IsolatedRunner, Limits, default_memory_limit
from .comparison import Compared, Comparison
from .drawing import draw_references, score_references
from .journal import Journal, packed
from .latency import Schedule
from .machine import this_machine
from .maps import MapStore
from .photoset import PhotoSet
from .pool import Job, Pool, memory_budget
from .reference import VIEWS, view_artifact
from .request import Findings, ValidationEvent, ValidationRequest, Watcher
from .results import Cost, PhotoResult

__all__ = ["jobs_of", "validation_run"]

# How slow a file may be: so many times the reference on the same CPU, and always some seconds.
SLOWEST = 60
LEAST_SECONDS = 60.0
# Where there is no reference to go by.
UNKNOWN_SECONDS = 600.0
LOAD_SECONDS = 120.0
# What an interrupted run left is kept so long.
KEPT_SECONDS = 14 * 24 * 3600


@contextlib.contextmanager
def validation_run(request: ValidationRequest, watch: Watcher) -> Iterator[Findings]:
    """Run it. What was found stays on disk until the block ends well.

    Raises:
        UsageError: The same run is going on in another process.
        MaskportError: The reference or the photos can't be used. What an artifact does is never
            raised: it is a finding.
    """
    validation = _Validation(request, watch)
    folder = validation.folder
    try:
        with contextlib.ExitStack() as stack:
            try:
                _forget_old_runs(request.work)
                folder.mkdir(parents=True, exist_ok=True)
                stack.enter_context(held(folder))
            except Busy as exc:
                raise UsageError(
                    f"The same run of {request.bundle.path} is going on in another process.",
                    "Wait until it has ended.",
                ) from exc
            except OSError as exc:
                raise InputError(
                    f"{request.work} can't be written: {exc.strerror or exc}.",
                    "What is measured is kept there meanwhile; set MASKPORT_CACHE to another "
                    "folder.",
                ) from exc
            with room_in(folder):
                findings = validation.run()
            yield findings
            shutil.rmtree(folder, ignore_errors=True)
    finally:
        with contextlib.suppress(OSError):
            request.work.rmdir()  # where nothing of another run lies there


class _Validation:
    """The state of one run."""

    def __init__(self, request: ValidationRequest, watch: Watcher) -> None:
        self.request, self.watch = request, watch
        self.inference_ms = 0.0
        self.device = best_device()
        self.jobs = jobs_of(request)
        self.identity = self._identity()
        self.folder = request.work / self.identity[:16]
        self.maps = MapStore(self.folder / "maps")
        self.photos = PhotoSet(request.photos.sources, request.spec.image, self.folder)

    def run(self) -> Findings:
        request = self.request
        for job in self.jobs:
            self.watch(ValidationEvent("queued", job.target))
        self._stage("reading the photos")
        journal = self.folder / "journal.jsonl"
        self.journal = Journal(journal, self.identity, resume=request.options.resume)
        kept_maps = self.maps if request.keep_maps else None
        self.photos.prepare(
            kept_maps.save_photo if kept_maps else lambda position, pixels: None, self._stage
        )
        truths: list[PhotoResult] = []
        rows: list[NDArray[np.float64]] = []
        if request.reference is not None:
            file = self.folder / "references"
            spec = request.spec.mask
            drawing = time.monotonic()
            self.references = draw_references(
                request.reference,
                self.photos,
                self.device,
                file,
                self.journal,
                kept_maps,
                self._stage,
                request.threads,
            )
            self.inference_ms += (time.monotonic() - drawing) * 1e3
            self.photos.tell(
                [drawn_objects(mask[None], spec.threshold)[0] for mask in self.references]
            )
            rows, truths = score_references(self.photos, self.references, spec)
        options = request.options
        with Pool(
            request.threads,
            self._limits(),
            memory_budget(),
            options.compute_units,
            options.runtime,
            force=options.force,
        ) as pool:
            self.pool = pool
            for job, following in zip(self.jobs, [*self.jobs[1:], None], strict=True):
                self._guarded(job, partial(self._examine, job, following))
            if request.schedule is not None:
                self._take_turns(request.schedule)
        self.journal.close()
        return Findings(
            journal=self.journal,
            jobs=self.jobs,
            photos=self.photos.photos if request.reference else [],
            truth_left_out=self.photos.truth_left_out,
            maps=self.maps,
            device=self.device,
            device_name=device_name(self.device),
            reference_truth=truths,
            reference_rows=rows,
            intact={a.target: not verify_artifact(request.bundle, a) for a in request.targets},
            machine=this_machine(),
            threads=request.threads,
            inference_s=self.inference_ms / 1e3,
            load_s=pool.load_seconds,
        )

    def _stage(self, text: str) -> None:
        self.watch(ValidationEvent("stage", text=text))

    def _identity(self) -> str:
        """Changes with whatever would make an earlier run's findings another's."""
        request = self.request
        contents = {}
        for job in self.jobs:
            with contextlib.suppress(OSError, ArtifactError):  # what is wrong is told of the file
                # A view's weights may be a link of the user's; what a bundle holds lies in it.
                inside = None if job.build else request.bundle.path
                found = describe_files(job.path, job.path.parent, inside=inside)
                contents[job.target] = found[2]
        values = {
            "manifest": request.bundle.manifest.model_dump(mode="json"),
            "files": contents,
            "network": digest_of(request.reference.network) if request.reference else "",
            "views": [job.build.arguments if job.build else {} for job in self.jobs],
            "device": self.device,
            "photos": request.photos.identity,
            "schedule": repr(request.schedule),
            "threads": request.threads,
            "maps": request.keep_maps,
            "units": request.options.compute_units,
            "runtime": request.options.runtime,
            "maskport": version("maskport"),
        }
        return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()

    def _limits(self) -> Limits:
        request = self.request
        if request.options.time_limit is not None:
            seconds = request.options.time_limit
        elif request.reference is None:
            seconds = UNKNOWN_SECONDS
        else:
            seconds = max(LEAST_SECONDS, SLOWEST * self.journal.reference_seconds)
        memory = request.options.memory_limit or default_memory_limit()
        return Limits(max(LOAD_SECONDS, seconds), seconds, memory)

    def _guarded(self, job: Job, action: Callable[[], None]) -> None:
        """What goes wrong with an artifact is a finding about it."""
        if self.journal.of(job.target).lost is not None:
            return
        try:
            action()
        except ImageError:  # of a mask that was there when the run began
            raise
        except MaskportError as exc:
            status = "broken"
            if isinstance(exc, LostError):
                status = exc.kind
            elif isinstance(exc, NotCoveredError):
                status = "unavailable"
            elif isinstance(exc, ChangedError):
                status = "changed"
            elif not job.path.exists():
                status = "missing"
            self.pool.drop(job.target)
            reason = f"{exc.what.rstrip('.')}. {exc.remedy}".strip()
            self.journal.enter("lost", job.target, status=status, reason=reason)
            self.watch(ValidationEvent("lost", job.target, reason))

    def _examine(self, job: Job, following: Job | None) -> None:
        """Load a file, run it once, compare its masks, and count it."""
        facts = self.journal.of(job.target)
        wanted = self._positions(job)
        todo = [position for position in wanted if position not in facts.photos]
        unread = job.build is None and facts.saturating is None
        uncounted = job.build is None and facts.cost is None and not facts.no_cost
        if not todo and facts.peak_memory_mb is not None and not (unread or uncounted):
            return
        self.watch(ValidationEvent("started", job.target, "loading"))
        runner, loaded = self.pool.runner(job)
        self.pool.make_room()
        if not facts.runtime:
            said = {name: getattr(loaded, name) for name in ("runtime", "emulated", "load_ms")}
            self.journal.enter("loaded", job.target, **said)
        if facts.first_ms is None:
            _, milliseconds = self._run(runner, 0)
            self.journal.enter("first", job.target, ms=milliseconds)
        if following is not None:
            self.pool.start(following)
        self._compare(job, runner, todo, len(wanted))
        if facts.peak_memory_mb is None:
            self.journal.enter("memory", job.target, mb=runner.peak_memory_mb())
        if unread:
            self.journal.enter("saturating", job.target, names=runner.saturating())
        if uncounted:
            self._count(job, runner)
        if self.request.schedule is None or facts.emulated:
            self.pool.drop(job.target)
        self.watch(ValidationEvent("ended", job.target))

    def _positions(self, job: Job) -> range:
        """The photos that a job is compared on.

        The network itself on the CPU is the reference, where that ran there too.
        """
        compared = self.request.reference is not None
        same = job.target == VIEWS[0] and self.device == "cpu"
        return range(len(self.photos) if compared and not same else 0)

    def _compare(
        self,
        job: Job,
        runner: IsolatedRunner,
        todo: list[int],
        total: int,
    ) -> None:
        """Draw each photo while the mask of the one before it is compared."""
        if not todo:
            return
        facts = self.journal.of(job.target)
        maps = self.maps if self.request.keep_maps else None
        comparison = Comparison(self.photos, self.references, self.request.spec.mask, maps)
        pending: tuple[int, Future[Compared]] | None = None

        def settle() -> None:
            if pending is None:
                return
            position, compared = pending[0], pending[1].result()
            self.journal.enter(
                "photo",
                job.target,
                position=position,
                result=compared.result.model_dump(mode="json"),
                sweep=compared.sweep,
                row=None if compared.row is None else packed(compared.row),
            )
            self.watch(ValidationEvent("photo", job.target, done=len(facts.photos), total=total))

        with ThreadPoolExecutor(1) as executor:
            for position in todo:
                mask, _ = self._run(runner, position)
                if mask.shape[1:] != self.references.shape[1:]:
                    raise RunnerError(
                        f"{job.path.name} draws masks of shape {mask.shape[1:]}, the network "
                        f"those of shape {self.references.shape[1:]}.",
                        "It is not a file of this network; export the bundle again.",
                    )
                settle()
                compared = executor.submit(comparison.compare, job.target, position, mask)
                pending = position, compared
            settle()

    def _run(self, runner: IsolatedRunner, position: int) -> tuple[NDArray[np.float32], float]:
        mask, milliseconds = runner.run(self.photos.inputs[position][None])
        self.inference_ms += milliseconds
        return mask, milliseconds

    def _count(self, job: Job, runner: IsolatedRunner) -> None:
        """The static cost; a file that can't be counted may be fine otherwise."""
        cost: dict[str, Any] | None = None
        reason = ""
        try:
            cost = Cost.model_validate(runner.cost(), from_attributes=True).model_dump()
        except RunnerError as exc:
            reason = exc.what
            if isinstance(exc, LostError):
                self.pool.drop(job.target)
        except ValidationError:
            reason = f"The count of {job.path.name} makes no sense."
        self.journal.enter("cost", job.target, cost=cost, reason=reason)

    def _take_turns(self, schedule: Schedule) -> None:
        """Time the files in rounds; each round begins with another file."""
        jobs = [job for job in self.jobs if not self.journal.of(job.target).emulated]
        for number in range(schedule.rounds):
            turn = number % max(len(jobs), 1)
            for job in (*jobs[turn:], *jobs[:turn]):
                if len(self.journal.of(job.target).rounds) <= number:
                    self._guarded(job, partial(self._time, job, schedule, number))

    def _time(self, job: Job, schedule: Schedule, number: int) -> None:
        text = f"timing, round {number + 1} of {schedule.rounds}"
        self.watch(ValidationEvent("started", job.target, text))
        runner, _ = self.pool.runner(job)
        self.pool.make_room()
        times, warm_up_ms = runner.time(
            self.photos.inputs[0][None],
            warm_up=schedule.warm_up,
            runs=schedule.runs,
            seconds=schedule.seconds,
        )
        self.inference_ms += sum(times) + warm_up_ms
        self.journal.enter("round", job.target, times=times)
        self.watch(ValidationEvent("round", job.target, done=number + 1, total=schedule.rounds))


def jobs_of(request: ValidationRequest) -> tuple[Job, ...]:
    """The files; and the network itself, run as a file would be, where a process can build it."""
    origin, path = request.origin, request.bundle.path
    files = [Job(artifact, path / artifact.path) for artifact in request.targets]
    if origin is None:
        return tuple(files)
    image = request.spec.image
    arguments = {
        "bundle": str(path),
        "size": f"{image.height}x{image.width}",
        "network": origin.network,
        "weights": str(origin.weights),
        "weights_key": origin.key or "",
    }
    build = f"{__package__}.reference:network_view"
    views = [
        Job(
            view_artifact(view, request.spec),
            origin.weights,
            Build(build, {**arguments, "view": view}),
        )
        for view in VIEWS
    ]
    return (*files, *views)


def _forget_old_runs(work: Path) -> None:
    """Remove what interrupted runs left that nobody went on with."""
    for folder in work.parent.glob("*/*"):
        with contextlib.suppress(OSError):
            if folder.is_dir() and time.time() - folder.stat().st_mtime > KEPT_SECONDS:
                shutil.rmtree(folder)
