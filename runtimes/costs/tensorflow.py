"""The cost of TensorFlow graphs: SavedModels, and what Keras traces."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from ...artifacts.inspect.savedmodel import nodes_of, weight_of
from ...artifacts.inspect.savedmodel_graph import NO_WORK
from ...artifacts.manifest import Artifact
from .counting import Work
from .operation import Counted, Formula, Operation, Shape, count, einsum, placed, product

__all__ = ["count_graph", "work"]


def work(artifact: Artifact, path: Path) -> Work:
    """Of the signature that the manifest names, functions inlined.

    The same network often lies in the file twice, once for each way to call it; constants of
    ways that the signature doesn't take are not counted.
    """
    nodes = nodes_of(path, artifact.properties.get("signature", "serving_default"))
    operations = [
        Operation(
            node.kind,
            node.name,
            node.inputs,
            [shape for _, shape in node.outputs],
            {
                name: _plain(getattr(node.attributes[attribute], kind))
                for attribute, (name, kind) in _SETTINGS.items()
                if attribute in node.attributes
            },
        )
        for node in nodes
        if node.kind not in NO_WORK
    ]
    weights = {node.place: weight.bytes for node in nodes if (weight := weight_of(node))}
    return count(operations, _FORMULAS, _HIDDEN).work(sum(weights.values()))


def count_graph(operations: Iterable[Any]) -> Counted:
    """Count a graph's operations; one that calls a function is not known."""
    return count(_operations(operations), _FORMULAS, _HIDDEN)


def _operations(graph: Iterable[Any]) -> Iterator[Operation]:
    for operation in graph:
        if operation.type not in NO_WORK:
            yield Operation(
                operation.type,
                operation.name,
                [_shape(tensor) for tensor in operation.inputs],
                [_shape(tensor) for tensor in operation.outputs],
                {
                    name: _plain(operation.get_attr(attribute))
                    for attribute, (name, _) in _SETTINGS.items()
                    if attribute in operation.node_def.attr
                },
            )


def _plain(setting: bytes | bool) -> str | bool:
    """TensorFlow's texts are bytes."""
    return setting.decode() if isinstance(setting, bytes) else setting


def _shape(tensor: Any) -> Shape:
    return None if tensor.shape.rank is None else list(tensor.shape)


def _convolution(operation: Operation) -> int:
    return placed(operation.inputs[1], operation.outputs[0], _channels(operation))


def _transposed(operation: Operation) -> int:
    """Its inputs are the output's size, the kernel and the image."""
    return placed(operation.inputs[1], operation.inputs[2], _channels(operation))


def _channels(operation: Operation) -> int:
    """The axis that its ``data_format``, such as NHWC or NDHWC, gives them."""
    layout: str = operation.settings.get("layout", "C")
    return 1 if layout.startswith("NC") else -1


_FORMULAS: dict[str, Formula] = {
    "Conv": _convolution,
    "Conv2D": _convolution,
    "Conv3D": _convolution,
    "DepthwiseConv2dNative": _convolution,
    "Conv2DBackpropInput": _transposed,
    "Conv3DBackpropInputV2": _transposed,
    "DepthwiseConv2dNativeBackpropInput": _transposed,
    "MatMul": product,
    "BatchMatMul": product,
    "BatchMatMulV2": product,
    "BatchMatMulV3": product,
    "Einsum": einsum,
}
# Calls of other functions, and whole layers in one operation.
_HIDDEN = frozenset(
    (
        *("Case", "For", "If", "PartitionedCall", "RemoteCall", "StatefulPartitionedCall"),
        *("StatelessCase", "StatelessIf", "StatelessWhile", "SymbolicGradient", "While"),
        *("BlockLSTM", "BlockLSTMV2", "CudnnRNN", "CudnnRNNV2", "CudnnRNNV3", "GRUBlockCell"),
        *("LSTMBlockCell", "QuantizedConv2D", "QuantizedMatMul", "SparseMatMul"),
        *("EagerPyFunc", "PyFunc", "PyFuncStateless", "XlaCallModule", "XlaConvV2", "XlaDotV2"),
    )
)
# TensorFlow's attribute → ours, and the field of its message that holds it.
_SETTINGS = {
    "data_format": ("layout", "s"),
    "equation": ("equation", "s"),
    "transpose_a": ("left_transposed", "b"),
    "adj_x": ("left_transposed", "b"),
}
