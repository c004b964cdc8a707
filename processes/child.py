"""The parent's side of a child: its start, what it says, and its end."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from io import FileIO
from typing import IO, Generic, TypeVar, cast

import psutil

from ..signals import held_back
from .messages import GREETING, Array, Frame, Garbled, Vocabulary, send
from .scratch import Scratch, note_child

__all__ = ["Child", "Heard", "how_it_ended"]

Message = TypeVar("Message")
# A message with its array; what was none; or None, which is the end.
Heard = tuple[Message, Array | None] | Garbled | None

# What programs look for their temporary files' folder in.
_TEMPORARY = ("TMPDIR", "TEMP", "TMP")
# A process that has said its last word has so many seconds to end by itself.
_LAST_SECONDS = 5


class Child(Generic[Message]):
    """A process that runs a function of ours, see `__main__`.

    It has a group of its own: Ctrl-C is ours to handle, and its end is the end of what its SDKs
    have started. What it writes for a while is in a folder of its own, which ends with it. When we
    are gone, even killed, so are they all.

    Args:
        command: ``module:function``, and the function's arguments after its `Parent`.
        vocabulary: What it may say.
        log: Where everything goes that it and its SDKs print.
        hear: Called in a thread of its own with all that the process says.
        environment: Variables to set beside ours.
    """

    def __init__(
        self,
        command: Sequence[str],
        vocabulary: Vocabulary[Message],
        log: IO[bytes],
        hear: Callable[[Heard[Message]], object],
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self._command = command
        self._vocabulary = vocabulary
        self._log = log
        self._hear = hear
        self._environment = environment or {}
        self._process: subprocess.Popen[bytes] | None = None
        self._scratch: Scratch | None = None

    def start(self) -> None:
        """Begin. Whatever is raised, `close` ends what has begun.

        Raises:
            OSError, RuntimeError: There are no more processes, memory or threads.
        """
        with held_back():
            self._scratch = Scratch()
            place = str(self._scratch.path)
            self._process = subprocess.Popen(
                # -P keeps a user's own onnx.py from being imported.
                [sys.executable, "-P", "-m", __package__, *self._command],
                bufsize=0,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._log,
                start_new_session=True,
                env=os.environ | self._environment | dict.fromkeys(_TEMPORARY, place),
            )
            note_child(self._process.pid, runs=True)
        threading.Thread(target=self._listen, daemon=True).start()

    @property
    def pid(self) -> int:
        """Its process, once it was started."""
        assert self._process is not None  # noqa: S101
        return self._process.pid

    def send(self, message: object, array: Array | None = None) -> None:
        """Tell it something. Where it is gone, its last word says so."""
        assert self._process is not None  # noqa: S101
        with contextlib.suppress(OSError):
            send(cast(FileIO, self._process.stdin), message, array)

    def wait(self) -> int:
        """Its exit code, after its last word; negative for the signal that ended it."""
        assert self._process is not None  # noqa: S101
        with contextlib.suppress(subprocess.TimeoutExpired):
            code = self._process.wait(_LAST_SECONDS)
            note_child(self._process.pid, runs=False)
            return code
        self.kill()
        return self._process.wait()

    def kill(self) -> None:
        """End it, whatever it is doing, and what it has started."""
        process = self._process
        if process is None or process.returncode is not None:
            return
        with contextlib.suppress(ProcessLookupError, PermissionError):  # it has just ended
            if os.name == "posix":
                os.killpg(process.pid, signal.SIGKILL)
            else:
                process.kill()
        note_child(process.pid, runs=False)
        process.wait()

    def close(self) -> None:
        """`kill`, and let go of it."""
        self.kill()
        if self._process is not None:
            cast(FileIO, self._process.stdin).close()
        if self._scratch is not None:
            self._scratch.close()

    def resident_memory(self) -> int:
        """Bytes that it has resident now; 0 where it is gone."""
        try:
            return int(psutil.Process(self.pid).memory_info().rss)
        except psutil.Error:
            return 0

    def _listen(self) -> None:
        assert self._process is not None  # noqa: S101
        with cast(FileIO, self._process.stdout) as stream:
            try:
                # Interpreters may print something before it takes over its streams.
                while (line := stream.readline(4096)) != GREETING:
                    if not line:
                        raise EOFError
                while True:
                    frame = Frame.receive(stream)
                    self._hear((self._vocabulary.read(frame), frame.array))
            except Garbled as exc:
                self._hear(exc)
            except (EOFError, OSError):
                self._hear(None)


def how_it_ended(code: int) -> str:
    """An exit code in words: the signal's name, or the number."""
    with contextlib.suppress(ValueError):
        if code < 0:
            return signal.Signals(-code).name
    return f"exit code {code}"
