"""The parent's side of the lanes: starting them, ordering targets, hearing what became of them."""

from __future__ import annotations

import json
import os
import queue
import signal
import subprocess
import threading
from collections.abc import Iterable, Iterator, Sequence
from types import TracebackType
from typing import IO, Any, cast

from ..formats import Target
from ..signals import held_back
from .failures import reason_of

__all__ = ["Lanes", "shared_step"]

_ENVIRONMENT = {"CUDA_VISIBLE_DEVICES": "-1", "PYTHONHASHSEED": "0", "PYTHONUNBUFFERED": "1"}


def shared_step(text: str) -> dict[str, Any]:
    """The message of a step that serves several targets."""
    return {"event": "step", "target": "", "text": text}


class Lanes:
    """Worker processes, one a lane, at most ``jobs`` at a time. A context manager: leaving it
    ends every process that still runs, and what those have started.

    Args:
        command: What starts a worker; see `worker.main` for what it is told and answers.
        log: Where everything goes that the workers and their SDKs print.
        jobs: How many lanes run at once.
    """

    def __init__(self, command: Sequence[str], log: IO[bytes], jobs: int) -> None:
        self._command = command
        self._log = log
        self._jobs = jobs
        self._messages: queue.Queue[tuple[_Worker, dict[str, Any] | None]] = queue.Queue()
        self._waiting: dict[str, list[str]] = {}
        self._running: dict[str, _Worker] = {}
        self._not_started: list[dict[str, Any]] = []

    def __enter__(self) -> Lanes:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for worker in self._running.values():
            worker.kill()
        self._running.clear()

    def warm_up(self, rows: Iterable[Target]) -> None:
        """Start the lanes of these targets, so that they import while others work."""
        for lane in dict.fromkeys(row.lane for row in rows):
            self._waiting.setdefault(lane, [])
        self._fill()

    def order(self, rows: Iterable[Target]) -> None:
        """Have these targets made; their intermediates are on disk."""
        for row in rows:
            worker = self._running.get(row.lane)
            if worker is not None and not worker.stopping:
                worker.order(row.name)
            else:
                self._waiting.setdefault(row.lane, []).append(row.name)
        self._fill()

    def finish(self) -> Iterator[dict[str, Any]]:
        """Everything that still happens, until every ordered target has ended."""
        for worker in self._running.values():
            worker.stop()
        self._fill(last=True)
        while self._running:
            yield from self._handle(*self._messages.get())
            self._fill(last=True)
        yield from self._not_started

    def so_far(self) -> Iterator[dict[str, Any]]:
        """What has happened since, without waiting."""
        while not self._messages.empty():
            yield from self._handle(*self._messages.get())

    def _fill(self, *, last: bool = False) -> None:
        for lane in list(self._waiting):
            if len(self._running) >= self._jobs:
                return
            if lane in self._running:
                continue
            names = self._waiting.pop(lane)
            if last and not names:
                continue
            try:
                with held_back():
                    worker = _Worker(lane, self._command, self._log, self._messages)
                    self._running[lane] = worker
            except (OSError, RuntimeError) as exc:  # no more processes, memory or threads
                if self._running:  # there may be when one of these has ended
                    self._waiting[lane] = names
                    self._jobs = len(self._running)
                    return
                self._not_started += [_not_started(name, exc) for name in names]
                continue
            for name in names:
                worker.order(name)
            if last:
                worker.stop()

    def _handle(self, worker: _Worker, message: dict[str, Any] | None) -> Iterator[dict[str, Any]]:
        if message is not None:
            if message["event"] in {"finished", "failed"}:
                worker.pending.remove(message["target"])
            yield message
            return
        ended = worker.wait()
        self._running.pop(worker.lane, None)
        if worker.pending:  # it died with the first of them; the others get a new process
            crashed, *rest = worker.pending
            reason = f"The process that made it {ended}. The log has the SDK's last words."
            yield {"event": "failed", "target": crashed, "reason": reason}
            if rest:
                self._waiting.setdefault(worker.lane, [])[:0] = rest


def _not_started(name: str, exc: Exception) -> dict[str, Any]:
    reason = (
        f"The process that makes it could not be started: {reason_of(exc)}\n"
        "Close other programs, or raise the limits of processes and memory (ulimit -a)."
    )
    return {"event": "failed", "target": name, "reason": reason}


class _Worker:
    """One process, and the targets that it was told to make and has not ended."""

    def __init__(
        self,
        lane: str,
        command: Sequence[str],
        log: IO[bytes],
        messages: queue.Queue[tuple[_Worker, dict[str, Any] | None]],
    ) -> None:
        self.lane = lane
        self.pending: list[str] = []
        self.stopping = False
        # A group of its own: Ctrl-C is the parent's to handle, and killing reaches what the
        # SDKs have started. No GPU: conversion needs none, and would take its memory. A fixed
        # hash seed: SDKs name things in the order of their sets, and the same inputs shall give
        # the same bytes.
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            start_new_session=True,
            text=True,
            env={**os.environ, **_ENVIRONMENT},
        )
        self._orders = cast("IO[str]", self._process.stdin)
        self._answers = cast("IO[str]", self._process.stdout)
        try:
            threading.Thread(target=self._read, args=(messages,), daemon=True).start()
        except RuntimeError:
            self.kill()
            raise

    def order(self, name: str) -> None:
        self.pending.append(name)
        self._write({"target": name})

    def stop(self) -> None:
        if not self.stopping:
            self.stopping = True
            self._write({"stop": True})

    def wait(self) -> str:
        """How the process ended, in words."""
        code = self._process.wait()
        if code == -signal.SIGKILL:
            return "was killed (often because the memory was full)"
        if code < 0:
            return f"crashed ({signal.Signals(-code).name})"
        return f"ended with exit code {code}"

    def kill(self) -> None:
        try:
            if os.name == "posix":
                os.killpg(self._process.pid, signal.SIGKILL)
            else:
                self._process.kill()
        except ProcessLookupError:
            pass  # it has just ended by itself
        self._process.wait()

    def _write(self, order: dict[str, Any]) -> None:
        try:
            self._orders.write(json.dumps(order) + "\n")
            self._orders.flush()
        except BrokenPipeError:
            pass  # it died; its reader says so

    def _read(self, messages: queue.Queue[tuple[_Worker, dict[str, Any] | None]]) -> None:
        try:
            for line in self._answers:
                try:
                    message = json.loads(line)
                except ValueError:
                    continue  # something printed before the worker took over its streams
                messages.put((self, message))
        finally:
            messages.put((self, None))
