"""Scalars for TensorBoard, written without it: event files are records of a few plain fields.

Formats: TensorFlow's `tensorflow/core/util/event.proto` and `framework/summary.proto` (fields by
number below) in the records of `core/lib/io/record_writer.h`: length, its checksum, bytes, their
checksum, the checksums CRC-32C (RFC 3720, appendix B.4), rotated and offset. TensorBoard's own
writer would import TensorFlow where that is installed, some seconds and 500 MB.
"""

from __future__ import annotations

import os
import socket
import struct
import time
from collections.abc import Mapping
from pathlib import Path

__all__ = ["EventWriter", "crc32c"]

# Fields of Event, Summary, Summary.Value and SessionLog.
WALL_TIME, STEP, FILE_VERSION, SUMMARY, SESSION_LOG = 1, 2, 3, 5, 7
VALUE = 1
TAG, SIMPLE_VALUE = 1, 2
STATUS, START = 1, 1

VARINT, DOUBLE, BYTES, FLOAT = 0, 1, 2, 5


class EventWriter:
    """One event file of a run; opened by each sitting anew.

    Args:
        folder: Where TensorBoard is to look.
        step: The last step that earlier files may keep: TensorBoard drops what they have beyond
            it, which a run that was killed writes again.
    """

    def __init__(self, folder: Path, step: int) -> None:
        # TensorBoard reads files in the order of the seconds in their names.
        name = f"events.out.tfevents.{time.time():017.6f}.{socket.gethostname()}.{os.getpid()}"
        self._file = (folder / name).open("ab")
        self._write(_field(FILE_VERSION, b"brain.Event:2"))
        if step:
            start = _field(STEP, step + 1) + _field(SESSION_LOG, _field(STATUS, START))
            self._write(start)

    def add(self, step: int, scalars: Mapping[str, float]) -> None:
        """Write numbers of a step, by name; they are on disk when this returns."""
        values = b"".join(
            _field(VALUE, _field(TAG, name.encode()) + _float(SIMPLE_VALUE, value))
            for name, value in scalars.items()
        )
        self._write(_field(STEP, step) + _field(SUMMARY, values))

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def _write(self, fields: bytes) -> None:
        event = _tag(WALL_TIME, DOUBLE) + struct.pack("<d", time.time()) + fields
        length = struct.pack("<Q", len(event))
        self._file.write(length + _checksum(length) + event + _checksum(event))
        self._file.flush()


def crc32c(data: bytes) -> int:
    """CRC-32C (Castagnoli) of some bytes."""
    value = 0xFFFFFFFF
    for byte in data:
        value = _TABLE[(value ^ byte) & 0xFF] ^ (value >> 8)
    return value ^ 0xFFFFFFFF


def _table() -> list[int]:
    reflected = 0x82F63B78
    table = []
    for entry in range(256):
        for _ in range(8):
            entry = (entry >> 1) ^ (reflected if entry & 1 else 0)  # noqa: PLW2901
        table.append(entry)
    return table


_TABLE = _table()


def _checksum(data: bytes) -> bytes:
    value = crc32c(data)
    rotated = ((value >> 15) | (value << 17)) & 0xFFFFFFFF
    return struct.pack("<I", (rotated + 0xA282EAD8) & 0xFFFFFFFF)


def _field(number: int, value: int | bytes) -> bytes:
    if isinstance(value, int):
        return _tag(number, VARINT) + _varint(value)
    return _tag(number, BYTES) + _varint(len(value)) + value


def _float(number: int, value: float) -> bytes:
    return _tag(number, FLOAT) + struct.pack("<f", value)


def _tag(number: int, kind: int) -> bytes:
    return _varint(number << 3 | kind)


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)
