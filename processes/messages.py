"""Messages between a process and its child: frozen dataclasses, and at most one array with each.

On the way, a message is four bytes of length, a line of its name and its array's shape, its fields
as JSON, and the array as float32. Nothing is unpickled: a process that a malformed file has taken
over can send nonsense, not code.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from io import FileIO
from typing import Any, Generic, TypeVar

import numpy as np
from numpy.typing import NDArray
from pydantic import TypeAdapter, ValidationError
from pydantic_core import PydanticSerializationError, to_json, to_jsonable_python

__all__ = [
    "GREETING",
    "LARGEST_ARRAY",
    "LARGEST_MESSAGE",
    "Array",
    "Frame",
    "Garbled",
    "Vocabulary",
    "send",
]

Array = NDArray[np.float32]
Message = TypeVar("Message")

# The line after which a child sends nothing but messages.
GREETING = b"\x02maskport\n"

LARGEST_MESSAGE = 16 << 20
# 1 GiB: far above any mask or intermediate tensor of one photo.
LARGEST_ARRAY = 1 << 30


class Garbled(Exception):
    """What came is no message."""


@dataclass(frozen=True, slots=True)
class Frame:
    """A message that has come and was not looked into.

    Attributes:
        name: Of its class.
        content: Its fields, as JSON.
        array: What came with it.
    """

    name: str
    content: bytes
    array: Array | None

    @classmethod
    def receive(cls, stream: FileIO) -> Frame:
        """The next one.

        Raises:
            EOFError, OSError: The other side is gone.
            Garbled: It is none.
        """
        size = int.from_bytes(_exactly(stream, 4), "big")
        if size > LARGEST_MESSAGE:
            raise Garbled(f"a message of {size} bytes")
        line, _, content = bytes(_exactly(stream, size)).partition(b"\n")
        name, *dimensions = line.split(b" ")
        if not dimensions:
            return cls(name.decode(errors="replace"), content, None)
        try:
            shape = [int(dimension) for dimension in dimensions]
        except ValueError as exc:
            raise Garbled(str(exc)) from exc
        count = math.prod(shape)
        if len(shape) > 8 or min(shape) < 0 or count * 4 > LARGEST_ARRAY:
            raise Garbled(f"an array of shape {shape}")
        values = np.frombuffer(_exactly(stream, count * 4), np.float32)
        return cls(name.decode(errors="replace"), content, values.reshape(shape))


class Vocabulary(Generic[Message]):
    """What one side may say: dataclasses whose fields JSON can hold."""

    def __init__(self, *kinds: type[Message]) -> None:
        self._kinds = {kind.__name__: TypeAdapter(kind) for kind in kinds}

    def read(self, frame: Frame) -> Message:
        """The message of a frame.

        Raises:
            Garbled: It is none of these, or its fields are not of their types.
        """
        if frame.name not in self._kinds:
            raise Garbled(f"a message {frame.name[:40]!r}")
        try:
            return self._kinds[frame.name].validate_json(frame.content, strict=True)
        except ValidationError as exc:
            wrong = exc.errors(include_url=False, include_input=False)[0]
            where = ".".join(map(str, (frame.name, *wrong["loc"])))
            raise Garbled(f"{where}: {wrong['msg']}") from exc


def send(stream: FileIO, message: object, array: NDArray[Any] | None = None) -> None:
    """Send a message; ``array`` goes with it as float32. What a text has that is no UTF-8, as names
    of files may, comes as question marks.

    Raises:
        OSError: The other side is gone.
        ValueError: JSON can't hold it; nothing was sent.
    """
    values: Array | None = None
    line = type(message).__name__
    if array is not None:
        values = np.ascontiguousarray(array, dtype=np.float32)
        line = " ".join((line, *map(str, values.shape)))
    try:
        said = to_json(message)
    except PydanticSerializationError:
        plain = json.dumps(to_jsonable_python(message), ensure_ascii=False)
        said = plain.encode(errors="replace")
    content = line.encode() + b"\n" + said
    _write(stream, len(content).to_bytes(4, "big") + content)
    if values is not None and values.size:
        _write(stream, values.data.cast("B"))


def _exactly(stream: FileIO, count: int) -> bytearray:
    """Streams here have no buffer: their locks would outlive the threads that wait in them."""
    content = bytearray(count)
    rest = memoryview(content)
    while rest:
        came = stream.readinto(rest)
        if not came:
            raise EOFError
        rest = rest[came:]
    return content


def _write(stream: FileIO, content: bytes | memoryview) -> None:
    rest = memoryview(content)
    while rest:
        rest = rest[stream.write(rest) :]
