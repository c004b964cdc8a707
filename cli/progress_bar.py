"""One bar on stderr for work of one kind; where that is no terminal, a line now and then."""

from __future__ import annotations

import click
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from .live_view import LiveView

__all__ = ["ProgressBar"]


class ProgressBar(LiveView):
    """A context manager; nothing of it stays on a terminal.

    Args:
        every: So many of them between two lines.
    """

    def __init__(self, every: int = 50) -> None:
        super().__init__()
        self._text, self._every = "", every
        self._live: Progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            console=self._console,
            transient=True,
            disable=not self._animated,
        )
        self._task = self._live.add_task("", total=None)

    def say(self, text: str) -> None:
        """What is being done."""
        self._text = text
        self._live.update(self._task, description=text)

    def count(self, done: int, total: int) -> None:
        """How far it is; a total of 0 where that isn't known."""
        self._live.update(self._task, completed=done, total=total or None)
        if not self._animated and total and (done % self._every == 0 or done == total) and done:
            click.echo(f"{self._text}: {done} of {total}", err=True)

    def watch(self, text: str, done: int, total: int) -> None:
        """Both at once."""
        self.say(text)
        self.count(done, total)
