"""Arithmetic, comparison and conversion, element by element."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

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


def cast(x: Tensor, dtype: str) -> Tensor:
    """To another type; fractions are cut off on the way to integers."""
    if dtype not in _TYPES:
        raise Uncovered(f"dtype {dtype!r}")
    return torch.as_tensor(x).to(_TYPES[dtype])


def select(cond: Operand, a: Operand, b: Operand) -> Tensor:
    """``a`` where the condition holds, else ``b``."""
    return torch.where(torch.as_tensor(cond).bool(), a, b)


def _unary(function: Callable[[Tensor], Tensor]) -> Callable[..., Tensor]:
    """``function`` under MIL's name for its operand."""

    def call(x: Tensor) -> Tensor:
        return function(x)

    return call


def _binary(function: Callable[[Any, Any], Any]) -> Callable[..., Any]:
    """``function`` under MIL's names for its operands."""

    def call(x: Any, y: Any) -> Any:
        return function(x, y)

    return call


def _of_tensors(function: Callable[[Tensor, Tensor], Tensor]) -> Callable[..., Tensor]:
    """The same, where torch doesn't take Python's numbers."""
    return lambda x, y: function(torch.as_tensor(x), torch.as_tensor(y))


OPERATIONS: dict[str, Callable[..., Any]] = {
    "abs": _unary(torch.abs),
    "acos": _unary(torch.acos),
    "add": _binary(operator.add),
    "asin": _unary(torch.asin),
    "atan": _unary(torch.atan),
    "atanh": _unary(torch.atanh),
    "cast": cast,
    "ceil": _unary(torch.ceil),
    "clip": lambda x, alpha, beta: torch.clamp(x, alpha, beta),  # noqa: PLW0108  (names)
    "cos": _unary(torch.cos),
    "cosh": _unary(torch.cosh),
    "equal": _binary(operator.eq),
    "erf": _unary(torch.erf),
    "exp": _unary(torch.exp),
    "exp2": _unary(torch.exp2),
    "floor": _unary(torch.floor),
    "floor_div": _binary(operator.floordiv),
    "greater": _binary(operator.gt),
    "greater_equal": _binary(operator.ge),
    "inverse": lambda x, epsilon: 1.0 / (x + epsilon),
    "less": _binary(operator.lt),
    "less_equal": _binary(operator.le),
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
    "real_div": _binary(operator.truediv),
    "round": _unary(torch.round),
    "rsqrt": lambda x, epsilon: torch.rsqrt(x + epsilon),
    "select": select,
    "sign": _unary(torch.sign),
    "sin": _unary(torch.sin),
    "sinh": _unary(torch.sinh),
    "sqrt": _unary(torch.sqrt),
    "square": _unary(torch.square),
    "sub": _binary(operator.sub),
    "tan": _unary(torch.tan),
    "threshold": lambda x, alpha: torch.maximum(x, torch.as_tensor(alpha)),
}
EXACT = frozenset(
    {"abs", "ceil", "clip", "floor", "maximum", "minimum", "round", "select", "sign", "threshold"}
)
