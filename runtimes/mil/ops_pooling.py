"""Pools over windows."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from .arguments import Uncovered, integers
from .padding import explicit_padding, reversed_pairs, symmetric

__all__ = ["EXACT", "OPERATIONS"]

_MAX: dict[int, Callable[..., Tensor]] = {1: F.max_pool1d, 2: F.max_pool2d, 3: F.max_pool3d}
_MEAN: dict[int, Callable[..., Tensor]] = {1: F.avg_pool1d, 2: F.avg_pool2d, 3: F.avg_pool3d}


class Window:
    """A pool's window, and how the input is padded for it."""

    def __init__(
        self,
        x: Tensor,
        kernel_sizes: Tensor,
        strides: Tensor,
        pad_type: str,
        pad: Tensor,
        ceil_mode: bool,
    ) -> None:
        self.kernel, self.strides = integers(kernel_sizes), integers(strides)
        self.pairs = explicit_padding(
            pad_type.lower(), integers(pad), x.shape[2:], self.kernel, self.strides
        )
        half = all(b <= k // 2 for (b, _), k in zip(self.pairs, self.kernel, strict=True))
        # torch pads pools by itself: as much before as after, at most half a window.
        self.native = symmetric(self.pairs) and half
        if ceil_mode and not self.native:
            raise Uncovered("ceil_mode with padding beyond half a window")

    @property
    def before(self) -> list[int]:
        return [before for before, _ in self.pairs]


def max_pool(
    x: Tensor,
    kernel_sizes: Tensor,
    strides: Tensor,
    pad_type: str,
    pad: Tensor,
    ceil_mode: bool = False,
) -> Tensor:
    """The largest value of each window; padding never wins."""
    window = Window(x, kernel_sizes, strides, pad_type, pad, ceil_mode)
    pool = _MAX[len(window.kernel)]
    if window.native:
        return pool(x, window.kernel, window.strides, window.before, ceil_mode=ceil_mode)
    padded = F.pad(x, reversed_pairs(window.pairs), value=-math.inf)
    return pool(padded, window.kernel, window.strides)


def avg_pool(
    x: Tensor,
    kernel_sizes: Tensor,
    strides: Tensor,
    pad_type: str,
    pad: Tensor,
    exclude_padding_from_average: bool = False,
    ceil_mode: bool = False,
) -> Tensor:
    """The mean of each window, padding counted as zeros or not at all."""
    window = Window(x, kernel_sizes, strides, pad_type, pad, ceil_mode)
    pool = _MEAN[len(window.kernel)]
    if window.native:
        return pool(
            x,
            window.kernel,
            window.strides,
            window.before,
            ceil_mode,
            not exclude_padding_from_average,
        )
    amounts = reversed_pairs(window.pairs)
    mean = pool(F.pad(x, amounts), window.kernel, window.strides)
    if not exclude_padding_from_average:
        return mean
    inside = F.pad(torch.ones_like(x[:1, :1]), amounts)
    return mean / pool(inside, window.kernel, window.strides)


def l2_pool(
    x: Tensor,
    kernel_sizes: Tensor,
    strides: Tensor,
    pad_type: str,
    pad: Tensor,
    ceil_mode: bool = False,
) -> Tensor:
    """The root of the sum of squares of each window."""
    mean = avg_pool(x * x, kernel_sizes, strides, pad_type, pad, False, ceil_mode)
    return torch.sqrt(mean * math.prod(integers(kernel_sizes)))


OPERATIONS: dict[str, Callable[..., Any]] = {
    "avg_pool": avg_pool,
    "l2_pool": l2_pool,
    "max_pool": max_pool,
}
EXACT = frozenset({"max_pool"})
