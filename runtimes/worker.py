"""Runs an artifact in a process of its own, with a time limit and a memory limit.

Artifacts are files from anywhere, and native runtimes crash, hang or exhaust the memory on
malformed ones. Here that is an error of that artifact, with its cause.
"""

from __future__ import annotations

import contextlib
import math
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from multiprocessing import Pipe
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
import psutil
from numpy.typing import NDArray

from ..artifacts.manifest import Artifact
from ..errors import LostError, NotCoveredError, RunnerError
from ..signals import held_back
from .refusals import remedy
from .wire import Garbled, receive, send

__all__ = ["Build", "Limits", "Loaded", "Worker", "default_memory_limit"]

# How often a waiting parent looks at the clock and at the process's memory, in seconds.
_LOOK = 0.1
_NO_MEMORY = (
    "bad_alloc",
    "can't allocate memory",
    "cannot allocate memory",
    "failed to allocate",
    "out of memory",
)


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
class Loaded:
    """What is known of a file once it is loaded."""

    runtime: str
    emulated: bool
    load_ms: float


class Worker:
    """One artifact in a process of its own. A context manager; leaving it ends the process.

    Args:
        artifact: Its entry in the manifest.
        path: Where the file is.
        threads: CPU threads.
        limits: What it may take.
        build: Where it is no file but the network itself.
        compute_units: For Core ML on macOS.
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
    ) -> None:
        self.artifact = artifact
        self.path = path
        self.limits = limits
        self._job = {
            "path": str(path),
            "artifact": artifact.model_dump(mode="json"),
            "threads": threads,
            "memory": limits.memory,
            "build": None
            if build is None
            else {"function": build.function, "arguments": build.arguments},
            "compute_units": compute_units,
        }
        self._process: subprocess.Popen[bytes] | None = None
        self._ready = False
        self._run_seconds = 0.0

    def start(self) -> None:
        """Begin: the process imports its runtime while we do something else."""
        if self._process is not None:
            return
        self._channel, theirs = Pipe()
        self._words = tempfile.TemporaryFile()  # noqa: SIM115  (`close` closes it)
        with theirs, held_back():
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-m", f"{__package__}.worker_main", str(theirs.fileno())],
                stdin=subprocess.PIPE,
                stdout=self._words,
                stderr=self._words,
                pass_fds=[theirs.fileno()],
                start_new_session=True,  # Ctrl-C is ours to handle
            )
        self._send(self._job)  # where it died at once, the first answer will tell

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the process, whatever it is doing."""
        if self._process is None:
            return
        self._kill()
        self._process.wait()
        if self._process.stdin is not None:
            self._process.stdin.close()
        self._channel.close()
        self._words.close()
        self._process = None
        self._ready = False

    def load(self) -> Loaded:
        """Wait until the runtime is there, and load the file.

        Raises:
            NotCoveredError, MissingToolError: Nothing here can run it.
            LostError: The process crashed, hung or took too much memory.
            RunnerError: The runtime refuses the file.
        """
        self._await_runtime()
        answer = self._ask({"do": "load"}, self.limits.load, "loading")
        return Loaded(
            runtime=str(answer.get("runtime", "")),
            emulated=answer.get("emulated") is True,
            load_ms=self._number(answer.get("load_ms")),
        )

    def run(self, image: NDArray[np.float32]) -> tuple[NDArray[np.float32], float]:
        """The mask (1, C, H, W) of an image (1, 3, H, W) in [0, 1], and the milliseconds.

        Raises:
            RunnerError, LostError: As `load`.
        """
        send_failed = self._send({"do": "run"}, image)
        answer, mask = self._received(self.limits.run, "running", send_failed)
        if mask is None or mask.ndim != 4 or mask.shape[0] != 1:
            raise self._nonsense("an answer without a mask")
        milliseconds = self._number(answer.get("ms"))
        self._run_seconds = max(self._run_seconds, milliseconds / 1e3)
        return mask, milliseconds

    def time(
        self, image: NDArray[np.float32], *, warm_up: int, runs: int, seconds: float
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
        request = {"do": "time", "warm_up": warm_up, "runs": runs, "seconds": seconds}
        send_failed = self._send(request, image)
        answer, _ = self._received(limit, "running", send_failed)
        times = answer.get("times_ms")
        if not isinstance(times, list) or len(times) < runs:
            raise self._nonsense("an answer without times")
        return [self._number(value) for value in times], self._number(answer.get("warm_up_ms"))

    def cost(self) -> dict[str, Any]:
        """MACs, bytes of weights and operations by kind, as `runtimes.costs` counts them.

        Raises:
            RunnerError, LostError: As `load`; or it can't be counted.
        """
        cost = self._ask({"do": "cost"}, self.limits.load, "counting").get("cost")
        if not isinstance(cost, dict):
            raise self._nonsense("an answer without a count")
        return cost

    def saturating(self) -> list[str]:
        """Operations that can saturate on some processors, see `runtimes.saturation`.

        Raises:
            RunnerError, LostError: As `load`; or the file can't be read.
        """
        answer = self._ask({"do": "saturating"}, self.limits.load, "reading")
        names = answer.get("saturating")
        if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
            raise self._nonsense("an answer without names")
        return names

    def peak_memory_mb(self) -> float:
        """The most memory that the process has had resident, in MB.

        Raises:
            LostError: The process is gone.
        """
        answer = self._ask({"do": "memory"}, self.limits.load, "answering")
        return self._number(answer.get("peak_mb"))

    def intermediates(
        self, image: NDArray[np.float32]
    ) -> Iterator[tuple[dict[str, Any], NDArray[np.float32]]]:
        """The file's intermediate tensors for an image, as `runtimes.intermediates` gives them.

        The file need not be loaded. Where the caller stops half-way, the process is ended, and
        the next call starts another.

        Raises:
            RunnerError, LostError: As `load`.
        """
        self._await_runtime()
        send_failed = self._send({"do": "intermediates"}, image)
        ended = False
        try:
            while True:
                limit = self.limits.load + self.limits.run
                answer, values = self._received(limit, "running", send_failed)
                if "end" in answer:
                    ended = True
                    return
                if values is None or "node" not in answer:
                    raise self._nonsense("a node without values")
                yield answer["node"], values
        finally:
            if not ended:
                self.close()

    def resident_memory(self) -> int:
        """Bytes that the process has resident now; 0 where it is gone."""
        if self._process is None:
            return 0
        try:
            return int(psutil.Process(self._process.pid).memory_info().rss)
        except psutil.Error:
            return 0

    def _ask(self, request: dict[str, Any], limit: float, doing: str) -> dict[str, Any]:
        send_failed = self._send(request)
        return self._received(limit, doing, send_failed)[0]

    def _await_runtime(self) -> None:
        """Wait until the process has imported what it needs; it says so once."""
        self.start()
        if not self._ready:
            self._received(self.limits.load, "starting its runtime", None)
            self._ready = True

    def _send(
        self, request: dict[str, Any], image: NDArray[np.float32] | None = None
    ) -> OSError | None:
        try:
            # A process that doesn't read would hold us as long as it likes.
            with self._ended_after(self.limits.load):
                send(self._channel, request, image)
        except OSError as exc:  # it is gone; why, is told by what it left
            return exc
        return None

    @contextlib.contextmanager
    def _ended_after(self, seconds: float) -> Iterator[None]:
        """End the process if the block takes longer."""
        timer = threading.Timer(seconds, self._kill)
        timer.daemon = True
        timer.start()
        try:
            yield
        finally:
            timer.cancel()

    def _number(self, value: object) -> float:
        """A finite number of an answer."""
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise self._nonsense("an answer without a number")
        if not math.isfinite(value):
            raise self._nonsense(f"{value} for a number")
        return float(value)

    def _received(
        self, limit: float, doing: str, send_failed: OSError | None
    ) -> tuple[dict[str, Any], NDArray[np.float32] | None]:
        """An answer within ``limit`` seconds, or the error that stands for its absence."""
        if send_failed is not None:
            raise self._death(doing)
        deadline = time.monotonic() + limit
        try:
            while not self._channel.poll(_LOOK):
                self._look(deadline, limit, doing)
            # What trickles in must not hold us longer than what doesn't come at all.
            with self._ended_after(max(deadline - time.monotonic(), 0) + 1):
                message, array = receive(self._channel)
        except (EOFError, OSError):
            raise self._death(doing) from None
        except Garbled as exc:
            raise self._nonsense(str(exc)) from exc
        if "error" in message:
            raise self._error(message)
        return message, array

    def _look(self, deadline: float, limit: float, doing: str) -> None:
        if time.monotonic() > deadline:
            self._kill()
            raise LostError(
                "timed-out",
                f"{self.path.name} took more than {limit:.0f} s for {doing}.",
                "Give it more with --time-limit SECONDS, if it is only slow.",
            )
        if self.resident_memory() > self.limits.memory:
            self._kill()
            raise self._out_of_memory(doing)

    def _error(self, message: dict[str, Any]) -> RunnerError:
        what, remedy = str(message.get("what", "")), str(message.get("remedy", ""))
        if message["error"] == "memory" or any(sign in what.lower() for sign in _NO_MEMORY):
            return self._out_of_memory("running")
        if message["error"] == "unavailable":
            return NotCoveredError(what, remedy)
        return RunnerError(what, remedy)

    def _death(self, doing: str) -> LostError:
        """Why the process is gone."""
        assert self._process is not None  # noqa: S101  (nothing is asked of a closed worker)
        try:
            code = self._process.wait(5)
        except subprocess.TimeoutExpired:
            self._kill()
            code = self._process.wait()
        words = self._last_words()
        if any(sign in words.lower() for sign in _NO_MEMORY):
            return self._out_of_memory(doing)
        how = f"exit code {code}"
        if code < 0:
            with contextlib.suppress(ValueError):
                how = signal.Signals(-code).name
        said = f": {words}" if words else ""
        return LostError(
            "crashed",
            f"The process that ran {self.path.name} died while {doing} ({how}){said}.",
            self._remedy("Its runtime has a bug: use another target, or another release."),
        )

    def _nonsense(self, what: str) -> LostError:
        self._kill()
        return LostError(
            "crashed",
            f"The process that ran {self.path.name} sent nonsense: {what}.",
            self._remedy("Report it."),
        )

    def _remedy(self, intact: str) -> str:
        """What to do about a process that is lost, by whether its file is what it should be."""
        if self._job["build"] is not None:
            return "It was PyTorch with the network's own code; the files are judged all the same."
        return remedy(self.artifact, self.path, intact)

    def _out_of_memory(self, doing: str) -> LostError:
        return LostError(
            "out-of-memory",
            f"{self.path.name} took more than {self.limits.memory / 1e9:.1f} GB while {doing}.",
            "Give it more with --memory-limit GB, if the file is sound.",
        )

    def _last_words(self) -> str:
        """The last line that the process wrote, at most 200 characters of it."""
        size = self._words.seek(0, os.SEEK_END)
        self._words.seek(max(0, size - 4096))
        text = self._words.read().decode("utf-8", "replace")
        lines = [line.strip() for line in text.splitlines() if line.strip()]
        return "".join(c if c.isprintable() else " " for c in lines[-1][:200]) if lines else ""

    def _kill(self) -> None:
        if self._process is not None and self._process.poll() is None:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self._process.pid, signal.SIGKILL)


def default_memory_limit() -> int:
    """Half of the machine's memory, in bytes."""
    return int(psutil.virtual_memory().total // 2)
