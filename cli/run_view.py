"""What a run looks like in a terminal: one line an artifact, with its progress."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from rich.live import Live
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from .live_view import LiveView
from .tables import printable

if TYPE_CHECKING:
    from ..validation.request import ValidationEvent

__all__ = ["RunView"]


class _Line:
    """One artifact's line."""

    def __init__(self) -> None:
        self.text = "waiting"
        self.active = False
        self.lost = False
        self.photos = (0, 0)
        self.rounds = (0, 0)


class RunView(LiveView):
    """Follows a run's events on stderr. A context manager; on a terminal it redraws its lines,
    and elsewhere it prints each artifact when its photos are compared, and each that is lost.
    """

    def __init__(self) -> None:
        super().__init__()
        self._lines: dict[str, _Line] = {}
        self._spinner = Spinner("dots")
        self._stage = ""
        self._began = time.monotonic()
        self._live = Live(
            console=self._console,
            get_renderable=self._table,
            refresh_per_second=2,  # the machine is being timed
            redirect_stdout=False,
            redirect_stderr=False,
            transient=True,
        )

    def say(self, text: str) -> None:
        """What is being done for all of them."""
        self._stage = text

    def watch(self, event: ValidationEvent) -> None:
        """Take an event of the run."""
        if event.kind == "note":
            self._console.print(Text(printable(event.text)), soft_wrap=True)
            return
        if not event.target:
            self.say(event.text)
            return
        target = printable(event.target)
        line = self._lines.setdefault(target, _Line())
        if event.kind == "queued":
            return
        self._stage = ""
        line.active = event.kind in {"started", "photo"}
        if event.kind == "started":
            line.text = event.text
            if line.photos[1] or line.text != "loading":
                self._plain(event.target, event.text)
        elif event.kind == "photo":
            line.photos, line.text = (event.done, event.total), "comparing"
        elif event.kind == "round":
            line.rounds = (event.done, event.total)
            line.text = ""
        elif event.kind == "ended":
            line.text = "compared" if line.photos[1] else "loaded"
            self._plain(event.target, line.text)
        else:
            line.lost, line.text = True, printable(event.text)
            self._plain(event.target, line.text)

    def _plain(self, target: str, text: str) -> None:
        if not self._animated:
            seconds = time.monotonic() - self._began
            line = f"{seconds:6.0f} s  {printable(target):20} {text}"
            self._console.print(Text(line), soft_wrap=True)

    def _table(self) -> Table:
        table = Table.grid(padding=(0, 2))
        table.add_column(width=1)
        table.add_column(no_wrap=True, min_width=19)
        table.add_column(no_wrap=True, width=14)
        table.add_column(no_wrap=True, width=12)
        table.add_column(overflow="ellipsis", no_wrap=True)
        for target, line in self._lines.items():
            table.add_row(*self._cells(target, line))
        if self._stage:
            clock = f"{time.monotonic() - self._began:.0f} s"
            table.add_row(
                self._spinner, Text(clock, "dim"), Text(), Text(), Text(self._stage, "dim")
            )
        return table

    def _cells(self, target: str, line: _Line) -> tuple[Spinner | Text, ...]:
        if line.lost:
            return Text("✗", "red"), Text(target, "red"), Text(), Text(), Text(line.text, "red")
        mark: Spinner | Text = self._spinner if line.active else Text("·", "dim")
        if line.text in {"", "compared", "loaded"}:
            mark = Text("✓", "green")
        name = Text(target, "" if line.active or line.photos[0] else "dim")
        return (
            mark,
            name,
            _bar(line.photos, "photos"),
            _bar(line.rounds, "rounds"),
            Text(line.text, "dim"),
        )


def _bar(part: tuple[int, int], what: str) -> Text:
    done, total = part
    return Text(f"{done}/{total} {what}" if total else "", "" if done == total else "cyan")
