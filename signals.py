"""The signals that end a run, and moments at which they have to wait."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

__all__ = ["SIGNALS", "heard", "held_back"]

SIGNALS = tuple(
    getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)
)


def heard() -> tuple[signal.Signals, ...]:
    """Those that are not ignored: who starts a run by ``nohup`` wants it to go on."""
    return tuple(number for number in SIGNALS if signal.getsignal(number) is not signal.SIG_IGN)


@contextmanager
def held_back() -> Iterator[None]:
    """Signals that come within the block reach their handlers at its end.

    For the start of a process: interrupted after the fork and before anyone holds its handle,
    it would outlive us. Signals that are ignored, or end the process at once, stay what they
    are, as the new process inherits them. Only the main thread takes signals; in others this
    does nothing.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    came: list[int] = []
    over = False
    before = {number: signal.getsignal(number) for number in SIGNALS}

    def note(number: int, frame: FrameType | None) -> None:
        handler = before[number]
        if over and callable(handler):  # one that came while they were being restored
            handler(number, frame)
        else:
            came.append(number)

    try:
        for number, handler in before.items():
            if callable(handler):
                signal.signal(number, note)
        yield
    finally:
        over = True
        for number, handler in before.items():
            if callable(handler):
                signal.signal(number, handler)
        for number in came:
            signal.raise_signal(number)
