"""The processes of a run's artifacts: kept alive between turns, as long as memory allows."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import psutil

from ..artifacts.manifest import Artifact
from ..runtimes.isolated import Build, IsolatedRunner, Limits, Loaded

__all__ = ["Job", "Pool", "memory_budget"]


@dataclass(frozen=True, slots=True)
class Job:
    """One thing to run: an artifact, or the network itself.

    Attributes:
        artifact: Its entry in the manifest; made up for the network itself.
        path: The file.
        build: For the network itself: what gives the module.
    """

    artifact: Artifact
    path: Path
    build: Build | None = None

    @property
    def target(self) -> str:
        """Its name in results."""
        return self.artifact.target


class Pool:
    """Loaded runners by target. A context manager; leaving it ends all processes.

    Args:
        threads: CPU threads of each.
        limits: What each may take.
        budget: Bytes that all of them may have resident together; the one used longest ago
            makes room, and is loaded again when its turn comes.
        compute_units: For Core ML on macOS.
        runtime: Which of a format's runtimes; the first where empty.
        force: Run files that aren't those of their manifest.

    Attributes:
        load_seconds: Spent waiting for processes and files.
    """

    def __init__(
        self,
        threads: int,
        limits: Limits,
        budget: int,
        compute_units: str = "",
        runtime: str = "",
        *,
        force: bool = False,
    ) -> None:
        self.load_seconds = 0.0
        self._make: Callable[[Job], IsolatedRunner] = lambda job: IsolatedRunner(
            job.artifact,
            job.path,
            threads=threads,
            limits=limits,
            build=job.build,
            compute_units=compute_units,
            runtime=runtime,
            force=force,
        )
        self._budget = budget
        self._loaded: dict[str, tuple[IsolatedRunner, Loaded]] = {}  # the one used last comes last
        self._started: dict[str, IsolatedRunner] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        for runner in [*self._started.values(), *(pair[0] for pair in self._loaded.values())]:
            runner.close()

    def start(self, job: Job) -> None:
        """Let a job's process import its runtime; it is loaded by `runner`."""
        if job.target in self._loaded or job.target in self._started:
            return
        runner = self._started[job.target] = self._make(job)
        runner.start()

    def runner(self, job: Job) -> tuple[IsolatedRunner, Loaded]:
        """A job's runner, loaded.

        Raises:
            ArtifactError, RunnerError: As `IsolatedRunner.load`; the process is ended.
        """
        pair = self._loaded.pop(job.target, None)
        if pair is None:
            began = time.monotonic()
            self.start(job)
            runner = self._started.pop(job.target)
            try:
                pair = runner, runner.load()
            except BaseException:
                runner.close()
                raise
            finally:
                self.load_seconds += time.monotonic() - began
        self._loaded[job.target] = pair
        return pair

    def make_room(self) -> None:
        """End the processes used longest ago, until the others are within the budget."""
        sizes = {target: pair[0].resident_memory() for target, pair in self._loaded.items()}
        while (
            len(self._loaded) > 1 and sum(sizes[target] for target in self._loaded) > self._budget
        ):
            self.drop(next(iter(self._loaded)))

    def drop(self, target: str) -> None:
        """End a job's process."""
        if target in self._started:
            self._started.pop(target).close()
        if target in self._loaded:
            self._loaded.pop(target)[0].close()


def memory_budget() -> int:
    """Sixty percent of the memory that is available now, in bytes."""
    return int(psutil.virtual_memory().available * 0.6)
