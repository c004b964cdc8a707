"""Convolutions and matrix products."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from .arguments import Uncovered, integers
from .padding import explicit_padding, reversed_pairs, symmetric

__all__ = ["EXACT", "OPERATIONS"]

_CONV: dict[int, Callable[..., Tensor]] = {1: F.conv1d, 2: F.conv2d, 3: F.conv3d}
_TRANSPOSED: dict[int, Callable[..., Tensor]] = {
    1: F.conv_transpose1d,
    2: F.conv_transpose2d,
    3: F.conv_transpose3d,
}


def conv(
    x: Tensor,
    weight: Tensor,
    strides: Tensor,
    pad_type: str,
    pad: Tensor,
    dilations: Tensor,
    groups: int = 1,
    bias: Tensor | None = None,
) -> Tensor:
    """(N, C, *sizes) with weights (O, C / groups, *kernel)."""
    steps, spread = integers(strides), integers(dilations)
    window = [(k - 1) * d + 1 for k, d in zip(weight.shape[2:], spread, strict=True)]
    pairs = explicit_padding(pad_type, integers(pad), x.shape[2:], window, steps)
    if not symmetric(pairs):
        x = F.pad(x, reversed_pairs(pairs))
        pairs = [(0, 0)] * len(pairs)
    amounts = [before for before, _ in pairs]
    return _CONV[len(steps)](x, weight, bias, steps, amounts, spread, groups)


def conv_transpose(
    x: Tensor,
    weight: Tensor,
    strides: Tensor,
    pad_type: str,
    pad: Tensor,
    dilations: Tensor,
    groups: int = 1,
    bias: Tensor | None = None,
    output_shape: Tensor | None = None,
) -> Tensor:
    """(N, C, *sizes) with weights (C, O / groups, *kernel).

    Computed without padding, then cropped: MIL's padding takes elements off the result. Where
    an output shape asks for more than there is, what lies beyond every window is bias alone.
    """
    steps, spread = integers(strides), integers(dilations)
    full = _TRANSPOSED[len(steps)](x, weight, None, steps, 0, 0, groups, spread)
    custom = integers(pad)
    crops: list[tuple[int, int]]
    match pad_type:
        case "valid":
            crops = [(0, 0)] * len(steps)
        case "custom":
            crops = list(zip(custom[::2], custom[1::2], strict=True))
        case "same":
            totals = [
                whole - size * step
                for whole, size, step in zip(full.shape[2:], x.shape[2:], steps, strict=True)
            ]
            crops = [(max(total, 0) // 2, total - max(total, 0) // 2) for total in totals]
        case _:
            raise Uncovered(f"pad_type {pad_type!r}")
    if output_shape is not None:
        sizes = integers(output_shape)[2:]
        crops = [
            (before, whole - before - size)
            for (before, _), whole, size in zip(crops, full.shape[2:], sizes, strict=True)
        ]
    cropped = F.pad(full, [-amount for amount in reversed_pairs(crops)])
    return cropped if bias is None else cropped + bias.reshape(-1, *[1] * len(steps))


def linear(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """(..., D) with weights (O, D)."""
    return F.linear(x, weight, bias)


def matmul(x: Tensor, y: Tensor, transpose_x: bool = False, transpose_y: bool = False) -> Tensor:
    """NumPy's broadcasting matrix product; transposition has no effect on vectors."""
    left = x.transpose(-1, -2) if transpose_x and x.ndim > 1 else x
    right = y.transpose(-1, -2) if transpose_y and y.ndim > 1 else y
    return torch.matmul(left, right)


def einsum(values: list[Tensor], equation: str) -> Tensor:
    """Two tensors by an equation such as ``nchw,nwhu->nchu``."""
    return torch.einsum(equation, *values)


OPERATIONS: dict[str, Callable[..., Any]] = {
    "conv": conv,
    "conv_transpose": conv_transpose,
    "einsum": einsum,
    "linear": linear,
    "matmul": matmul,
}
EXACT: frozenset[str] = frozenset()
