"""Reductions along axes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from .arguments import integers

__all__ = ["EXACT", "OPERATIONS"]


def _over(function: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """A reduction over ``axes``, all of them where none are given."""

    def reduce(x: Tensor, axes: Tensor | None = None, keep_dims: bool = False) -> Tensor:
        chosen = list(range(x.ndim)) if axes is None else integers(axes)
        return function(x, chosen, keep_dims)

    return reduce


def _product(x: Tensor, axes: list[int], keep: bool) -> Tensor:
    for axis in sorted((axis % x.ndim for axis in axes), reverse=True):
        x = torch.prod(x, axis, keep)
    return x


def _argument(function: Callable[..., Tensor]) -> Callable[..., Tensor]:
    def reduce(
        x: Tensor, axis: int = -1, keep_dims: bool = False, output_dtype: str = "int32"
    ) -> Tensor:
        return function(x, axis, keep_dims).to(torch.int32)

    return reduce


OPERATIONS: dict[str, Callable[..., Any]] = {
    "reduce_argmax": _argument(torch.argmax),
    "reduce_argmin": _argument(torch.argmin),
    "reduce_l1_norm": _over(lambda x, axes, keep: x.abs().sum(axes, keep)),
    "reduce_l2_norm": _over(lambda x, axes, keep: x.square().sum(axes, keep).sqrt()),
    "reduce_log_sum": _over(lambda x, axes, keep: x.sum(axes, keep).log()),
    "reduce_log_sum_exp": _over(torch.logsumexp),
    "reduce_max": _over(torch.amax),
    "reduce_mean": _over(torch.mean),
    "reduce_min": _over(torch.amin),
    "reduce_prod": _over(_product),
    "reduce_sum": _over(torch.sum),
    "reduce_sum_square": _over(lambda x, axes, keep: x.square().sum(axes, keep)),
}
EXACT = frozenset({"reduce_max", "reduce_min"})
