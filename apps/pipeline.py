"""Work beside the caller's, a few items ahead of it or behind, so that memory stays bounded."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterator
from typing import Final, Generic, Self, TypeVar

__all__ = ["Ahead", "Behind"]

T = TypeVar("T")
# Waits are cut into pieces, because on Windows Ctrl-C doesn't end one.
_PATIENCE: Final = 0.1


class _Beside(Generic[T]):
    """A thread, what waits between it and the caller, and the error that ended it."""

    def __init__(self, depth: int) -> None:
        self._waiting: queue.Queue[T] = queue.Queue(depth)
        self._stopped = threading.Event()  # nobody wants more
        self._ended = threading.Event()  # no more comes
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._guarded, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self.stop()

    def stop(self) -> None:
        """End after the item at hand; what waits is given up."""
        self._stopped.set()
        self._thread.join()

    def _guarded(self) -> None:
        try:
            self._work()
        except BaseException as exc:  # it is raised where somebody hears it
            self._error = exc
        finally:
            self._ended.set()

    def _work(self) -> None:
        raise NotImplementedError

    def _raise(self) -> None:
        if self._error is not None:
            raise self._error


class Ahead(_Beside[T]):
    """Items that are made a few ahead of whoever takes them.

    Args:
        items: Gone through in a thread. Its errors are raised where the items are taken.
        depth: So many may wait.
    """

    def __init__(self, items: Iterator[T], depth: int) -> None:
        super().__init__(depth)
        self._items = items

    def __iter__(self) -> Iterator[T]:
        while True:
            try:
                yield self._waiting.get(timeout=_PATIENCE)
            except queue.Empty:
                if self._ended.is_set() and self._waiting.empty():
                    break
        self._raise()

    def _work(self) -> None:
        for item in self._items:
            while not self._stopped.is_set():
                try:
                    self._waiting.put(item, timeout=_PATIENCE)
                    break
                except queue.Full:
                    pass
            if self._stopped.is_set():
                return


class Behind(_Beside[T]):
    """Items that are taken a few behind whoever gives them.

    Args:
        take: Called in a thread, for one after the other. Its errors are raised where the next
            item is given, or at the end.
        depth: So many may wait.
    """

    def __init__(self, take: Callable[[T], None], depth: int) -> None:
        super().__init__(depth)
        self._take = take
        self._all_given = threading.Event()

    def put(self, item: T) -> None:
        """Give one; waits while too many wait."""
        while True:
            if self._ended.is_set():
                self._raise()
            try:
                self._waiting.put(item, timeout=_PATIENCE)
                return
            except queue.Full:
                pass

    def finish(self) -> None:
        """Wait until all are taken."""
        self._all_given.set()
        self._thread.join()
        self._raise()

    def _work(self) -> None:
        while not self._stopped.is_set():
            try:
                item = self._waiting.get(timeout=_PATIENCE)
            except queue.Empty:
                if self._all_given.is_set() and self._waiting.empty():
                    return
            else:
                self._take(item)
