"""What one node of a captured graph is to a quantiser: its operation, its kind, its weights."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor, fx

__all__ = [
    "BOUNDED",
    "Kind",
    "functional",
    "is_float_tensor",
    "is_rectified",
    "is_rectifier",
    "kind_of",
    "merges_into_reader",
    "module_path",
    "operation",
    "weights",
]

Kind = Literal["input", "conv", "sum", "kept", "bounded", "other"]


@dataclass(frozen=True, slots=True)
class _Weighted:
    """Where an operation takes its weight and its bias, by position, and which dimension of the
    weight is that of the outputs."""

    weight: int = 1
    bias: int = 2
    outputs: int = 0


# "convolution" is either kind of convolution: `weights` looks at its arguments.
_CONVOLUTIONS = {
    **dict.fromkeys(("conv1d", "conv2d", "convolution", "linear"), _Weighted()),
    "conv_transpose2d": _Weighted(outputs=1),
    "addmm": _Weighted(weight=2, bias=0, outputs=1),
    "mm": _Weighted(outputs=1),
}
_RECTIFIERS = frozenset({"relu", "relu6", "hardtanh", "clamp_min"})
_SUMS = frozenset({"add", "sub"})
# Their result has the scale of what they read.
_KEPT = frozenset(
    {
        *("max_pool2d", "avg_pool2d", "adaptive_max_pool2d", "cat", "concat", "stack"),
        *("upsample_bilinear2d", "upsample_nearest2d", "pixel_shuffle", "pixel_unshuffle"),
        *("view", "reshape", "permute", "transpose", "slice", "select", "squeeze", "unsqueeze"),
        *("flatten", "expand", "clone", "contiguous", "dropout", "alias", "detach", "chunk"),
        *("split", "pad", "constant_pad_nd", "reflection_pad2d", "replication_pad2d", "flip"),
    }
)
# Scale and zero point that runtimes demand of the result, whatever the photos say.
BOUNDED = {"sigmoid": (1 / 256, -128), "softmax": (1 / 256, -128), "tanh": (1 / 128, 0)}


def operation(node: fx.Node) -> str:
    """ATen's name of what a node calls; empty where it calls nothing of ATen."""
    target = node.target
    if node.op != "call_function" or not isinstance(target, torch._ops.OpOverload):
        return ""
    return target._schema.name.removeprefix("aten::").rstrip("_")


def functional(target: Any) -> Any:
    """An operation that leaves its arguments as they are; in-place ones have a twin."""
    if isinstance(target, torch._ops.OpOverload) and target._schema.name.endswith("_"):
        name = target._schema.name.removeprefix("aten::").rstrip("_")
        packet = getattr(torch.ops.aten, name, None)
        return getattr(packet, target._overloadname, target) if packet else target
    return target


def is_float_tensor(node: fx.Node) -> bool:
    """It gives one."""
    value = node.meta.get("val")
    return (
        node.op in {"placeholder", "call_function"}
        and isinstance(value, Tensor)
        and value.is_floating_point()
    )


def merges_into_reader(node: fx.Node) -> bool:
    """It is rounded by what reads it: the ReLU or batch norm behind a convolution."""
    if len(node.users) != 1 or kind_of(node) not in {"conv", "sum"}:
        return False
    (reader,) = node.users
    if operation(reader) == "batch_norm":
        return kind_of(node) == "conv"
    return is_rectifier(reader) and reader.args[0] is node


def is_rectifier(node: fx.Node) -> bool:
    """It cuts values off below a bound."""
    return operation(node) in _RECTIFIERS


def kind_of(node: fx.Node) -> Kind:
    """See `graph.Point`."""
    if node.op == "placeholder":
        return "input"
    name = operation(node)
    if name in _CONVOLUTIONS:
        return "conv"
    if name in BOUNDED:
        return "bounded"
    if name in _KEPT:
        return "kept"
    if name in _SUMS and len(node.all_input_nodes) == 2:
        return "sum"
    return "other"


def is_rectified(node: fx.Node) -> bool:
    """What it gives has no negative values, by construction."""
    name = operation(node)
    if name == "hardtanh":
        return len(node.args) > 1 and float(node.args[1]) >= 0  # type: ignore[arg-type]
    return name in {"relu", "relu6"}


def weights(node: fx.Node) -> tuple[str, str, int]:
    """Paths of an operation's weight and bias, and the weight's dimension of outputs.

    Empty where it has none, or computes it: a bias is no weight because it stands alone.
    """
    places = _CONVOLUTIONS.get(operation(node))
    if places is None:
        return "", "", 0
    weight, bias = _constant(node, places.weight), _constant(node, places.bias)
    transposed = operation(node) == "convolution" and node.args[6] is True
    return weight, bias if weight else "", 1 if transposed else places.outputs


def _constant(node: fx.Node, position: int) -> str:
    """Path of an argument that the network holds; empty where it is computed or left out."""
    value = node.args[position] if position < len(node.args) else None
    return str(value.target) if isinstance(value, fx.Node) and value.op == "get_attr" else ""


def module_path(node: fx.Node) -> str:
    """Of the module that computes it; empty for an input."""
    stack = node.meta.get("nn_module_stack") or {}
    return str(list(stack.values())[-1][0]) if stack else ""
