"""What is said of a target that could not be made, and steps of several that fail once for all."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

from filelock import FileLock

from ..errors import ExportError, MaskportError
from ..outputs import no_room

__all__ = ["SECOND_CHOICE", "made_once", "ran_out", "reason_of"]

# In a run's scratch: a file was converted another way, because the usual one failed.
SECOND_CHOICE = "second-choice"


def reason_of(exc: BaseException) -> str:
    """An exception in words: ours as it is, any other by its kind and its first line."""
    if isinstance(exc, MaskportError):
        return str(exc)
    lines = str(exc).strip().splitlines()
    return f"{type(exc).__name__}: {lines[0]}" if lines else type(exc).__name__


def ran_out(exc: BaseException) -> bool:
    """Whether memory or a disk was full: that says nothing of the network, and no other way of
    converting it is tried for it."""
    return isinstance(exc, MemoryError) or no_room(exc)


def made_once(path: Path, make: Callable[[Path], object]) -> Path:
    """A file or folder that several targets start from, made on first use.

    A failure is kept beside it: the next target that wants it is told the same at once, in any
    process of the run; one that wants it meanwhile waits. So is the end of the process itself while
    it was made, which would otherwise be repeated for every target.

    Args:
        path: Of what is made.
        make: Makes it, at the path that it is given.

    Raises:
        ExportError: It failed before.
        Exception: What ``make`` raises.
    """
    with FileLock(path.with_name(f"{path.name}.lock")):
        if path.exists():
            return path
        failed = path.with_name(f"{path.name}.failed")
        if failed.exists():
            raise ExportError(*json.loads(failed.read_text(encoding="utf-8")))
        _keep(failed, "The process that converted the network ended while it did.", _LAST_WORDS)
        partial = path.with_name(f"partial-{path.name}")
        try:
            make(partial)
        except MaskportError as exc:
            _keep(failed, exc.what, exc.remedy)
            raise
        except Exception as exc:
            _keep(failed, reason_of(exc), "")
            raise
        partial.rename(path)
        failed.unlink()
        return path


_LAST_WORDS = "The log has the SDK's last words; other formats don't depend on it."


def _keep(failed: Path, what: str, remedy: str) -> None:
    failed.write_text(json.dumps([what, remedy]), encoding="utf-8")
