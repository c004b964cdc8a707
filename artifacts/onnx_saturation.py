"""Which operations of an ONNX integer file can saturate, told from the file alone.

x86 without VNNI multiplies unsigned bytes by signed ones with ``vpmaddubsw``, which adds two
neighbouring products in int16 and cuts off what doesn't fit. Most laptops are such, and ONNX
Runtime and OpenVINO take that way there (ONNX Runtime, "Quantize ONNX models", on U8S8 and
``session.x64quantprecision``), so a file that can overflow draws one mask there and another one
elsewhere. Whether it does depends on the photo, on what a kernel takes for neighbours, and on the
processor at hand; whether it can does not.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["Saturation", "explained", "saturating_nodes"]

INT16 = np.iinfo(np.int16)

_WEIGHTED = frozenset({"Conv", "ConvTranspose", "MatMul", "Gemm"})
# Their results are values of their inputs, or lie between them; padding adds zeros.
_KEPT = frozenset(
    {
        *("MaxPool", "AveragePool", "GlobalAveragePool", "Concat", "Identity", "Transpose"),
        *("Reshape", "Flatten", "Squeeze", "Unsqueeze", "Slice", "Split", "Gather", "Expand"),
        *("DepthToSpace", "SpaceToDepth"),
    }
)
_BOUNDED = {"Sigmoid": (0.0, 1.0), "HardSigmoid": (0.0, 1.0), "Softmax": (0.0, 1.0)}
_ANY = (-math.inf, math.inf)

Bounds = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Saturation:
    """An operation that can add two products to more than int16 holds.

    Attributes:
        node: Its name; that of its result where it has none.
        operation: ``Conv``, ``ConvTranspose``, ``MatMul`` or ``Gemm``.
        channel: The output channel that is furthest out.
        lowest: The least that a pair of its products adds up to, in some order of its weights.
        highest: The most.
    """

    node: str
    operation: str
    channel: int
    lowest: int
    highest: int


def saturating_nodes(model: Any) -> list[Saturation]:
    """The operations of a QDQ model that can saturate, in the order of the graph.

    Looked at is each convolution and matrix product of activations and int8 weights that are both
    dequantised: runtimes merge those into integer operations. The two largest and the two smallest
    weights of an output channel are taken for neighbours, so no packing order can do worse, and
    activations for any byte, unless a Clip, a sigmoid or the like before their QuantizeLinear
    leaves fewer. Signed activations count as the unsigned ones that x86 kernels make of them.
    Weights that are no constants may be anything.

    Args:
        model: An onnx.ModelProto.
    """
    return list(_Graph(model.graph).saturations())


def explained(nodes: Sequence[str]) -> str:
    """What comes of operations that can saturate, as a clause; empty where there are none.

    Args:
        nodes: Their names.
    """
    if not nodes:
        return ""
    some = f"{nodes[0]} and {len(nodes) - 1} more" if len(nodes) > 1 else nodes[0]
    return (
        f"two neighbouring products of {some} can add up to more than 16 bits hold, which is cut "
        "off on x86 without VNNI"
    )


class _Graph:
    """A graph's constants, and type and bounds of its values."""

    def __init__(self, graph: Any) -> None:
        from onnx import helper, numpy_helper

        self.nodes = graph.node
        self.makers = {name: node for node in graph.node for name in node.output}
        self.constants: dict[str, NDArray[Any]] = {
            tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer
        }
        for node in graph.node:
            if node.op_type == "Constant" and node.attribute[0].name == "value":
                self.constants[node.output[0]] = numpy_helper.to_array(node.attribute[0].t)
        self.types = {name: values.dtype for name, values in self.constants.items()}
        for value in graph.input:
            self.types[value.name] = helper.tensor_dtype_to_np_dtype(
                value.type.tensor_type.elem_type
            )
        self.bounds: dict[str, Bounds] = {}
        for node in graph.node:  # a graph's nodes stand in the order of execution
            kind, bounds = self._type_of(node), self._bounds_of(node)
            self.types.update(dict.fromkeys(node.output, kind))
            self.bounds.update(dict.fromkeys(node.output, bounds))

    def saturations(self) -> Iterator[Saturation]:
        """What `saturating_nodes` returns."""
        for node in self.nodes:
            sides = [self._stored(name) for name in node.input[:2]]
            if node.op_type not in _WEIGHTED or not all(sides):
                continue  # with one side in float, so is the operation
            weight = self._weight(sides)
            if weight is None:
                continue
            left = weight == 0
            pairs = self._pairs(node, sides[weight], left=left)
            lowest, highest = pairs * self._largest(sides[1 - weight])
            worst = int(np.maximum(highest - INT16.max, INT16.min - lowest).argmax())
            if lowest[worst] < INT16.min or highest[worst] > INT16.max:
                ends = int(lowest[worst]), int(highest[worst])
                yield Saturation(node.name or node.output[0], node.op_type, worst, *ends)

    def _stored(self, name: str) -> str:
        """The integers that a value is dequantised from; empty where it isn't."""
        maker = self.makers.get(name)
        return maker.input[0] if maker is not None and maker.op_type == "DequantizeLinear" else ""

    def _weight(self, sides: list[str]) -> int | None:
        """Which of two factors has the signed bytes, rather one that is constant; None where their
        products are added in int32: those of bytes without signs, and of wider integers."""
        if any(self.types[side].itemsize != 1 for side in sides):
            return None
        signed = [n for n in (1, 0) if self.types[sides[n]] == np.int8]
        return next(
            (n for n in signed if sides[n] in self.constants), signed[0] if signed else None
        )

    def _largest(self, name: str) -> int:
        """The largest byte that a kernel multiplies, padding included."""
        limits = np.iinfo(self.types[name])
        highest = self.bounds.get(name, _ANY)[1]
        maker = self.makers.get(name)
        if maker is not None and maker.op_type == "QuantizeLinear":
            highest = max(highest, float(np.max(self._zero(maker))))
        return int(min(highest, limits.max)) - int(limits.min)

    def _pairs(self, node: Any, name: str, *, left: bool) -> NDArray[np.int64]:
        """(2, channels): sums of the two smallest and of the two largest weights, 0 included."""
        weight = self.constants.get(name)
        if weight is None:
            return np.array([[-256], [254]])
        rows = np.pad(_rows(node, weight.astype(np.int64), left=left), ((0, 0), (2, 2)))
        rows.sort(axis=1)
        return np.stack([rows[:, :2].sum(1), rows[:, -2:].sum(1)])

    def _type_of(self, node: Any) -> np.dtype[Any]:
        if node.op_type == "QuantizeLinear":
            zero = node.input[2] if len(node.input) > 2 else ""
            return self.types.get(zero, np.dtype(np.uint8))
        if node.op_type == "DequantizeLinear":
            return np.dtype(np.float32)
        source = node.input[0] if node.input else ""
        return self.types.get(source, np.dtype(np.float32))

    def _bounds_of(self, node: Any) -> Bounds:
        """Least and largest value of a node's results; integers as they are stored."""
        operation = node.op_type
        low, high = self.bounds.get(node.input[0], _ANY) if node.input else _ANY
        if operation in _BOUNDED:
            return _BOUNDED[operation]
        if operation in {"QuantizeLinear", "DequantizeLinear"}:
            scale, zero = self.constants.get(node.input[1]), self._zero(node)
            if scale is None or scale.size != 1 or zero.size != 1:
                return _ANY
            step, start = float(scale.item()), float(zero.item())
            if operation == "DequantizeLinear":
                return (low - start) * step, (high - start) * step
            limits = np.iinfo(self._type_of(node))
            # A little more than half a step, for a runtime that divides in float32.
            return (
                max(np.ceil(low / step - 0.501) + start, float(limits.min)),
                min(np.floor(high / step + 0.501) + start, float(limits.max)),
            )
        if operation == "Relu":
            return max(low, 0.0), max(high, 0.0)
        if operation == "Clip":
            ends = [*node.input[1:3], "", ""][:2]
            least, most = (
                float(self.constants[name].item()) if name in self.constants else end
                for name, end in zip(ends, _ANY, strict=True)
            )
            return max(low, least), min(high, most)
        if operation in _KEPT or (operation == "Resize" and _stays_between(node)):
            sources = node.input if operation == "Concat" else node.input[:1]
            sides = [self.bounds.get(name, _ANY) for name in sources]
            return min(0.0, *(side[0] for side in sides)), max(0.0, *(side[1] for side in sides))
        return _ANY

    def _zero(self, node: Any) -> NDArray[Any]:
        """The zero point of a QuantizeLinear or DequantizeLinear; 0 where it has none."""
        name = node.input[2] if len(node.input) > 2 else ""
        return self.constants.get(name, np.zeros((), np.int8))


def _rows(node: Any, weight: NDArray[np.int64], *, left: bool) -> NDArray[np.int64]:
    """A weight as (channels, what is added up for one)."""
    attributes = {attribute.name: attribute.i for attribute in node.attribute}
    if node.op_type == "Conv":
        return weight.reshape(len(weight), -1)
    if node.op_type == "ConvTranspose":
        groups = attributes.get("group", 1)
        parts = weight.reshape(groups, len(weight) // groups, weight.shape[1], -1)
        return parts.transpose(0, 2, 1, 3).reshape(groups * weight.shape[1], -1)
    transposed = bool(attributes.get("transA" if left else "transB", 0))
    # A product adds up over its left side's last axis and its right side's last but one.
    if left == transposed:
        weight = weight.swapaxes(-1, -2) if weight.ndim > 1 else weight
    return weight.reshape(-1, weight.shape[-1])


def _stays_between(node: Any) -> bool:
    """It gives no value beyond its inputs': of the modes only cubic does."""
    return all(a.name != "mode" or a.s in {b"nearest", b"linear"} for a in node.attribute)
