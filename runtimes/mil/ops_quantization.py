"""Integers for real values, and back: iOS 17's ``quantize`` and ``dequantize``.

Integers are kept in tensors of their own type, so a value that the program stores in 8 bits
can't leave its range here either. Weights are not these operations' concern: ``constexpr_``
operations are decompressed when a program is loaded.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from .arguments import Uncovered

__all__ = ["EXACT", "OPERATIONS"]

_TYPES = {"int8": torch.int8, "uint8": torch.uint8}


def quantize(
    input: Tensor,  # MIL's own name
    scale: Tensor,
    output_dtype: str,
    zero_point: Tensor | int = 0,
    axis: int | None = None,
) -> Tensor:
    """clip(round(input / scale) + zero_point): halves to even, beyond the type's ends the ends.

    ``scale`` and ``zero_point`` are scalars, or vectors (C,) along ``axis``.
    """
    if output_dtype not in _TYPES:
        raise Uncovered(f"output_dtype {output_dtype!r}")
    kind = _TYPES[output_dtype]
    ends = torch.iinfo(kind)
    steps = (input / _along(scale, input, axis)).round_() + _along(zero_point, input, axis)
    return steps.clamp_(ends.min, ends.max).to(kind)


def dequantize(
    input: Tensor,
    scale: Tensor,
    zero_point: Tensor | int = 0,
    axis: int | None = None,
) -> Tensor:
    """scale * (input - zero_point)."""
    return (input.float() - _along(zero_point, input, axis)) * _along(scale, input, axis)


def _along(parameter: Tensor | int, data: Tensor, axis: int | None) -> Tensor | int:
    """A vector as a tensor that broadcasts along one axis of the data."""
    if isinstance(parameter, int) or parameter.ndim == 0 or axis is None:
        return parameter
    shape = [1] * data.ndim
    shape[axis] = -1
    return parameter.reshape(shape)


OPERATIONS: dict[str, Callable[..., Any]] = {"dequantize": dequantize, "quantize": quantize}
EXACT: frozenset[str] = frozenset()
