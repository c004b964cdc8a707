"""The standard streams: what becomes of the output decides nothing about a run.

They may be closed, full, a pipe that nobody reads, or of an encoding that lacks most letters.
"""

from __future__ import annotations

import codecs
import contextlib
import errno
import io
import os
import select
import sys
from typing import Any, TextIO

from ..texts import shown

__all__ = ["steady_streams"]

# What is written instead of signs that an encoding lacks; the rest is escaped.
_PLAIN = {
    **dict.fromkeys("‐‑‒–—−─━", "-"),
    **{"…": "...", "→": "->", "←": "<-", "×": "x", "·": "-", "•": "*", "²": "2", "³": "3"},
    **{"✓": "+", "✗": "x", "≥": ">=", "≤": "<=", "≈": "~", "°": " deg", "µ": "u"},
    **dict.fromkeys("‘’", "'"),
    **dict.fromkeys("“”„", '"'),
    "\N{NO-BREAK SPACE}": " ",
}
_ERRORS, _ASCII = "maskport", "plain_ascii"


def steady_streams() -> None:
    """Replace the process's standard streams by ones that raise nothing.

    Streams that something else has put into their places, as tests do, stay.
    """
    _occupy()
    codecs.register_error(_ERRORS, _degraded)
    if sys.stdout is None or sys.stdout is sys.__stdout__:
        sys.stdout = _steady(1, sys.stdout)
    if sys.stderr is None or sys.stderr is sys.__stderr__:
        sys.stderr = _steady(2, sys.stderr)


class _Steady(io.FileIO):
    """A standard stream whose text goes nowhere from the first error on."""

    def write(self, data: Any, /) -> int:
        try:
            while (written := super().write(data)) is None:  # a pipe that is full and does not wait
                select.select([], [self], [])
            return written
        except OSError as exc:
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, self.fileno())
            os.close(nowhere)
            # Who ends a pipe, as `head` does, knows.
            if self.fileno() == 1 and exc.errno != errno.EPIPE:
                text = f"The standard output can't be written ({exc.strerror}): the rest is lost.\n"
                with contextlib.suppress(OSError):
                    os.write(2, text.encode("ascii", "replace"))
            return memoryview(data).nbytes  # so that nobody tries again


def _steady(number: int, stream: TextIO | None) -> TextIO:
    encoding, lines = "utf-8", number == 2 or os.isatty(number)
    if isinstance(stream, io.TextIOWrapper):
        if os.name == "nt" and stream.isatty():  # letters go to the console by a way of its own
            stream.reconfigure(errors=_ERRORS)
            return stream
        lines = lines or stream.line_buffering or stream.write_through
        with contextlib.suppress(OSError):
            stream.flush()
        encoding = stream.encoding
    if codecs.lookup(encoding).name == "ascii":
        # By another name: click takes "ascii" for a mistake and writes UTF-8.
        codecs.register(_find_ascii)
        encoding = _ASCII
    raw = _Steady(number, "w", closefd=False)
    return io.TextIOWrapper(io.BufferedWriter(raw), encoding, _ERRORS, line_buffering=lines)


def _occupy() -> None:
    """Open what is closed of the three: the next file to be opened would take its number, and what
    is printed would go into it.
    """
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            opened = os.open(os.devnull, os.O_RDWR)
            if opened != number:
                os.dup2(opened, number)
                os.close(opened)
            os.set_inheritable(number, True)


def _degraded(exc: UnicodeError) -> tuple[str, int]:
    if not isinstance(exc, UnicodeEncodeError):
        raise exc
    text = shown(exc.object[exc.start : exc.end])
    plain = "".join(_PLAIN.get(letter, letter) for letter in text)
    return plain.encode("ascii", "backslashreplace").decode("ascii"), exc.end


def _find_ascii(name: str) -> codecs.CodecInfo | None:
    if name != _ASCII:
        return None
    known = codecs.lookup("ascii")
    return codecs.CodecInfo(
        *(known.encode, known.decode, known.streamreader, known.streamwriter),
        *(known.incrementalencoder, known.incrementaldecoder),
        name=_ASCII,
    )
