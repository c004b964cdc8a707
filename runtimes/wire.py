"""Messages between a runner's process and ours: a JSON object, and at most one array after it.

Nothing is unpickled: a process that a malformed file has taken over can send nonsense, not code.
"""

from __future__ import annotations

import json
import math
from multiprocessing.connection import Connection
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["LARGEST_ARRAY", "Garbled", "receive", "send"]

LARGEST_MESSAGE = 16 << 20
# 1 GiB: far above any mask or intermediate tensor of one photo.
LARGEST_ARRAY = 1 << 30


class Garbled(Exception):
    """What came is no message."""


def send(
    channel: Connection[Any, Any], message: dict[str, Any], array: NDArray[np.float32] | None = None
) -> None:
    """Send a message; ``array`` goes with it as float32."""
    if array is None:
        channel.send_bytes(json.dumps(message).encode())
        return
    values = np.ascontiguousarray(array, dtype=np.float32)
    channel.send_bytes(json.dumps({**message, "array": list(values.shape)}).encode())
    channel.send_bytes(values.data.cast("B"))


def receive(channel: Connection[Any, Any]) -> tuple[dict[str, Any], NDArray[np.float32] | None]:
    """The next message.

    Raises:
        EOFError, OSError: The other side is gone.
        Garbled: It is no message.
    """
    try:
        message = json.loads(channel.recv_bytes(LARGEST_MESSAGE))
        if not isinstance(message, dict):
            raise Garbled("no object")
        shape = message.pop("array", None)
        if shape is None:
            return message, None
        count = math.prod(shape)
        if len(shape) > 8 or not 0 <= count * 4 <= LARGEST_ARRAY or min(shape, default=1) < 0:
            raise Garbled(f"an array of shape {shape}")
        content = channel.recv_bytes(count * 4)
        return message, np.frombuffer(content, np.float32).reshape(shape)
    except (ValueError, TypeError, AttributeError, RecursionError) as exc:
        raise Garbled(str(exc)) from exc
