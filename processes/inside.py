"""The child's side: the way to the parent, and the end with it."""

from __future__ import annotations

import os
import queue
import signal
import sys
import threading
from collections.abc import Iterator
from typing import Any, TypeVar

from numpy.typing import NDArray

from .messages import GREETING, Array, Frame, Vocabulary, send

__all__ = ["Parent"]

Message = TypeVar("Message")


class Parent:
    """The process that started this one, which takes its streams over for messages.

    What is printed from here on goes to the standard error stream; the standard input stream is
    empty. When the parent is gone, this process is ended with all that it has started.
    """

    def __init__(self) -> None:
        sys.stdout.flush()
        # As numbers, which nothing closes: their end shall be the process's.
        self._requests = open(os.dup(0), "rb", buffering=0, closefd=False)  # noqa: SIM115
        self._replies = open(os.dup(1), "wb", buffering=0, closefd=False)  # noqa: SIM115
        with open(os.devnull, "rb") as nothing:
            os.dup2(nothing.fileno(), 0)
        os.dup2(2, 1)
        sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]
        self._replies.write(b"\n" + GREETING)
        self._lock = threading.Lock()
        self._frames: queue.Queue[Frame] = queue.Queue()
        threading.Thread(target=self._listen, daemon=True).start()

    def requests(self, vocabulary: Vocabulary[Message]) -> Iterator[tuple[Message, Array | None]]:
        """What the parent wants, as it comes, with the array that came with it."""
        while True:
            frame = self._frames.get()
            yield vocabulary.read(frame), frame.array

    def send(self, message: object, array: NDArray[Any] | None = None) -> None:
        """Tell the parent something, from any thread.

        Raises:
            ValueError: It can't be told; nothing was sent.
        """
        with self._lock:
            send(self._replies, message, array)

    def _listen(self) -> None:
        try:
            while True:
                self._frames.put(Frame.receive(self._requests))
        finally:
            if os.name == "posix" and os.getpgrp() == os.getpid():
                os.killpg(os.getpid(), signal.SIGKILL)
            os._exit(1)
