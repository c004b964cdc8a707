"""Scalars for TensorBoard: event files by its own records and messages.

Not by its `EventFileWriter`, nor PyTorch's `SummaryWriter` around that one: they import TensorFlow
where it is installed (some seconds, 500 MB), write in a thread that keeps a full disk to itself,
and give two files of one second a name that says nothing of their order.
"""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..errors import MissingToolError

__all__ = ["EventWriter"]


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
