"""What several targets of a run start from: of the cache, or made once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from .failures import made_once
from .run import NO_CARD, Run

__all__ = ["kept_once"]


def kept_once(run: Run, path: Path, make: Callable[[Run, Path], object]) -> Path:
    """A file or folder that targets start from: what the cache has, else made on first use.

    Args:
        run: The run of a target, as `Run.of_target` gives it.
        path: Of what is made, in the run's scratch.
        make: Makes it, at the path that it is given, of a run without texts to embed, because such
            don't decide what is taken.

    Raises:
        ExportError: It failed before.
        Exception: What ``make`` raises.
    """
    name, keeper = f"step-{path.name.lower()}", run.keeper

    def taken_or_made(partial: Path) -> None:
        if keeper is not None and keeper.take(name, partial.parent):
            return
        make(replace(run, card=NO_CARD), partial)
        if keeper is not None:
            keeper.put(name, [partial], partial.parent)

    return made_once(path, taken_or_made)
