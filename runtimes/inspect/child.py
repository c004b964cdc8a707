"""What the process that reads files does: it is asked by its parent, and answers.

Where the kernel has Landlock it can't write, connect or start anything else.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

from ...errors import MaskportError, MissingToolError
from ...processes.inside import Parent
from ...processes.sandbox import confine, forbid_writing
from .messages import REQUESTS, Answer, Read, Refused, Tried
from .reading import acceptances, read_file

__all__ = ["main"]


def main(parent: Parent) -> None:
    """Read one file after another, until the parent ends this process."""
    confined = False
    for request, _ in parent.requests(REQUESTS):
        if not confined:
            confine(request.memory)
            forbid_writing(Path(tempfile.gettempdir()))
            confined = True
        try:
            for answer in _answers(request):
                parent.send(answer)
        except ValueError as exc:
            parent.send(Refused("broken", f"{request.path} says what JSON can't hold: {exc}"))
        except MemoryError:
            parent.send(Refused("memory"))
            return
        except MissingToolError as exc:
            parent.send(Refused("missing", exc.what, exc.remedy, exc.package, exc.extra))
        except MaskportError as exc:
            parent.send(Refused("broken", exc.what, exc.remedy))


def _answers(request: Read) -> Iterator[Answer]:
    path = Path(request.path)
    found = read_file(path)
    yield found
    yield Tried(acceptances(found.format, path))
