"""Ctrl-C and being told to end: noted, so that the step is finished and its state is kept."""

from __future__ import annotations

import signal
import threading
from types import FrameType, TracebackType
from typing import Any, Self

__all__ = ["Interruption", "ignore_in_worker"]

SIGNALS = tuple(
    getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)
)


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

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _note(self, _number: int, _frame: FrameType | None) -> None:
        if self.asked:
            raise KeyboardInterrupt
        self.asked = True


def ignore_in_worker(_worker: int) -> None:
    """Signals often go to all processes of a group; those that load samples leave them to us.

    They end by themselves when the run is done with them, or gone.
    """
    for number in SIGNALS:
        signal.signal(number, signal.SIG_IGN)
