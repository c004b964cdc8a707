"""The parent's side of the lanes: starting them, and hearing what became of targets."""

from __future__ import annotations

import queue
import signal
from collections.abc import Iterable, Iterator, Sequence
from typing import IO

from ..formats import Target
from ..processes.child import Child, Heard, how_it_ended
from ..processes.messages import Garbled
from .failures import reason_of
from .messages import NEWS, Failed, Finished, Make, News, Stop

__all__ = ["Lanes"]

# No GPU: conversion needs none, and would take its memory. A fixed hash seed: SDKs name things in
# the order of their sets, and the same inputs shall give the same bytes. Threads sleep while they
# wait, as the other lanes need the processor.
_ENVIRONMENT = {
    "CUDA_VISIBLE_DEVICES": "-1",
    "OMP_WAIT_POLICY": "PASSIVE",
    "PYTHONHASHSEED": "0",
    "PYTHONUNBUFFERED": "1",
}


class Lanes:
    """Child processes, one a lane, at most ``jobs`` at a time. A context manager: leaving it
    ends every process that still runs, and what those have started.

    Args:
        command: What a lane runs, as `Child` takes it; see `lane.main`.
        log: Where everything goes that the lanes and their SDKs print.
        jobs: How many lanes run at once.
    """

    def __init__(self, command: Sequence[str], log: IO[bytes], jobs: int) -> None:
        self._command = command
        self._log = log
        self._jobs = jobs
        self._heard: queue.Queue[tuple[_Lane, Heard[News]]] = queue.Queue()
        self._waiting: dict[str, list[str]] = {}
        self._running: dict[str, _Lane] = {}
        self._not_started: list[Failed] = []

    def __enter__(self) -> Lanes:
        return self

    def __exit__(self, *exc: object) -> None:
        for lane in self._running.values():
            lane.child.close()
        self._running.clear()

    def warm_up(self, rows: Iterable[Target]) -> None:
        """Start the lanes of these targets, so that they import while others work."""
        for name in dict.fromkeys(row.lane for row in rows):
            self._waiting.setdefault(name, [])
        self._fill()

    def order(self, rows: Iterable[Target]) -> None:
        """Have these targets made; their intermediates are on disk."""
        for row in rows:
            lane = self._running.get(row.lane)
            if lane is not None and not lane.stopping:
                lane.order(row.name)
            else:
                self._waiting.setdefault(row.lane, []).append(row.name)
        self._fill()

    def finish(self) -> Iterator[News]:
        """Everything that still happens, until every ordered target has ended."""
        for lane in self._running.values():
            lane.stop()
        self._fill(last=True)
        while self._running:
            yield from self._handle(*self._heard.get())
            self._fill(last=True)
        yield from self._not_started

    def so_far(self) -> Iterator[News]:
        """What has happened since, without waiting."""
        while not self._heard.empty():
            yield from self._handle(*self._heard.get())

    def _fill(self, *, last: bool = False) -> None:
        for name in list(self._waiting):
            if len(self._running) >= self._jobs:
                return
            if name in self._running:
                continue
            targets = self._waiting.pop(name)
            if last and not targets:
                continue
            lane = self._running[name] = _Lane(name, self._command, self._log, self._heard)
            try:
                lane.child.start()
            except (OSError, RuntimeError) as exc:  # no more processes, memory or threads
                self._running.pop(name).child.close()
                if self._running:  # there may be when one of these has ended
                    self._waiting[name] = targets
                    self._jobs = len(self._running)
                    return
                self._not_started += [_not_started(target, exc) for target in targets]
                continue
            for target in targets:
                lane.order(target)
            if last:
                lane.stop()

    def _handle(self, lane: _Lane, heard: Heard[News]) -> Iterator[News]:
        if isinstance(heard, tuple):
            message, _ = heard
            if isinstance(message, Finished | Failed):
                if message.target not in lane.pending:
                    return  # nobody asked for it
                if isinstance(message, Finished) and message.artifact.target != message.target:
                    heard = Garbled(f"{message.artifact.target[:40]!r} for {message.target}")
                else:
                    lane.pending.remove(message.target)
        if isinstance(heard, tuple):
            yield heard[0]
            return
        ended = lane.end(heard)
        self._running.pop(lane.name, None)
        if lane.pending:  # it died with the first of them; the others get a new process
            crashed, *rest = lane.pending
            reason = f"The process that made it {ended}. The log has the SDK's last words."
            yield Failed(crashed, reason)
            if rest:
                self._waiting.setdefault(lane.name, [])[:0] = rest


def _not_started(target: str, exc: Exception) -> Failed:
    reason = (
        f"The process that makes it could not be started: {reason_of(exc)}\n"
        "Close other programs, or raise the limits of processes and memory (ulimit -a)."
    )
    return Failed(target, reason)


class _Lane:
    """One process, and the targets that it was told to make and has not ended."""

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        log: IO[bytes],
        heard: queue.Queue[tuple[_Lane, Heard[News]]],
    ) -> None:
        self.name = name
        self.pending: list[str] = []
        self.stopping = False
        self.child = Child(
            command, NEWS, log, lambda something: heard.put((self, something)), _ENVIRONMENT
        )

    def order(self, target: str) -> None:
        self.pending.append(target)
        self.child.send(Make(target))

    def stop(self) -> None:
        if not self.stopping:
            self.stopping = True
            self.child.send(Stop())

    def end(self, last: Garbled | None) -> str:
        """How the process ended, in words; one that sends nonsense is ended."""
        code = 0 if last else self.child.wait()
        self.child.close()
        if last:
            return f"sent nonsense: {last}"
        if code == -signal.SIGKILL:
            return "was killed (often because the memory was full)"
        return f"crashed ({how_it_ended(code)})" if code < 0 else f"ended with {how_it_ended(code)}"
