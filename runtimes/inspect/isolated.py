"""Inspects files in a process of its own, with a time limit and a memory limit."""

from __future__ import annotations

import os
import stat
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import Self

from ...errors import ArtifactError, MissingToolError
from ...formats import FORMATS
from ...processes.child import how_it_ended
from ...processes.limits import LimitedChild, TooMuchMemory, says_no_memory
from ...processes.messages import Garbled
from ..isolated import default_memory_limit
from .findings import Acceptance, Inspected
from .messages import ANSWERS, Answer, Read, Refused, Tried

__all__ = ["TIME_LIMIT", "Inspector", "inspect"]

# TensorFlow alone takes ten seconds to be imported on a slow machine.
TIME_LIMIT = 120.0
_CHILD = f"{__package__}.child:main"


def inspect(
    path: str | os.PathLike[str],
    *,
    time_limit: float = TIME_LIMIT,
    memory_limit: int | None = None,
) -> Inspected:
    """Say what is in a file, without running it.

    Args:
        path: A file or folder of any format that maskport makes, whoever made it.
        time_limit: Seconds that reading it may take, and again finding out what takes it.
        memory_limit: Bytes that it may take; half of the machine's memory where None.

    Raises:
        ArtifactError: There is no such file, it is of no known format or damaged, or it takes
            more than it may.
        MissingToolError: The SDK that reads its format is not installed.
    """
    with Inspector(time_limit, memory_limit) as inspector:
        return inspector.inspect(Path(path))


@dataclass
class Inspector:
    """One process that reads file after file. A context manager; leaving it ends the process.

    Attributes:
        time_limit: See `inspect`.
        memory_limit: Likewise.
    """

    time_limit: float = TIME_LIMIT
    memory_limit: int | None = None

    def __post_init__(self) -> None:
        self._memory = self.memory_limit or default_memory_limit()
        self._child: LimitedChild[Answer] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        exc: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the process."""
        if self._child is not None:
            self._child.close()
            self._words.close()
            self._child = None

    def inspect(self, path: Path) -> Inspected:
        """What is in a file. A file that ends the process costs the next one its start.

        Raises:
            ArtifactError, MissingToolError: See `inspect`.
        """
        name = _checked(path)
        self._started().send_within(self.time_limit, Read(name, self._memory))
        found = self._answer(path)
        if isinstance(found, Refused):
            raise self._refusal(found, path)
        if not isinstance(found, Inspected):
            raise self._lost(path, f"sent nonsense: {type(found).__name__}")
        return replace(found, accelerators=self._accelerators(path, found.format))

    def _accelerators(self, path: Path, kind: str) -> list[Acceptance]:
        """What takes it; runtimes that can't even say so have no part in what was read."""
        try:
            tried = self._answer(path)
            if isinstance(tried, Tried):
                return tried.accelerators
            if isinstance(tried, Refused):
                raise self._refusal(tried, path)
            raise self._lost(path, f"sent nonsense: {type(tried).__name__}")
        except (ArtifactError, MissingToolError) as exc:
            reason = exc.what
        named = ", ".join(FORMATS[kind].accelerators)
        return [Acceptance(named.rpartition(":")[2].replace("_", " "), None, reason)]

    def _started(self) -> LimitedChild[Answer]:
        if self._child is None:
            self._words = tempfile.TemporaryFile()  # noqa: SIM115  (`close` closes it)
            self._child = LimitedChild([_CHILD], ANSWERS, self._words, self._memory)
            self._child.start()
        return self._child

    def _answer(self, path: Path) -> Answer:
        """What the process says next, or the error that stands for its silence."""
        child = self._started()
        try:
            return child.receive(self.time_limit)[0]
        except TimeoutError:
            self.close()
            raise ArtifactError(
                f"{path} took more than {self.time_limit:.0f} s to read.",
                "Give it more with --time-limit SECONDS, if it is sound.",
            ) from None
        except TooMuchMemory:
            raise self._out_of_memory(path) from None
        except EOFError:
            how, words = how_it_ended(child.wait()), child.last_words()
            if says_no_memory(words):
                raise self._out_of_memory(path) from None
            said = f": {words}" if words else ""
            raise self._lost(path, f"died ({how}){said}") from None
        except Garbled as exc:
            raise self._lost(path, f"sent nonsense: {exc}") from exc

    def _refusal(self, found: Refused, path: Path) -> ArtifactError | MissingToolError:
        if found.kind == "missing":
            return MissingToolError(found.package, found.extra, f"Reading {path.name}")
        if found.kind == "memory" or says_no_memory(found.what):
            return self._out_of_memory(path)
        return ArtifactError(found.what, found.remedy)

    def _out_of_memory(self, path: Path) -> ArtifactError:
        self.close()
        return ArtifactError(
            f"{path} took more than {self._memory / 1e9:.1f} GB to read.",
            "Give it more with --memory-limit GB, if it is sound.",
        )

    def _lost(self, path: Path, what: str) -> ArtifactError:
        self.close()
        return ArtifactError(
            f"The process that read {path} {what}.",
            "The file is damaged, or its SDK has a bug.",
        )


def _checked(path: Path) -> str:
    """The absolute path of something that can be read to its end.

    Raises:
        ArtifactError: There is no such file or folder, or it is another thing.
    """
    try:
        mode = path.stat().st_mode
    except (OSError, ValueError) as exc:
        reason = exc.strerror if isinstance(exc, OSError) else str(exc)
        raise ArtifactError(f"{path} can't be read: {reason}.", "Check the path.") from exc
    if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
        raise ArtifactError(f"{path} is neither a file nor a folder.", "Give one of these.")
    name = os.path.abspath(path)
    try:
        name.encode()
    except UnicodeEncodeError as exc:
        raise ArtifactError(
            f"The name of {name.encode(errors='replace').decode()} is no UTF-8.", "Rename it."
        ) from exc
    return name
