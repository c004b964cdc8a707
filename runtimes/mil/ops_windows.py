"""Convolutions and pools over windows, and matrix products."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from .arguments import Uncovered, integers

__all__ = ["EXACT", "OPERATIONS"]

_CONV: dict[int, Callable[..., Tensor]] = {1: F.conv1d, 2: F.conv2d, 3: F.conv3d}
_TRANSPOSED: dict[int, Callable[..., Tensor]] = {
    1: F.conv_transpose1d,
    2: F.conv_transpose2d,
    3: F.conv_transpose3d,
}
_MAX: dict[int, Callable[..., Tensor]] = {1: F.max_pool1d, 2: F.max_pool2d, 3: F.max_pool3d}
_MEAN: dict[int, Callable[..., Tensor]] = {1: F.avg_pool1d, 2: F.avg_pool2d, 3: F.avg_pool3d}

Pairs = list[tuple[int, int]]


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
    pairs = _explicit_padding(pad_type, integers(pad), x.shape[2:], window, steps)
    if not _symmetric(pairs):
        x = F.pad(x, _reversed_pairs(pairs))
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
    cropped = F.pad(full, [-amount for amount in _reversed_pairs(crops)])
    return cropped if bias is None else cropped + bias.reshape(-1, *[1] * len(steps))


class _Window:
    """A pool's window, and how the input is padded for it; MIL's parameters."""

    def __init__(
        self,
        x: Tensor,
        kernel_sizes: Tensor,
        strides: Tensor,
        pad_type: str,
        pad: Tensor,
        ceil_mode: bool = False,
    ) -> None:
        self.kernel, self.strides = integers(kernel_sizes), integers(strides)
        self.pairs = _explicit_padding(
            pad_type.lower(), integers(pad), x.shape[2:], self.kernel, self.strides
        )
        self.before = [before for before, _ in self.pairs]
        self.ceil_mode = ceil_mode
        half = all(b <= k // 2 for b, k in zip(self.before, self.kernel, strict=True))
        # torch pads pools by itself: as much before as after, at most half a window.
        self.native = _symmetric(self.pairs) and half
        if ceil_mode and not self.native:
            raise Uncovered("ceil_mode with padding beyond half a window")


def max_pool(x: Tensor, **window: Any) -> Tensor:
    """The largest value of each window; padding never wins."""
    w = _Window(x, **window)
    pool = _MAX[len(w.kernel)]
    if w.native:
        return pool(x, w.kernel, w.strides, w.before, ceil_mode=w.ceil_mode)
    padded = F.pad(x, _reversed_pairs(w.pairs), value=-math.inf)
    return pool(padded, w.kernel, w.strides)


def avg_pool(x: Tensor, exclude_padding_from_average: bool = False, **window: Any) -> Tensor:
    """The mean of each window, padding counted as zeros or not at all."""
    w = _Window(x, **window)
    pool, counted = _MEAN[len(w.kernel)], not exclude_padding_from_average
    if w.native:
        return pool(x, w.kernel, w.strides, w.before, w.ceil_mode, counted)
    amounts = _reversed_pairs(w.pairs)
    mean = pool(F.pad(x, amounts), w.kernel, w.strides)
    if counted:
        return mean
    inside = F.pad(torch.ones_like(x[:1, :1]), amounts)
    return mean / pool(inside, w.kernel, w.strides)


def l2_pool(x: Tensor, **window: Any) -> Tensor:
    """The root of the sum of squares of each window."""
    count = math.prod(integers(window["kernel_sizes"]))
    return torch.sqrt(avg_pool(x * x, **window) * count)


def matmul(x: Tensor, y: Tensor, transpose_x: bool = False, transpose_y: bool = False) -> Tensor:
    """NumPy's broadcasting matrix product; transposition has no effect on vectors."""
    left = x.transpose(-1, -2) if transpose_x and x.ndim > 1 else x
    right = y.transpose(-1, -2) if transpose_y and y.ndim > 1 else y
    return torch.matmul(left, right)


def _explicit_padding(
    pad_type: str,
    pad: Sequence[int],
    sizes: Sequence[int],
    kernel: Sequence[int],
    strides: Sequence[int],
) -> Pairs:
    """Elements before and after each spatial dimension.

    Args:
        pad_type: ``valid``, ``custom``, ``same`` or ``same_lower``.
        pad: Before and after each dimension, in turn; used by ``custom`` only.
        sizes: The input's spatial sizes.
        kernel: The window's sizes, dilation included.
        strides: Steps of the window.
    """
    match pad_type:
        case "valid":
            return [(0, 0)] * len(sizes)
        case "custom":
            return list(zip(pad[::2], pad[1::2], strict=True))
        case "same" | "same_lower":
            totals = [
                max(0, (math.ceil(size / stride) - 1) * stride + window - size)
                for size, window, stride in zip(sizes, kernel, strides, strict=True)
            ]
            # The odd element goes after, in same_lower before.
            small = [(total // 2, total - total // 2) for total in totals]
            return small if pad_type == "same" else [(after, before) for before, after in small]
    raise Uncovered(f"pad_type {pad_type!r}")


def _symmetric(pairs: Pairs) -> bool:
    """Each dimension has as many elements before as after."""
    return all(before == after for before, after in pairs)


def _reversed_pairs(pairs: Pairs) -> list[int]:
    """The order of `torch.nn.functional.pad`: last dimension first."""
    return [amount for pair in reversed(pairs) for amount in pair]


OPERATIONS: dict[str, Callable[..., Any]] = {
    "avg_pool": avg_pool,
    "conv": conv,
    "conv_transpose": conv_transpose,
    "einsum": lambda values, equation: torch.einsum(equation, *values),
    "l2_pool": l2_pool,
    "linear": lambda x, weight, bias=None: F.linear(x, weight, bias),
    "matmul": matmul,
    "max_pool": max_pool,
}
EXACT = frozenset({"max_pool"})
