"""A child that is waited for within limits of time and memory."""

from __future__ import annotations

import os
import queue
import threading
import time
from collections.abc import Sequence
from typing import IO, TypeVar

from .child import Child, Heard
from .messages import Array, Garbled, Vocabulary

__all__ = ["LimitedChild", "TooMuchMemory", "says_no_memory"]

Message = TypeVar("Message")

# How often a waiting parent looks at the clock and at the process's memory, in seconds.
_LOOK = 0.1
# How native code says that it got none.
_NO_MEMORY = (
    "bad_alloc",
    "can't allocate memory",
    "cannot allocate memory",
    "failed to allocate",
    "out of memory",
)


def says_no_memory(words: str) -> bool:
    """Whether an error's words tell of memory that there wasn't."""
    return any(sign in words.lower() for sign in _NO_MEMORY)


class TooMuchMemory(Exception):
    """A child took more than it may; it was ended."""


class LimitedChild(Child[Message]):
    """A child that is asked, and answers within limits. One that breaks them is ended.

    Args:
        command: As for `Child`.
        vocabulary: Likewise.
        log: Likewise.
        memory: Bytes that it may have resident.
    """

    def __init__(
        self, command: Sequence[str], vocabulary: Vocabulary[Message], log: IO[bytes], memory: int
    ) -> None:
        super().__init__(command, vocabulary, log, self._keep)
        self.memory = memory
        # Few: a process that answers faster than we read shall wait, not fill our memory.
        self._heard: queue.Queue[Heard[Message]] = queue.Queue(2)
        self._closed = False

    def send_within(self, seconds: float, message: object, array: Array | None = None) -> None:
        """`send`; a process that doesn't read would hold us as long as it likes."""
        timer = threading.Timer(seconds, self.kill)
        timer.daemon = True
        timer.start()
        try:
            self.send(message, array)
        finally:
            timer.cancel()

    def receive(self, seconds: float) -> tuple[Message, Array | None]:
        """The next message, and its array.

        Raises:
            TimeoutError: It doesn't come; the process was ended.
            TooMuchMemory: So it was, for this.
            Garbled: It was none, and so was the process.
            EOFError: The process is gone.
        """
        deadline = time.monotonic() + seconds
        while True:
            try:
                heard = self._heard.get(timeout=_LOOK)
                break
            except queue.Empty:
                if time.monotonic() > deadline:
                    self.kill()
                    raise TimeoutError from None
                if self.resident_memory() > self.memory:
                    self.kill()
                    raise TooMuchMemory from None
        if heard is None:
            raise EOFError
        if isinstance(heard, Garbled):
            self.kill()
            raise heard
        return heard

    def last_words(self) -> str:
        """The last line that the process wrote to its log, at most 200 characters of it.

        The log must be a file that can be read.
        """
        size = self._log.seek(0, os.SEEK_END)
        self._log.seek(max(0, size - 4096))
        text = self._log.read().decode("utf-8", "replace")
        lines = [line.strip() for line in text.splitlines() if line.strip()]
        return "".join(c if c.isprintable() else " " for c in lines[-1][:200]) if lines else ""

    def close(self) -> None:
        """As for `Child`; what it still says is not kept."""
        self._closed = True
        super().close()
        while not self._heard.empty():  # the thread that listens may wait for room
            self._heard.get_nowait()

    def _keep(self, heard: Heard[Message]) -> None:
        if not self._closed:
            self._heard.put(heard)
