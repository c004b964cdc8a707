"""What a run looks like in a terminal: one line an artifact, with its progress."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from .live_view import Seldom, TableView
from .tables import printable

if TYPE_CHECKING:
    from ..validation.request import ValidationEvent

__all__ = ["RunView"]


@dataclass
class _Line:
    """One artifact's line."""

    text: str = "waiting"
    active: bool = False
    lost: bool = False
    photos: tuple[int, int] = (0, 0)
    rounds: tuple[int, int] = (0, 0)


class RunView(TableView):
    """Follows a run's events on stderr. A context manager; on a terminal it redraws its lines,
    and elsewhere it prints what begins, how far that is now and then, each artifact when its photos
    are compared, and each that is lost.
    """

    def __init__(self) -> None:
        self._lines: dict[str, _Line] = {}
        self._seldom = Seldom()
        super().__init__(2, transient=True)  # seldom: the machine is being timed

    def say(self, text: str) -> None:
        """What is being done for all of them."""
        super().say(text)
        if text:
            self._far("", text)

    def watch(self, event: ValidationEvent) -> None:
        """Take an event of the run."""
        if event.kind == "note":
            self.note(event.text)
            return
        if not event.target:
            self.say(event.text)
            return
        target = printable(event.target)
        line = self._lines.setdefault(target, _Line())
        if event.kind == "queued":
            return
        self.say("")
        line.active = event.kind in {"started", "photo"}
        if event.kind == "started":
            line.text = event.text
            if line.photos[1] or line.text != "loading":
                self._plain(event.target, event.text)
        elif event.kind == "photo":
            line.photos, line.text = (event.done, event.total), "comparing"
            self._far(event.target, f"comparing {event.done}/{event.total}")
        elif event.kind == "round":
            line.rounds = (event.done, event.total)
            line.text = ""
        elif event.kind == "ended":
            line.text = "compared" if line.photos[1] else "loaded"
            self._plain(event.target, line.text)
        else:
            line.lost, line.text = True, printable(event.text)
            self._plain(event.target, line.text)

    def _far(self, target: str, text: str) -> None:
        if self._seldom.due(f"{target} {text}"):
            self._plain(target, text)

    def _plain(self, target: str, text: str) -> None:
        self._clocked(f"{printable(target):20} {text}")

    def _table(self) -> Table:
        table = Table.grid(padding=(0, 2))
        table.add_column(width=1)
        table.add_column(no_wrap=True, min_width=19)
        table.add_column(no_wrap=True, width=14)
        table.add_column(no_wrap=True, width=12)
        table.add_column(overflow="ellipsis", no_wrap=True)
        for target, line in self._lines.items():
            table.add_row(*self._cells(target, line))
        if self._common:
            clock = Text(f"{time.monotonic() - self._began:.0f} s", "dim")
            table.add_row(self._spinner, clock, Text(), Text(), Text(self._common, "dim"))
        return table

    def _cells(self, target: str, line: _Line) -> tuple[Spinner | Text, ...]:
        if line.lost:
            return Text("✗", "red"), Text(target, "red"), Text(), Text(), Text(line.text, "red")
        mark: Spinner | Text = self._spinner if line.active else Text("·", "dim")
        if line.text in {"", "compared", "loaded"}:
            mark = Text("✓", "green")
        name = Text(target, "" if line.active or line.photos[0] else "dim")
        bars = _bar(line.photos, "photos"), _bar(line.rounds, "rounds")
        return mark, name, *bars, Text(line.text, "dim")


def _bar(part: tuple[int, int], what: str) -> Text:
    done, total = part
    return Text(f"{done}/{total} {what}" if total else "", "" if done == total else "cyan")
