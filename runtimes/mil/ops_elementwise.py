"""Arithmetic, comparison, conversion, activations and quantisation, element by element.

What ``quantize`` gives is kept in tensors of its own type, so a value that the program stores in 8
bits can't leave its range here either. Weights are not these operations' concern: ``constexpr_``
operations are decompressed when a program is loaded.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from .arguments import Uncovered

__all__ = ["EXACT", "OPERATIONS"]

Operand = Tensor | int | bool

_TYPES = {
    "bool": torch.bool,
    "fp16": torch.float32,  # the program rounds what it declares float16
    "fp32": torch.float32,
    "int8": torch.int8,
    "int16": torch.int16,
    "int32": torch.int32,
    "uint8": torch.uint8,
}
_INTEGERS = {name: _TYPES[name] for name in ("int8", "uint8")}


def cast(x: Tensor, dtype: str) -> Tensor:
    """To another type; fractions are cut off on the way to integers."""
    if dtype not in _TYPES:
        raise Uncovered(f"dtype {dtype!r}")
    return torch.as_tensor(x).to(_TYPES[dtype])


def select(cond: Operand, a: Operand, b: Operand) -> Tensor:
    """``a`` where the condition holds, else ``b``."""
    return torch.where(torch.as_tensor(cond).bool(), a, b)


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


def softplus_parametric(x: Tensor, alpha: Tensor, beta: Tensor) -> Tensor:
    """alpha * log(1 + exp(beta * x)), both (C,)."""
    shape = (-1, *[1] * (x.ndim - 2))
    return alpha.reshape(shape) * _softplus(x * beta.reshape(shape))


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
    if output_dtype not in _INTEGERS:
        raise Uncovered(f"output_dtype {output_dtype!r}")
    kind = _INTEGERS[output_dtype]
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


def _unary(function: Callable[[Tensor], Tensor]) -> Callable[..., Tensor]:
    """``function`` under MIL's name for its operand."""
    return lambda x: function(x)  # noqa: PLW0108


def _binary(function: Callable[[Any, Any], Any]) -> Callable[..., Any]:
    """``function`` under MIL's names for its operands."""
    return lambda x, y: function(x, y)  # noqa: PLW0108


def _of_tensors(function: Callable[[Tensor, Tensor], Tensor]) -> Callable[..., Tensor]:
    """The same, where torch doesn't take Python's numbers."""
    return lambda x, y: function(torch.as_tensor(x), torch.as_tensor(y))


def _softplus(x: Tensor) -> Tensor:
    """Without the threshold above which `torch.nn.functional.softplus` is the identity."""
    return torch.log1p(torch.exp(-x.abs())) + torch.relu(x)


def _clamped_relu(x: Tensor, alpha: Tensor, beta: Tensor) -> Tensor:
    return torch.minimum(torch.where(x >= 0, x, x * alpha), beta)


def _along(parameter: Tensor | int, data: Tensor, axis: int | None) -> Tensor | int:
    """A vector as a tensor that broadcasts along one axis of the data."""
    if isinstance(parameter, int) or parameter.ndim == 0 or axis is None:
        return parameter
    shape = [1] * data.ndim
    shape[axis] = -1
    return parameter.reshape(shape)


OPERATIONS: dict[str, Callable[..., Any]] = {
    "abs": _unary(torch.abs),
    "acos": _unary(torch.acos),
    "add": _binary(operator.add),
    "asin": _unary(torch.asin),
    "atan": _unary(torch.atan),
    "atanh": _unary(torch.atanh),
    "cast": cast,
    "ceil": _unary(torch.ceil),
    "clamped_relu": _clamped_relu,
    "clip": lambda x, alpha, beta: torch.clamp(x, alpha, beta),  # noqa: PLW0108  (names)
    "cos": _unary(torch.cos),
    "cosh": _unary(torch.cosh),
    "dequantize": dequantize,
    "elu": lambda x, alpha: F.elu(x, float(alpha)),
    "equal": _binary(operator.eq),
    "erf": _unary(torch.erf),
    "exp": _unary(torch.exp),
    "exp2": _unary(torch.exp2),
    "floor": _unary(torch.floor),
    "floor_div": _binary(operator.floordiv),
    "gelu": gelu,
    "greater": _binary(operator.gt),
    "greater_equal": _binary(operator.ge),
    "inverse": lambda x, epsilon: 1.0 / (x + epsilon),
    "leaky_relu": lambda x, alpha: F.leaky_relu(x, float(alpha)),
    "less": _binary(operator.lt),
    "less_equal": _binary(operator.le),
    "linear_activation": lambda x, alpha, beta: x * alpha + beta,
    "log": lambda x, epsilon: torch.log(x + epsilon),
    "logical_and": _of_tensors(torch.logical_and),
    "logical_not": _unary(torch.logical_not),
    "logical_or": _of_tensors(torch.logical_or),
    "logical_xor": _of_tensors(torch.logical_xor),
    "maximum": _of_tensors(torch.maximum),
    "minimum": _of_tensors(torch.minimum),
    "mod": _binary(operator.mod),
    "mul": _binary(operator.mul),
    "not_equal": _binary(operator.ne),
    "pow": _of_tensors(torch.pow),
    "prelu": lambda x, alpha: F.prelu(x, alpha),  # noqa: PLW0108  (names)
    "quantize": quantize,
    "real_div": _binary(operator.truediv),
    "relu": _unary(torch.relu),
    "relu6": lambda x: torch.clamp(x, 0.0, 6.0),
    "round": _unary(torch.round),
    "rsqrt": lambda x, epsilon: torch.rsqrt(x + epsilon),
    "scaled_tanh": lambda x, alpha, beta: alpha * torch.tanh(x * beta),
    "select": select,
    "sigmoid": _unary(torch.sigmoid),
    "sigmoid_hard": lambda x, alpha, beta: torch.clamp(x * alpha + beta, 0.0, 1.0),
    "sign": _unary(torch.sign),
    "silu": _unary(F.silu),
    "sin": _unary(torch.sin),
    "sinh": _unary(torch.sinh),
    "softmax": lambda x, axis=-1: torch.softmax(x, axis),
    "softplus": _softplus,
    "softplus_parametric": softplus_parametric,
    "softsign": _unary(F.softsign),
    "sqrt": _unary(torch.sqrt),
    "square": _unary(torch.square),
    "sub": _binary(operator.sub),
    "tan": _unary(torch.tan),
    "tanh": _unary(torch.tanh),
    "threshold": lambda x, alpha: torch.maximum(x, torch.as_tensor(alpha)),
    "thresholded_relu": lambda x, alpha: torch.where(x >= alpha, x, torch.zeros_like(x)),
}
EXACT = frozenset(
    {
        *("abs", "ceil", "clip", "floor", "maximum", "minimum", "relu", "relu6", "round", "select"),
        *("sign", "threshold", "thresholded_relu"),
    }
)
