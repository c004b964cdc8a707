"""What a sweep looks like in a terminal: how far each kind of task is, and which ones run."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from rich.table import Table
from rich.text import Text

from .live_view import Seldom, TableView
from .tables import printable

if TYPE_CHECKING:
    from ..sweeps.run import SweepEvent

__all__ = ["SweepView"]

_VERBS = {"export": "exported", "compare": "compared", "time": "timed", "judge": "judged"}
# Tasks that are with the cluster, as many as fit on a screen.
_SHOWN = 8
_WIDTH = 30


@dataclass
class _Line:
    """A kind of task."""

    done: int = 0
    total: int = 0
    had: int = 0
    began: float = field(default_factory=time.monotonic)


class SweepView(TableView):
    """Follows a sweep's events on stderr. A context manager; on a terminal it redraws its lines,
    and elsewhere it prints how far it is, now and then.
    """

    def __init__(self) -> None:
        self._lines: dict[str, _Line] = {}
        self._with_ray: dict[str, float] = {}
        self._seldom = Seldom()
        super().__init__(4, transient=True)

    def say(self, text: str) -> None:
        """What is being done for all of them."""
        super().say(text)
        if text:
            self._clocked(text)

    def watch(self, event: SweepEvent) -> None:
        """Take an event of the sweep."""
        if event.kind in {"note", "failed"}:
            mark = "✗ " if event.kind == "failed" else ""
            label = f"{event.label}: " if event.label else ""
            self.note(f"{mark}{label}{event.text}")
            self._with_ray.pop(event.label, None)
            if event.work is not None:
                self._lines.setdefault(str(event.work), _Line()).done += 1
        if event.kind == "stage":
            self.say(event.text)
        elif event.kind == "planned":
            self.say("")
            self._lines[str(event.work)] = _Line(event.done, event.total, event.done)
        elif event.kind == "started":
            self._with_ray[f"{event.work} {event.label}"] = time.monotonic()
        elif event.kind == "ended":
            self._with_ray.pop(f"{event.work} {event.label}", None)
            line = self._lines.setdefault(str(event.work), _Line())
            line.done += 1
            verb = _VERBS[str(event.work)]
            text = f"{verb} {line.done}/{line.total}: {event.label}"
            if self._seldom.due(verb) or line.done == line.total:
                self._clocked(text)

    def _table(self) -> Table:
        table = Table.grid(padding=(0, 2))
        for work, line in self._lines.items():
            if not line.total:
                continue
            share = line.done / line.total
            bar = Text("━" * round(share * _WIDTH), "green").append(
                "━" * (_WIDTH - round(share * _WIDTH)), "dim"
            )
            had = f"{line.had} before" if line.had else ""
            table.add_row(
                Text(_VERBS[work]), bar, f"{line.done}/{line.total}", had, self._left(line)
            )
        for label, began in list(self._with_ray.items())[:_SHOWN]:
            seconds = f"{time.monotonic() - began:.0f} s"
            table.add_row(self._spinner, Text(printable(label), "dim"), Text(seconds, "dim"))
        if len(self._with_ray) > _SHOWN:
            table.add_row("", Text(f"… and {len(self._with_ray) - _SHOWN} more", "dim"))
        if self._common:
            table.add_row(self._spinner, Text(self._common, "dim"))
        return table

    @staticmethod
    def _left(line: _Line) -> Text:
        """From how long those took that were done now."""
        done = line.done - line.had
        if not done or line.done >= line.total:
            return Text()
        seconds = (time.monotonic() - line.began) / done * (line.total - line.done)
        return Text(f"about {seconds / 60:.0f} min left", "dim")
