"""Ctrl-C and being told to end: noted, so that the step is finished and its state is kept."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import TYPE_CHECKING, Any, Self

from ..signals import SIGNALS

if TYPE_CHECKING:
    from torch.utils.data import DataLoader

__all__ = ["Interruption", "ignore_in_worker", "loading"]


class Interruption:
    """A context manager that turns the first signal into `asked`; the second interrupts.

    Only a process's main thread can take signals; in others this does nothing.
    """

    def __init__(self) -> None:
        self.asked = False
        self._before: dict[int, Any] = {}

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            self._before = {number: signal.signal(number, self._note) for number in SIGNALS}
        return self

    def __exit__(self, *exc: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _note(self, _number: int, _frame: FrameType | None) -> None:
        if self.asked:
            raise KeyboardInterrupt
        self.asked = True


def ignore_in_worker(_worker: int) -> None:
    """Signals often go to all processes of a group; those that load samples leave them to us.

    They end by themselves when the run is done with them (`loading`), or gone.
    """
    for number in SIGNALS:
        signal.signal(number, signal.SIG_IGN)


@contextmanager
def loading(loader: DataLoader[Any]) -> Iterator[Iterator[Any]]:
    """A loader's batches; its processes are told to end when the block does.

    PyTorch tells them when the iterator is deleted, which an exception with its traceback can
    put off until the program's end; there Python sends the signal that they ignore, and waits.
    """
    batches = iter(loader)
    try:
        yield batches
    finally:
        # There is no public way; without processes there is nothing to end.
        end: Any = getattr(batches, "_shutdown_workers", None)
        if end is not None:
            end()
