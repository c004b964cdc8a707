"""What the process of an isolated runner does: it is asked by its parent, and answers.

It has no secrets and nothing to keep: a file that takes it down ends this process only, and where
the kernel has Landlock it can't write, connect or start anything else.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import MaskportError, MissingToolError, NotCoveredError, UsageError
from ..loading import load
from ..processes.inside import Parent
from ..processes.messages import Array
from ..processes.sandbox import confine, forbid_writing, peak_memory
from . import isolated_messages as messages
from .base import Runner
from .runners import runner_for

__all__ = ["main"]


def main(parent: Parent) -> None:
    """Serve requests, of which the first is the job, until the parent ends this process."""
    served: _Served | None = None
    for request, array in parent.requests(messages.REQUESTS):
        try:
            if isinstance(request, messages.Job):
                confine(request.memory)
                served = _Served(request)
                if request.build is None:  # what is imported may be compiled, so after that
                    forbid_writing(Path(tempfile.gettempdir()))
                parent.send(messages.Ready())
                continue
            assert served is not None  # noqa: S101  (the job comes first)
            if array is not None:
                served.image = array
            for answer, values in served.answers(request):
                parent.send(answer, values)
        except MemoryError:
            parent.send(messages.Refused("memory"))
            return
        except MaskportError as exc:
            here = not isinstance(exc, MissingToolError | NotCoveredError | UsageError)
            parent.send(messages.Refused("broken" if here else "unavailable", exc.what, exc.remedy))
            if served is None:
                return


class _Served:
    """One artifact's runner, and the requests it serves."""

    def __init__(self, job: messages.Job) -> None:
        self.path = Path(job.path)
        self.artifact = job.artifact
        self.threads = job.threads
        self.image: Array = np.zeros((1, 3, 1, 1), np.float32)
        self.runner = self._runner(job.build, job.runtime)
        if job.compute_units and hasattr(self.runner, "compute_units"):
            self.runner.compute_units = job.compute_units
        self.runner.prepare()

    def _runner(self, build: messages.Build | None, runtime: str) -> Runner:
        if build is None:
            return runner_for(self.artifact, self.path, self.threads, runtime)
        from .pytorch import PyTorchRunner

        function: Callable[..., Any] = load(build.function)
        return PyTorchRunner(
            self.path,
            self.artifact,
            threads=self.threads,
            build=lambda: function(**build.arguments),
        )

    def answers(
        self, request: messages.Ask | messages.Infer
    ) -> Iterator[tuple[messages.Answer, Array | None]]:
        if isinstance(request, messages.Infer):
            yield self._run(request)
            return
        runner = self.runner
        match request.what:
            case "load":
                runner.__enter__()
                yield messages.Loaded(runner.name, runner.emulated, runner.load_seconds * 1e3), None
            case "count":
                from .costs.counting import cost_of

                yield cost_of(self.artifact, self.path), None
            case "saturating":
                from .saturation import saturating

                yield messages.Saturating(saturating(self.artifact, self.path)), None
            case "intermediates":
                from .intermediates.stream import intermediates

                for node, values in intermediates(
                    self.artifact, self.path, self.image, self.threads
                ):
                    yield messages.Node(node), values
                yield messages.Node(None), None
            case "memory":
                yield messages.Peak(peak_memory() / 1e6), None

    def _run(self, request: messages.Infer) -> tuple[messages.Ran, Array]:
        began = time.perf_counter()
        for _ in range(request.warm_up):
            self.runner.run(self.image)
        warm_up_ms = (time.perf_counter() - began) * 1e3
        times: list[float] = []
        while len(times) < request.runs or sum(times) < request.seconds * 1e3:
            started = time.perf_counter()
            mask = self.runner.run(self.image)
            times.append((time.perf_counter() - started) * 1e3)
        return messages.Ran(times, warm_up_ms), mask
