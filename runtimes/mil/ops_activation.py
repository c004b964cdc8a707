"""Activations."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from .arguments import Uncovered

__all__ = ["EXACT", "OPERATIONS"]


def gelu(x: Tensor, mode: str = "EXACT") -> Tensor:
    """The Gaussian error linear unit, exact or by one of two approximations."""
    match mode:
        case "EXACT":
            return F.gelu(x)
        case "TANH_APPROXIMATION":
            return F.gelu(x, approximate="tanh")
        case "SIGMOID_APPROXIMATION":
            return x * torch.sigmoid(1.702 * x)
    raise Uncovered(f"mode {mode!r}")


def prelu(x: Tensor, alpha: Tensor) -> Tensor:
    """A slope below zero for each channel, (C,)."""
    return F.prelu(x, alpha)


def softplus_parametric(x: Tensor, alpha: Tensor, beta: Tensor) -> Tensor:
    """alpha * log(1 + exp(beta * x)), both (C,)."""
    shape = (-1, *[1] * (x.ndim - 2))
    return alpha.reshape(shape) * _softplus(x * beta.reshape(shape))


def _unary(function: Callable[[Tensor], Tensor]) -> Callable[..., Tensor]:
    """``function`` under MIL's name for its operand."""

    def call(x: Tensor) -> Tensor:
        return function(x)

    return call


def _softplus(x: Tensor) -> Tensor:
    """Without the threshold above which `torch.nn.functional.softplus` is the identity."""
    return torch.log1p(torch.exp(-x.abs())) + torch.relu(x)


def _clamped_relu(x: Tensor, alpha: Tensor, beta: Tensor) -> Tensor:
    return torch.minimum(torch.where(x >= 0, x, x * alpha), beta)


OPERATIONS: dict[str, Callable[..., Any]] = {
    "clamped_relu": _clamped_relu,
    "elu": lambda x, alpha: F.elu(x, float(alpha)),
    "gelu": gelu,
    "leaky_relu": lambda x, alpha: F.leaky_relu(x, float(alpha)),
    "linear_activation": lambda x, alpha, beta: x * alpha + beta,
    "prelu": prelu,
    "relu": _unary(torch.relu),
    "relu6": lambda x: torch.clamp(x, 0.0, 6.0),
    "scaled_tanh": lambda x, alpha, beta: alpha * torch.tanh(x * beta),
    "sigmoid": _unary(torch.sigmoid),
    "sigmoid_hard": lambda x, alpha, beta: torch.clamp(x * alpha + beta, 0.0, 1.0),
    "silu": _unary(F.silu),
    "softmax": lambda x, axis=-1: torch.softmax(x, axis),
    "softplus": _softplus,
    "softplus_parametric": softplus_parametric,
    "softsign": _unary(F.softsign),
    "tanh": _unary(torch.tanh),
    "thresholded_relu": lambda x, alpha: torch.where(x >= alpha, x, torch.zeros_like(x)),
}
EXACT = frozenset({"relu", "relu6", "thresholded_relu"})
