"""Networks that are open, and photos that wait for one."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from typing import TypeVar

from ..apps.segmenter import Segmenter
from ..errors import LostError, MaskportError, RunnerError
from .offers import Offer

__all__ = ["Pool"]

T = TypeVar("T")


class _Open:
    """An offer that was opened; in a process of its own where it is a bundle's file."""

    def __init__(self, offer: Offer) -> None:
        self.offer = offer
        self.used = time.monotonic()
        self.fresh, self.lost = True, False
        self._stack = ExitStack()
        self.segmenter: Segmenter = self._stack.enter_context(offer.open())

    def close(self) -> None:
        self._stack.close()


class Pool:
    """Threads that draw and apply, with what they need open: at most so much at a time.

    What is asked for is opened where it is not open and idle; then the one that was used least
    recently is closed, if there are too many. A process that was lost is opened again.

    Args:
        workers: Photos at once.
        most_open: Networks that stay open; at least one for each worker.
    """

    def __init__(self, workers: int, most_open: int | None = None) -> None:
        self.workers = workers
        self._most_open = max(workers, most_open or 2 * workers)
        self._threads = ThreadPoolExecutor(workers, thread_name_prefix="maskport-serve")
        self._lock = threading.Lock()
        self._open: list[_Open] = []  # idle and busy
        self._idle: list[_Open] = []
        self._opening = 0
        self._closed = False

    def warm(self, offer: Offer) -> None:
        """Open an offer for each worker, so that the first photos don't wait.

        Raises:
            InputError, ToolError: It can't be opened.
        """
        together = threading.Barrier(self.workers)

        def hold(_: Segmenter) -> None:
            together.wait()  # until every worker has one

        def look(done: Future[None]) -> None:
            if done.exception() is not None:
                together.abort()

        jobs = [self.submit(offer, hold) for _ in range(self.workers)]
        for job in jobs:
            job.add_done_callback(look)
        errors = [job.exception() for job in jobs]
        for error in errors:
            if isinstance(error, RunnerError) and isinstance(error.__cause__, MaskportError):
                raise error.__cause__
        for error in errors:
            if error is not None:
                raise error

    def submit(self, offer: Offer, work: Callable[[Segmenter], T]) -> Future[T]:
        """Have something done with an offer that is open, as soon as a worker is free.

        What is given raises what ``work`` raises; RunnerError where the offer can't be opened, with
        the cause; LostError where its process is lost.
        """
        return self._threads.submit(self._run, offer, work)

    def close(self) -> None:
        """End the processes, and what they are doing; what waits is not begun."""
        with self._lock:
            self._closed = True
            opened, self._open, self._idle = self._open, [], []
        for one in opened:
            one.close()
        self._threads.shutdown(wait=True, cancel_futures=True)

    def _run(self, offer: Offer, work: Callable[[Segmenter], T]) -> T:
        while True:
            taken = self._take(offer)
            try:
                return work(taken.segmenter)
            except LostError as exc:
                taken.lost = True
                # One that had drawn before may have died since: that is not this photo's fault.
                if taken.fresh or exc.kind not in {"crashed", "broken"} or self._closed:
                    raise
            finally:
                taken.fresh = False
                self._give_back(taken)

    def _take(self, offer: Offer) -> _Open:
        with self._lock:
            for one in reversed(self._idle):
                if one.offer is offer:
                    self._idle.remove(one)
                    return one
            surplus = []
            while self._idle and len(self._open) + self._opening >= self._most_open:
                oldest = min(self._idle, key=lambda one: one.used)
                self._idle.remove(oldest)
                self._open.remove(oldest)
                surplus.append(oldest)
            self._opening += 1
        for one in surplus:
            one.close()
        opened = None
        try:
            opened = _Open(offer)
        except MaskportError as exc:
            raise RunnerError(f"{offer.name} can't be opened.", "The server says why.") from exc
        finally:
            with self._lock:
                self._opening -= 1
                closed = self._closed
                if opened is not None and not closed:
                    self._open.append(opened)
        if closed:
            opened.close()
            raise RunnerError("The server is stopping.", "Ask again later.")
        return opened

    def _give_back(self, one: _Open) -> None:
        with self._lock:
            one.used = time.monotonic()
            held = one in self._open
            if held and not one.lost:
                self._idle.append(one)
                return
            if held:
                self._open.remove(one)
        one.close()
