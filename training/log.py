"""The record of a run: `log.jsonl` for scripts, event files for TensorBoard.

A line of `log.jsonl` is a step (``step``, ``loss``, ``fused``, ``rate``, ``seconds``) or a
scoring (``step``, ``mae``, ``max_f``, …). Losses of a run that was resumed are those of one that
was not; ``seconds`` are not.
"""

from __future__ import annotations

import json
import os
import socket
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from ..errors import MissingToolError
from ..outside.files import CONFIG, read_bytes
from .checkpoint import write_atomically
from .failures import writing

__all__ = ["LOG", "EventWriter", "RunLog"]

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
    for line in read_bytes(file, CONFIG).splitlines(keepends=True):
        try:
            numbers = json.loads(line)
        except ValueError:
            continue  # cut off by the end of the process
        # Only steps have a learning rate.
        if numbers["step"] <= (step if "rate" in numbers else scored):
            kept.append(line)
    return b"".join(kept)


class EventWriter:
    """One event file of a run; opened by each sitting anew.

    Args:
        folder: Where TensorBoard is to look.
        step: The last step that earlier files may keep: TensorBoard drops what they have beyond
            it, which a run that was killed writes again.

    Raises:
        MissingToolError: TensorBoard is not installed.
    """

    def __init__(self, folder: Path, step: int) -> None:
        try:
            from tensorboard.compat.proto.event_pb2 import Event, SessionLog
            from tensorboard.summary.writer.record_writer import RecordWriter
        except ImportError as exc:
            raise MissingToolError("tensorboard", "training", "A log for TensorBoard") from exc
        self._event = Event
        # TensorBoard reads files in the order of the seconds in their names.
        name = f"events.out.tfevents.{time.time():017.6f}.{socket.gethostname()}.{os.getpid()}"
        self._records = RecordWriter((folder / name).open("ab"))
        self._write(file_version="brain.Event:2")
        if step:
            self._write(step=step + 1, session_log=SessionLog(status=SessionLog.START))

    def add(self, step: int, scalars: Mapping[str, float]) -> None:
        """Write numbers of a step, by name; they are on disk when this returns."""
        values = [{"tag": name, "simple_value": value} for name, value in scalars.items()]
        self._write(step=step, summary={"value": values})

    def close(self) -> None:
        """Close the file."""
        self._records.close()

    def _write(self, **fields: Any) -> None:
        event = self._event(wall_time=time.time(), **fields)
        self._records.write(event.SerializeToString())
        self._records.flush()
