"""The one place where an SDK's exceptions become ours."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from ..errors import MaskportError, MissingToolError, RunnerError
from ..formats import Need
from .needs import not_installed

__all__ = ["sdk_errors"]


@contextmanager
def sdk_errors(
    what: str, purpose: str, remedy: Callable[[], str], needs: Sequence[Need]
) -> Iterator[None]:
    """Map what a back end raises inside the block.

    Args:
        what: What can't be done, in a sentence that a reason follows: "keras can't load X".
        purpose: What it is for: "Running X".
        remedy: Says what to do where the file is at fault; asked for only then.
        needs: What must be installed.

    Raises:
        MissingToolError: one of ``needs`` is not installed.
        RunnerError: Anything else; errors of our own, and MemoryError, pass as they are.
    """
    try:
        yield
    except (MaskportError, MemoryError):
        raise
    except Exception as exc:  # every SDK has its own types, often unexported
        lacking = isinstance(exc, ImportError) and not_installed(need.module for need in needs)
        if lacking:
            need = next(need for need in needs if need.module in lacking)
            raise MissingToolError(need.package, need.extra, purpose) from exc
        reason = (str(exc).strip().splitlines() or [type(exc).__name__])[0]
        raise RunnerError(f"{what}: {reason}", remedy()) from exc
