"""The record of a run: `log.jsonl` for scripts, event files for TensorBoard.

A line of `log.jsonl` is a step (``step``, ``loss``, ``fused``, ``rate``, ``seconds``) or a
scoring (``step``, ``mae``, ``max_f``, …). Losses of a run that was resumed are those of one that
was not; ``seconds`` are not.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

from ..errors import MissingToolError
from .checkpoint import write_atomically
from .failures import writing
from .tensorboard import EventWriter

__all__ = ["LOG", "RunLog"]

LOG = "log.jsonl"


class RunLog:
    """Writes both; only the lines where TensorBoard is not installed.

    Args:
        folder: Of the run.
        step: The step that it goes on from: what a killed run logged beyond it is dropped.
        scored: The step of the last scoring that counts; later ones are dropped likewise.
        say: Told that there will be no event file, and what to install.
    """

    def __init__(self, folder: Path, step: int, scored: int, say: Callable[[str], None]) -> None:
        self._file = folder / LOG
        if self._file.exists():
            write_atomically(self._file, _until(self._file, step, scored))
        with writing(self._file):
            self._lines = self._file.open("a", encoding="utf-8")
            try:
                self._events: EventWriter | None = EventWriter(folder, step)
            except MissingToolError as exc:
                self._events = None
                say(f"{LOG} only: {exc.what} {exc.remedy}")

    def add(self, kind: str, step: int, numbers: dict[str, float]) -> None:
        """Record a step's numbers under ``kind``, ``"train"`` or ``"validation"``."""
        rounded = {name: float(f"{value:.9g}") for name, value in numbers.items()}
        with writing(self._file):
            self._lines.write(json.dumps({"step": step, **rounded}) + "\n")
            self._lines.flush()
            if self._events is not None:
                self._events.add(step, {f"{kind}/{name}": value for name, value in numbers.items()})

    def close(self) -> None:
        """Close both."""
        with writing(self._file):
            self._lines.close()
            if self._events is not None:
                self._events.close()


def _until(file: Path, step: int, scored: int) -> bytes:
    kept = []
    for line in file.read_bytes().splitlines(keepends=True):
        try:
            numbers = json.loads(line)
        except ValueError:
            continue  # cut off by the end of the process
        # Only steps have a learning rate.
        if numbers["step"] <= (step if "rate" in numbers else scored):
            kept.append(line)
    return b"".join(kept)
