"""Runs an artifact in a process of its own, with a time limit and a memory limit.

Artifacts are files from anywhere, and native runtimes crash, hang or exhaust the memory on
malformed ones. Here that is an error of that artifact, with its cause.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Self, TypeVar

import psutil

from ..artifacts.manifest import Artifact
from ..errors import LostError, NotCoveredError, RunnerError
from ..processes.child import how_it_ended
from ..processes.limits import LimitedChild, TooMuchMemory, says_no_memory
from ..processes.messages import Array, Garbled
from . import isolated_messages as messages
from .base import planes_shape
from .costs.counting import Cost
from .intermediates.nodes import NodeInfo
from .isolated_messages import Build, Loaded
from .refusals import check_unchanged, remedy

__all__ = ["Build", "IsolatedRunner", "Limits", "Loaded", "default_memory_limit"]

Expected = TypeVar("Expected", bound=messages.Answer)

_CHILD = f"{__package__}.isolated_child:main"


@dataclass(frozen=True, slots=True)
class Limits:
    """What one artifact may take.

    Attributes:
        load: Seconds to start its runtime, and again to load the file.
        run: Seconds for one photo.
        memory: Bytes that its process may have resident, its runtime included.
    """

    load: float
    run: float
    memory: int


class IsolatedRunner:
    """One artifact in a process of its own. A context manager; leaving it ends the process.

    Args:
        artifact: Its entry in the manifest.
        path: Where the file is.
        threads: CPU threads.
        limits: What it may take.
        build: Where it is no file but the network itself.
        compute_units: For Core ML on macOS.
        runtime: Which of the format's runtimes; the first where empty.
        force: Run the file although it isn't the one that the manifest describes.
    """

    def __init__(
        self,
        artifact: Artifact,
        path: Path,
        *,
        threads: int | None,
        limits: Limits,
        build: Build | None = None,
        compute_units: str = "",
        runtime: str = "",
        force: bool = False,
    ) -> None:
        self.artifact = artifact
        self.path = path
        self.limits = limits
        self._job = messages.Job(
            str(path), artifact, threads, limits.memory, build, compute_units, runtime
        )
        self._unchecked = build is None and not force
        self._started = self._ready = False
        self._run_seconds = 0.0

    def start(self) -> None:
        """Begin: the process imports its runtime while we do something else."""
        if self._started:
            return
        self._words = tempfile.TemporaryFile()  # noqa: SIM115  (`close` closes it)
        self._child = LimitedChild([_CHILD], messages.ANSWERS, self._words, self.limits.memory)
        self._started = True
        self._child.start()
        # Where it died at once, the first answer will tell.
        self._child.send_within(self.limits.load, self._job)

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def close(self) -> None:
        """End the process, whatever it is doing."""
        if self._started:
            self._child.close()
            self._words.close()
            self._started = self._ready = False

    def load(self) -> Loaded:
        """Wait until the runtime is there, and load the file.

        Raises:
            ChangedError: The file is not the one that the manifest describes.
            ArtifactError: It can't be read.
            NotCoveredError, MissingToolError: Nothing here can run it.
            LostError: The process crashed, hung or took too much memory.
            RunnerError: The runtime refuses the file.
        """
        self._await_runtime()
        return self._ask(messages.Ask("load"), Loaded, self.limits.load, "loading")[0]

    def run(self, image: Array) -> tuple[Array, float]:
        """The mask (1, C, H, W) of an image (1, 3, H, W) in [0, 1], and the milliseconds.

        Raises:
            RunnerError, LostError: As `load`.
        """
        ran, mask = self._run(messages.Infer(0, 1, 0), image, self.limits.run)
        self._run_seconds = max(self._run_seconds, ran.milliseconds[0] / 1e3)
        return mask, ran.milliseconds[0]

    def time(
        self, image: Array, *, warm_up: int, runs: int, seconds: float
    ) -> tuple[list[float], float]:
        """Milliseconds of at least ``runs`` runs that last at least ``seconds`` together.

        Returns:
            One number a run, and the milliseconds of the warm-up.

        Raises:
            RunnerError, LostError: As `load`.
        """
        if not self._run_seconds:
            self.run(image)  # how long a run takes says how long many of them may
        limit = self.limits.run + 2 * seconds + 10 * (warm_up + runs) * self._run_seconds
        ran, _ = self._run(messages.Infer(warm_up, runs, seconds), image, limit)
        return ran.milliseconds, ran.warm_up

    def cost(self) -> Cost:
        """MACs, bytes of weights and operations by kind, as `runtimes.costs` counts them.

        Raises:
            RunnerError, LostError: As `load`; or it can't be counted.
        """
        return self._ask(messages.Ask("count"), Cost, self.limits.load, "counting")[0]

    def saturating(self) -> list[str]:
        """Operations that can saturate on some processors, see `runtimes.saturation`.

        Raises:
            RunnerError, LostError: As `load`; or the file can't be read.
        """
        request, expected = messages.Ask("saturating"), messages.Saturating
        return self._ask(request, expected, self.limits.load, "reading")[0].names

    def peak_memory_mb(self) -> float:
        """The most memory that the process has had resident, in MB.

        Raises:
            LostError: The process is gone.
        """
        request, expected = messages.Ask("memory"), messages.Peak
        return self._ask(request, expected, self.limits.load, "answering")[0].megabytes

    def intermediates(self, image: Array) -> Iterator[tuple[NodeInfo, Array]]:
        """The file's intermediate tensors for an image, as `runtimes.intermediates` gives them.

        The file need not be loaded. Where the caller stops half-way, the process is ended, and
        the next call starts another.

        Raises:
            RunnerError, LostError: As `load`.
        """
        self._await_runtime()
        limit = self.limits.load + self.limits.run
        self._child.send_within(self.limits.load, messages.Ask("intermediates"), image)
        ended = False
        try:
            while True:
                node, values = self._answer(messages.Node, limit, "running")
                if node.info is None:
                    ended = True
                    return
                if values is None:
                    raise self._nonsense("a node without values")
                yield node.info, values
        finally:
            if not ended:
                self.close()

    def resident_memory(self) -> int:
        """Bytes that the process has resident now; 0 where it is gone."""
        return self._child.resident_memory() if self._started else 0

    def _run(
        self, request: messages.Infer, image: Array, limit: float
    ) -> tuple[messages.Ran, Array]:
        ran, mask = self._ask(request, messages.Ran, limit, "running", image)
        if mask is None:
            raise self._nonsense("an answer without a mask")
        if mask.shape != (expected := _drawn_shape(self.artifact)):
            raise self._nonsense(f"a mask of shape {mask.shape} instead of {expected}")
        if len(ran.milliseconds) < request.runs:
            raise self._nonsense("an answer without times")
        # What was waited for; limits of later runs are reckoned from what earlier ones took.
        if sum(ran.milliseconds) + ran.warm_up > limit * 1e3:
            raise self._nonsense(f"times of more than the {limit:.0f} s that it was given")
        return ran, mask

    def _ask(
        self,
        request: messages.Ask | messages.Infer,
        expected: type[Expected],
        limit: float,
        doing: str,
        image: Array | None = None,
    ) -> tuple[Expected, Array | None]:
        """The answer to a request."""
        self._child.send_within(self.limits.load, request, image)
        return self._answer(expected, limit, doing)

    def _await_runtime(self) -> None:
        """Wait until the process has imported what it needs; it says so once. Meanwhile the file is
        held against the manifest: nothing of it is read there before."""
        self.start()
        if self._unchecked:
            check_unchanged(self.artifact, self.path)
            self._unchecked = False
        if not self._ready:
            self._answer(messages.Ready, self.limits.load, "starting its runtime")
            self._ready = True

    def _answer(
        self, expected: type[Expected], limit: float, doing: str
    ) -> tuple[Expected, Array | None]:
        """An answer within ``limit`` seconds, or the error that stands for its absence."""
        try:
            answer, array = self._child.receive(limit)
        except TimeoutError:
            raise LostError(
                "timed-out",
                f"{self.path.name} took more than {limit:.0f} s for {doing}.",
                "Give it more with --time-limit SECONDS, if it is only slow.",
            ) from None
        except TooMuchMemory:
            raise self._out_of_memory(doing) from None
        except EOFError:
            raise self._death(doing) from None
        except Garbled as exc:
            raise self._nonsense(str(exc)) from exc
        if isinstance(answer, messages.Refused):
            if answer.kind == "memory" or says_no_memory(answer.what):
                raise self._out_of_memory("running")
            error = NotCoveredError if answer.kind == "unavailable" else RunnerError
            raise error(answer.what, answer.remedy)
        if not isinstance(answer, expected):
            raise self._nonsense(f"{type(answer).__name__} for {expected.__name__}")
        return answer, array

    def _death(self, doing: str) -> LostError:
        """Why the process is gone."""
        how = how_it_ended(self._child.wait())
        words = self._child.last_words()
        if says_no_memory(words):
            return self._out_of_memory(doing)
        said = f": {words}" if words else ""
        return LostError(
            "crashed",
            f"The process that ran {self.path.name} died while {doing} ({how}){said}.",
            self._remedy("Its runtime has a bug: use another target, or another release."),
        )

    def _nonsense(self, what: str) -> LostError:
        self._child.kill()
        return LostError(
            "broken",
            f"The process that ran {self.path.name} sent nonsense: {what}.",
            self._remedy("Report it."),
        )

    def _remedy(self, intact: str) -> str:
        """What to do about a process that is lost, by whether its file is what it should be."""
        if self._job.build is not None:
            return "It was PyTorch with the network's own code; the files are judged all the same."
        return remedy(self.artifact, self.path, intact)

    def _out_of_memory(self, doing: str) -> LostError:
        return LostError(
            "out-of-memory",
            f"{self.path.name} took more than {self.limits.memory / 1e9:.1f} GB while {doing}.",
            "Give it more with --memory-limit GB, if the file is sound.",
        )


def _drawn_shape(artifact: Artifact) -> tuple[int, ...]:
    """Of the mask that a file draws, (1, C, H, W)."""
    output = artifact.outputs[0]
    shape = planes_shape(output)
    chosen = output.reading is not None and output.reading.channel is not None
    return (shape[0], 1, *shape[2:]) if chosen else shape


def default_memory_limit() -> int:
    """Half of the machine's memory, in bytes."""
    return int(psutil.virtual_memory().total // 2)
