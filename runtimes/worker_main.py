"""The process that runs one artifact: ``python -m maskport.runtimes.worker_main FD``.

It is told what to do over a pipe and answers there; what SDKs print goes to the standard error
stream. It has no secrets and nothing to keep: a file that takes it down ends this process only.
"""

from __future__ import annotations

import ctypes
import importlib
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..artifacts.manifest import Artifact
from ..errors import MaskportError, MissingToolError, NotCoveredError, UsageError
from .base import Runner
from .runners import runner_for
from .wire import receive, send

__all__ = ["main"]

Answer = tuple[dict[str, Any], NDArray[np.float32] | None]


def main(descriptor: int) -> None:
    """Serve requests until the other side hangs up."""
    channel: Connection[Any, Any] = Connection(descriptor)
    _end_with_the_parent()
    os.dup2(2, 1)
    job, _ = receive(channel)
    _limit_memory(job["memory"])
    try:
        desk = _Desk(job)
    except MaskportError as exc:
        send(channel, _refusal(exc))
        return
    send(channel, {"ready": True})
    while True:
        try:
            request, array = receive(channel)
        except (EOFError, OSError):
            return
        try:
            for answer, values in desk.serve(request, array):
                send(channel, answer, values)
        except MemoryError:
            send(channel, {"error": "memory"})
            return
        except MaskportError as exc:
            send(channel, _refusal(exc))


class _Desk:
    """One artifact's runner, and the requests it serves."""

    def __init__(self, job: dict[str, Any]) -> None:
        self.path = Path(job["path"])
        self.artifact = Artifact.model_validate(job["artifact"])
        self.threads = job["threads"]
        self.image: NDArray[np.float32] | None = None
        self.runner = self._runner(job["build"])
        if job["compute_units"] and hasattr(self.runner, "compute_units"):
            self.runner.compute_units = job["compute_units"]
        self.runner.prepare()

    def _runner(self, build: dict[str, Any] | None) -> Runner:
        if build is None:
            return runner_for(self.artifact, self.path, self.threads)
        from .pytorch import PyTorchRunner

        module, _, name = build["function"].partition(":")
        function: Callable[..., Any] = getattr(importlib.import_module(module), name)
        return PyTorchRunner(
            self.path,
            self.artifact,
            threads=self.threads,
            build=lambda: function(**build["arguments"]),
        )

    def serve(self, request: dict[str, Any], array: NDArray[np.float32] | None) -> Iterator[Answer]:
        if array is not None:
            self.image = array
        handler: Callable[..., Iterator[Answer]] = getattr(self, f"_do_{request.pop('do')}")
        return handler(**request)

    def _do_load(self) -> Iterator[Answer]:
        self.runner.__enter__()
        yield (
            {
                "load_ms": self.runner.load_seconds * 1e3,
                "runtime": self.runner.name,
                "emulated": self.runner.emulated,
            },
            None,
        )

    def _do_run(self) -> Iterator[Answer]:
        assert self.image is not None  # noqa: S101  (the parent sends it along)
        started = time.perf_counter()
        mask = self.runner.run(self.image)
        yield {"ms": (time.perf_counter() - started) * 1e3}, mask

    def _do_time(self, warm_up: int, runs: int, seconds: float) -> Iterator[Answer]:
        """At least ``runs`` runs, and at least ``seconds`` of them."""
        assert self.image is not None  # noqa: S101
        began = time.perf_counter()
        for _ in range(warm_up):
            self.runner.run(self.image)
        warm_up_ms = (time.perf_counter() - began) * 1e3
        times: list[float] = []
        total = 0.0
        while len(times) < runs or total < seconds:
            started = time.perf_counter()
            self.runner.run(self.image)
            spent = time.perf_counter() - started
            times.append(spent * 1e3)
            total += spent
        yield {"times_ms": times, "warm_up_ms": warm_up_ms}, None

    def _do_cost(self) -> Iterator[Answer]:
        from .costs.counting import cost_of

        yield {"cost": asdict(cost_of(self.artifact, self.path))}, None

    def _do_saturating(self) -> Iterator[Answer]:
        from .saturation import saturating

        yield {"saturating": saturating(self.artifact, self.path)}, None

    def _do_intermediates(self) -> Iterator[Answer]:
        from .intermediates.stream import intermediates

        assert self.image is not None  # noqa: S101
        for node, values in intermediates(self.artifact, self.path, self.image, self.threads):
            yield {"node": node.to_dict()}, values
        yield {"end": True}, None

    def _do_memory(self) -> Iterator[Answer]:
        yield {"peak_mb": peak_memory() / 1e6}, None


def peak_memory() -> int:
    """The most memory that this process has had resident, in bytes."""
    try:
        # Not ru_maxrss: Linux lets a process inherit its parent's.
        for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    except OSError:
        pass
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss  # bytes on macOS


def _refusal(exc: MaskportError) -> dict[str, Any]:
    kind = "runner"
    if isinstance(exc, MissingToolError | NotCoveredError | UsageError):
        kind = "unavailable"
    return {"error": kind, "what": exc.what, "remedy": exc.remedy}


def _limit_memory(limit: int) -> None:
    """Let huge allocations fail here and now; the parent watches what is really used.

    Runtimes map more than they touch (stacks, arenas), so this is far above the limit.
    """
    import resource

    if sys.platform == "linux":
        most = 2 * limit + (2 << 30)
        resource.setrlimit(resource.RLIMIT_DATA, (most, most))


def _end_with_the_parent() -> None:
    """Two ways, because native code that hangs may keep Python's threads from running."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG

    def wait() -> None:
        sys.stdin.buffer.read()
        os._exit(1)

    threading.Thread(target=wait, daemon=True).start()


if __name__ == "__main__":
    main(int(sys.argv[1]))
