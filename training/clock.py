"""Time spent on a run, and how fast its last steps were."""

from __future__ import annotations

import time

__all__ = ["Clock"]


# Steps that speeds are means of.
RECENT = 20


class Clock:
    """Runs from when it is made.

    Args:
        before: Seconds of earlier sittings.
    """

    def __init__(self, before: float) -> None:
        self._before, self._began = before, time.monotonic()
        self.forget()

    def forget(self) -> None:
        """Begin the recent steps anew, after something that was none."""
        self._marks = [time.monotonic()]
        self._waits: list[float] = []

    def waits(self) -> None:
        """A batch is asked for."""
        self._asked = time.monotonic()

    def works(self) -> None:
        """It is there."""
        self._waits = [*self._waits, time.monotonic() - self._asked][-RECENT:]

    def stepped(self) -> None:
        """Its step is done."""
        self._marks = [*self._marks, time.monotonic()][-RECENT - 1 :]

    def seconds(self) -> float:
        """Of all sittings."""
        return self._before + time.monotonic() - self._began

    def steps_per_second(self) -> float:
        """Of the recent steps; 0 before the first."""
        taken = self._marks[-1] - self._marks[0]
        return (len(self._marks) - 1) / taken if taken > 0 else 0.0

    def waited(self) -> float:
        """Share of the recent steps' time in which no batch was at hand, from 0 to 1."""
        taken = self._marks[-1] - self._marks[0]
        return min(1.0, sum(self._waits) / taken) if taken > 0 else 0.0
