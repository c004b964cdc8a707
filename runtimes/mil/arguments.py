"""How MIL's values look to the functions that run its operations.

An operation's function is called with MIL's own parameter names. Tensors of numbers arrive as
`torch.Tensor`, whether constants of the file or values of the run; scalar integers, booleans
and strings arrive as Python's. A float16 tensor arrives as float32 holding float16 values.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

__all__ = ["Uncovered", "integers", "round_to_half", "to_torch"]


class Uncovered(Exception):
    """An operation is known, and asked for something that its function doesn't do."""


def to_torch(value: Any) -> Any:
    """A constant of the program as operations see it."""
    if isinstance(value, str | bool | int):
        return value
    array = np.asarray(value)
    if array.dtype.kind == "U":
        return str(array)
    if array.dtype.kind in "bui" and array.ndim == 0:
        return array.item()
    if array.dtype.kind == "f":
        array = array.astype(np.float32)
    elif array.dtype.kind in "ui":
        array = array.astype(np.int32)
    tensor = torch.from_numpy(np.array(array, order="C"))
    # What convolutions compute in on a CPU; eager torch would convert at every call.
    return tensor.contiguous(memory_format=torch.channels_last) if tensor.ndim == 4 else tensor


def integers(value: Tensor | int) -> list[int]:
    """A vector parameter, such as strides or axes, as Python integers."""
    listed: int | list[int] = value.tolist() if isinstance(value, Tensor) else value
    return listed if isinstance(listed, list) else [listed]


def round_to_half(value: Tensor) -> Tensor:
    """Float32 values rounded to the nearest float16; beyond 65504 they become infinite."""
    return value.half().float()
