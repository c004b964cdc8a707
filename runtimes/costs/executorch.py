"""The cost of ExecuTorch programs: portable operators, and what XNNPACK took."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from math import prod
from pathlib import Path
from typing import Any

from ...artifacts.inspect.executorch import XNNPACK, Program, xnnpack_graph
from ...artifacts.manifest import Artifact
from .counting import Work
from .operation import Formula, Operation, Shape, convolution, count, fixed, product, transposed

__all__ = ["work"]


def work(artifact: Artifact, path: Path) -> Work:
    """Of the method ``forward``.

    XNNPACK's operations are named as its graph names them (``XNNConv2d``), the others as
    PyTorch does (``aten::convolution.out``).
    """
    program = _Program(path)
    operations = list(program.operations())
    strange = {o.kind for o in operations if not o.kind.startswith(_HARMLESS)}
    counted = count(operations, _FORMULAS, strange)
    weights = program.constants()
    for payload in program.payloads():
        graph = _XnnpackGraph(payload)
        counted += count(graph.operations(), _XNNPACK_FORMULAS, ())
        weights |= graph.constants()
    unknown = program.unknown() or counted.unknown
    return replace(counted, unknown=unknown).work(sum(weights.values()))


class _Program(Program):
    """A program's operations and constants, with their shapes."""

    def operations(self) -> Iterator[Operation]:
        """The portable operators that the method calls."""
        names = self.operators()
        for number, (kind, call) in enumerate(self.calls()):
            if kind == "KernelCall":
                name, given = names[call["op_index"]], call["args"]
                yield Operation(
                    name,
                    f"number {number}",
                    [self._shape(index) for index in given],
                    [self._shape(given[-1])],  # an out variant returns its last argument
                    {"values": [self.values[index]["val"] for index in given]},
                )

    def unknown(self) -> str:
        """Why what its calls compute can't be counted; empty where it can."""
        for kind, call in self.calls():
            if kind == "JumpFalseCall":
                return "how often its loops and branches run is not in the file"
            if kind != "DelegateCall":
                continue
            delegate = self.delegate(call)
            if delegate["id"] != XNNPACK:
                return f"what {delegate['id']} computes is not known"
            if any(None in (self._shape(index) or ()) for index in call["args"]):
                # The payload has the largest sizes that are allowed.
                return "XNNPACK's part has sizes that are known only when it runs"
        return ""

    def constants(self) -> dict[str, int]:
        """The bytes of each constant of portable operators, by where it lies."""
        found = {}
        for value in self.values:
            if value.get("val_type") != "Tensor" or not value["val"]["data_buffer_idx"]:
                continue
            tensor = value["val"]
            size = _ITEM_BYTES.get(tensor["scalar_type"], 0) * prod(tensor["sizes"])
            found[f"buffer {tensor['data_buffer_idx']}"] = size
        return found

    def _shape(self, index: int) -> Shape:
        value = self.values[index]
        if value.get("val_type") != "Tensor":
            return None
        tensor = value["val"]
        fixed = tensor["shape_dynamism"] == "STATIC"
        return tensor["sizes"] if fixed else [None] * len(tensor["sizes"])


class _XnnpackGraph:
    """One delegated graph; its images are NHWC.

    Args:
        payload: What the program hands to XNNPACK: a header, a flatbuffer, and constants.
    """

    def __init__(self, payload: bytes) -> None:
        self._graph = xnnpack_graph(payload)
        self._tensors = {
            tensor["id_out"]: tensor
            for tensor in (_tensor(value) for value in self._graph["xvalues"])
        }

    def operations(self) -> Iterator[Operation]:
        """Every node; the first inputs in the order of the schema, the filter second."""
        for number, node in enumerate(self._graph["xnodes"]):
            fields = node["xnode_union"]
            yield Operation(
                node["xnode_union_type"],
                f"number {number}",
                [self._shape(fields[name]) for name in _XNNPACK_INPUTS if name in fields],
                [self._shape(fields["output_id"])] if "output_id" in fields else [],
            )

    def constants(self) -> dict[str, int]:
        """The bytes of each constant, by name; graphs of one program share them by name."""
        return {
            entry.get("named_key") or f"{id(self)} {number}": entry["size"]
            for number, entry in enumerate(self._graph["constant_data"])
        }

    def _shape(self, identity: int) -> Shape:
        tensor = self._tensors.get(identity)
        return None if tensor is None else list(tensor["dims"])


def _convolution(operation: Operation) -> int:
    """x, weights, bias, stride, padding, dilation, transposed, …"""
    turned = operation.settings["values"][6]["bool_val"]
    return (_TRANSPOSED if turned else _CONVOLUTION)(operation)


def _addmm(operation: Operation) -> int:
    """The summand stands before the two factors."""
    return product(Operation("", "", operation.inputs[1:], operation.outputs))


_CONVOLUTION = convolution(kernel=1, channels=1)
_TRANSPOSED = transposed(kernel=1, source=0, channels=1)
_FORMULAS: dict[str, Formula] = {
    "aten::convolution.out": _convolution,
    "aten::addmm.out": _addmm,
    "aten::bmm.out": product,
    "aten::mm.out": product,
    "aten::linear.out": convolution(kernel=1, channels=-1),
}
# Operators of other libraries may be whole layers.
_HARMLESS = (
    *("aten::", "dim_order_ops::", "executorch_prim::"),
    *(f"quantized_decomposed::{kind}" for kind in ("choose_qparams", "dequantize", "quantize")),
)
# Of the types that weights have; the wide integers are indices and sizes.
_ITEM_BYTES = {
    **{"DOUBLE": 8, "FLOAT": 4, "HALF": 2, "BFLOAT16": 2},
    **{"SHORT": 2, "UINT16": 2, "CHAR": 1, "BYTE": 1},
}


def _tensor(value: dict[str, Any]) -> dict[str, Any]:
    """A value's dimensions, whether it is quantised or not."""
    tensor: dict[str, Any] = value["xvalue_union"]
    inner: dict[str, Any] = tensor.get("tensor_value", tensor)
    return inner


def _attention(operation: Operation) -> int:
    """Query (…, T, C), key (…, S, C), value (…, S, D): two products."""
    query, key, value = (fixed(shape) for shape in operation.inputs[:3])
    return prod(query[:-1]) * key[-2] * (query[-1] + value[-1])


_XNNPACK_INPUTS = (
    *("input_id", "input1_id", "query_id", "filter_id", "input2_id", "key_id", "value_id"),
    *("input3_id", "input4_id", "input5_id"),
)
_XNNPACK_FORMULAS: dict[str, Formula] = {
    "XNNConv2d": convolution(kernel=1, channels=-1),
    "XNNDepthwiseConv2d": convolution(kernel=1, channels=-1),
    "XNNConvTranspose2d": transposed(kernel=1, source=0, channels=-1),
    "XNNFullyConnected": convolution(kernel=1, channels=-1),
    "XNNBatchMatrixMultiply": product,
    "XNNScaledDotProductAttention": _attention,
}
