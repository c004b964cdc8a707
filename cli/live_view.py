"""Views that redraw themselves: they are on stderr, and only on a terminal."""

from __future__ import annotations

import time
from typing import Self

import click
from rich.console import Console
from rich.live import Live
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.spinner import Spinner
from rich.status import Status
from rich.table import Table
from rich.text import Text

from .tables import printable

__all__ = ["LiveView", "ProgressBar", "Seldom", "TableView"]

# Where there is no terminal, seconds between lines that only say how far it is.
SELDOM = 5.0
_NO_NUMBERS = dict.fromkeys(map(ord, "0123456789./"))


class Seldom:
    """When to print a line where nothing can be redrawn: when something begins, and then seldom."""

    def __init__(self) -> None:
        self._doing, self._at = "", 0.0

    def due(self, text: str) -> bool:
        """Whether a text is to be printed; it says the same thing where it has other numbers."""
        doing, now = text.translate(_NO_NUMBERS), time.monotonic()
        if doing == self._doing and now - self._at < SELDOM:
            return False
        self._doing, self._at = doing, now
        return True


class LiveView:
    """A context manager around the work; what it draws is drawn while the block lasts.

    A view sets ``_live`` when it is made, drawn on ``_console``.
    """

    _live: Live | Progress | Status

    def __init__(self) -> None:
        self._console = Console(stderr=True, highlight=False)
        self._animated = self._console.is_terminal
        self._began = time.monotonic()

    def __enter__(self) -> Self:
        if self._animated:
            self._live.start()
        return self

    def __exit__(self, *exc: object) -> None:
        if self._animated:
            self._live.stop()

    def _clocked(self, text: str) -> None:
        """A line with the seconds since the start, where nothing can be redrawn."""
        if not self._animated:
            seconds = time.monotonic() - self._began
            self._console.print(Text(f"{seconds:6.0f} s  {printable(text)}"), soft_wrap=True)

    def note(self, text: str) -> None:
        """A line that stays. What comes from files can't steer the terminal."""
        self._console.print(Text(printable(text)), soft_wrap=True)


class TableView(LiveView):
    """A line for each thing that is worked on, and what is done for all of them.

    A view has its lines when it calls this, because ``_table`` is asked for at once.

    Args:
        redraws: A second.
        transient: Nothing of it stays.
    """

    def __init__(self, redraws: int, *, transient: bool) -> None:
        super().__init__()
        self._spinner = Spinner("dots")
        self._common = ""
        self._live = Live(
            console=self._console,
            get_renderable=self._table,
            refresh_per_second=redraws,
            redirect_stdout=False,
            redirect_stderr=False,
            transient=transient,
        )

    def say(self, text: str) -> None:
        """What is being done for all of them."""
        self._common = text

    def _table(self) -> Table:
        raise NotImplementedError


class ProgressBar(LiveView):
    """One bar for work of one kind, of which nothing stays on a terminal; where there is none, a
    line when something begins, now and then, and at the end.
    """

    def __init__(self) -> None:
        super().__init__()
        self._text, self._seldom = "", Seldom()
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
        self._describe(text)
        if not self._animated and self._seldom.due(text):
            click.echo(printable(text), err=True)

    def count(self, done: int, total: int) -> None:
        """How far it is; a total of 0 where that isn't known."""
        self._live.update(self._task, completed=done, total=total or None)
        text = f"{self._text}: {done} of {total}"
        if not self._animated and total and done and (self._seldom.due(text) or done == total):
            click.echo(printable(text), err=True)

    def watch(self, text: str, done: int, total: int) -> None:
        """Both at once."""
        self._describe(text)
        self.count(done, total)

    def _describe(self, text: str) -> None:
        self._text = text
        self._live.update(self._task, description=text)
