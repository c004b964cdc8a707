"""The part of an ExecuTorch program that XNNPACK runs, as its payload describes it."""

from __future__ import annotations

from collections.abc import Iterator
from math import prod
from typing import Any

from ...artifacts.inspect.executorch import xnnpack_graph
from .operation import Formula, Operation, Shape, convolution, fixed, product, transposed

__all__ = ["FORMULAS", "XnnpackGraph"]


class XnnpackGraph:
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
                [self._shape(fields[name]) for name in _INPUTS if name in fields],
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


def _tensor(value: dict[str, Any]) -> dict[str, Any]:
    """A value's dimensions, whether it is quantised or not."""
    tensor: dict[str, Any] = value["xvalue_union"]
    inner: dict[str, Any] = tensor.get("tensor_value", tensor)
    return inner


def _attention(operation: Operation) -> int:
    """Query (…, T, C), key (…, S, C), value (…, S, D): two products."""
    query, key, value = (fixed(shape) for shape in operation.inputs[:3])
    return prod(query[:-1]) * key[-2] * (query[-1] + value[-1])


_INPUTS = (
    *("input_id", "input1_id", "query_id", "filter_id", "input2_id", "key_id", "value_id"),
    *("input3_id", "input4_id", "input5_id"),
)
FORMULAS: dict[str, Formula] = {
    "XNNConv2d": convolution(kernel=1, channels=-1),
    "XNNDepthwiseConv2d": convolution(kernel=1, channels=-1),
    "XNNConvTranspose2d": transposed(kernel=1, source=0, channels=-1),
    "XNNFullyConnected": convolution(kernel=1, channels=-1),
    "XNNBatchMatrixMultiply": product,
    "XNNScaledDotProductAttention": _attention,
}
