"""Reductions along axes, and normalisations by them. Variances are biased, as in torch."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from .arguments import integers

__all__ = ["EXACT", "OPERATIONS"]


def batch_norm(
    x: Tensor,
    mean: Tensor,
    variance: Tensor,
    epsilon: Tensor,
    gamma: Tensor | None = None,
    beta: Tensor | None = None,
) -> Tensor:
    """(N, C, *sizes) by the (C,) statistics that the file holds."""
    scale = torch.rsqrt(variance + epsilon)
    scale = scale if gamma is None else scale * gamma
    shift = -mean * scale
    shift = shift if beta is None else shift + beta
    shape = (-1, *[1] * (x.ndim - 2))
    return x * scale.reshape(shape) + shift.reshape(shape)


def instance_norm(
    x: Tensor, epsilon: Tensor, gamma: Tensor | None = None, beta: Tensor | None = None
) -> Tensor:
    """(N, C, *sizes), each plane by its own mean and variance; gamma and beta are (C,)."""
    shape = (-1, *[1] * (x.ndim - 2))
    result = _standardized(x, list(range(2, x.ndim)), epsilon)
    result = result if gamma is None else result * gamma.reshape(shape)
    return result if beta is None else result + beta.reshape(shape)


def layer_norm(
    x: Tensor,
    epsilon: Tensor,
    axes: Tensor | None = None,
    gamma: Tensor | None = None,
    beta: Tensor | None = None,
) -> Tensor:
    """Over ``axes``, the last where none are given; gamma and beta have the axes' sizes."""
    chosen = [-1] if axes is None else integers(axes)
    normal = sorted(axis % x.ndim for axis in chosen)
    shape = [x.shape[axis] if axis in normal else 1 for axis in range(x.ndim)]
    result = _standardized(x, normal, epsilon)
    result = result if gamma is None else result * gamma.reshape(shape)
    return result if beta is None else result + beta.reshape(shape)


def l2_norm(x: Tensor, epsilon: Tensor) -> Tensor:
    """Divided by the root of the sum of squares over the last three dimensions."""
    axes = list(range(x.ndim))[-3:]
    return x * torch.rsqrt(x.square().sum(axes, keepdim=True) + epsilon)


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


def _standardized(x: Tensor, axes: list[int], epsilon: Tensor) -> Tensor:
    variance, mean = torch.var_mean(x, axes, correction=0, keepdim=True)
    return (x - mean) * torch.rsqrt(variance + epsilon)


OPERATIONS: dict[str, Callable[..., Any]] = {
    "batch_norm": batch_norm,
    "instance_norm": instance_norm,
    "l2_norm": l2_norm,
    "layer_norm": layer_norm,
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
