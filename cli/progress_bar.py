"""One bar on stderr for work of one kind; where that is no terminal, a line now and then."""

from __future__ import annotations

from types import TracebackType
from typing import Self

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

__all__ = ["ProgressBar"]


class ProgressBar:
    """A context manager; nothing of it stays on a terminal.

    Args:
        unit: What is counted, for the lines.
        every: So many of them between two lines.
    """

    def __init__(self, unit: str, every: int = 50) -> None:
        console = Console(stderr=True, highlight=False)
        self._unit, self._every = unit, every
        self._animated = console.is_terminal
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            console=console,
            transient=True,
            disable=not self._animated,
        )
        self._task = self._progress.add_task("", total=None)

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._progress.stop()

    def say(self, text: str) -> None:
        """What is being done."""
        self._progress.update(self._task, description=text)

    def count(self, done: int, total: int) -> None:
        """How far it is; a total of 0 where that isn't known."""
        self._progress.update(self._task, completed=done, total=total or None)
        if not self._animated and total and (done % self._every == 0 or done == total) and done:
            click.echo(f"{done} of {total} {self._unit}", err=True)
