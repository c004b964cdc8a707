"""What training looks like in a terminal: one bar with speed and remaining time, and scores."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from rich.progress import BarColumn, Progress, ProgressColumn, Task, TaskID, TextColumn
from rich.text import Text

from .live_view import LiveView

if TYPE_CHECKING:
    from ..training.loop import TrainingEvent

__all__ = ["TrainView", "duration"]

# Seconds between two lines where there is no terminal to redraw.
PLAIN_EVERY = 30.0


class TrainView(LiveView):
    """Follows a run's events on stderr. A context manager; on a terminal it redraws one line
    and prints each scoring above it, and elsewhere it prints a line now and then.
    """

    def __init__(self) -> None:
        super().__init__()
        self._live: Progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.completed:.0f}/{task.total:.0f}"),
            _Facts(),
            console=self._console,
            refresh_per_second=2,
            redirect_stdout=False,
            redirect_stderr=False,
            transient=True,
        )
        self._task: TaskID | None = None
        self._printed = 0.0

    def watch(self, event: TrainingEvent) -> None:
        """Take an event of the run."""
        if event.kind in {"preparing", "stopping"}:
            self.note(f"{event.text} …")
        elif event.kind == "step":
            self._step(event)
        elif event.kind == "scoring":
            self._show("scoring", event.done, event.total, "")
        else:
            self.note(_scored(event))

    def _step(self, event: TrainingEvent) -> None:
        numbers = event.numbers
        facts = (
            f"loss {numbers['loss']:.3f}   {numbers['images_per_second']:.1f} images/s   "
            f"{_remaining(event)}"
        )
        if numbers["waited"] > 0.1:
            facts += f"   waits {numbers['waited']:.0%} for data"
        self._show("training", event.step, event.steps, facts)
        now = time.monotonic()
        last = event.step == event.steps
        if not self._animated and (now - self._printed > PLAIN_EVERY or last):
            self._printed = now
            self.note(f"step {event.step}/{event.steps}   {facts}")

    def _show(self, what: str, done: int, total: int, facts: str) -> None:
        if not self._animated:
            return
        if self._task is None:
            self._task = self._live.add_task(what, total=total, facts="")
        self._live.update(self._task, description=what, completed=done, total=total, facts=facts)


class _Facts(ProgressColumn):
    def render(self, task: Task) -> Text:
        return Text(str(task.fields["facts"]), "dim")


def duration(seconds: float) -> str:
    """Hours, minutes and seconds, the two largest that are not zero."""
    minutes, second = divmod(round(seconds), 60)
    hours, minute = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minute:02} min"
    return f"{minute} min {second:02} s" if minute else f"{second} s"


def _remaining(event: TrainingEvent) -> str:
    rate = event.numbers["steps_per_second"]
    return f"{duration((event.steps - event.step) / rate)} left" if rate else ""


def _scored(event: TrainingEvent) -> str:
    numbers = event.numbers
    parts = [f"step {event.step}: mean loss {numbers['loss']:.4f}"]
    if "max_f" in numbers:
        parts.append(f"MAE {numbers['mae']:.4f}, max-F {numbers['max_f']:.4f}")
    return ", ".join(parts) + (", the best so far" if event.best else "")
