"""The cost of TensorFlow graphs: SavedModels, and what Keras traces."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from math import prod
from pathlib import Path
from typing import Any

from ...artifacts.manifest import Artifact
from ...sdks.quiet import quiet_native
from ...sdks.slim import tensorflow
from .counting import Cost
from .operation import Formula, Operation, Shape, count, einsum, placed, product

__all__ = ["cost", "count_graph"]


def cost(artifact: Artifact, path: Path) -> Cost:
    """Of the signature that the manifest names, functions inlined and variables frozen.

    The same network often lies in the file twice, once for each way to call it; constants of
    ways that the signature doesn't take are not counted.
    """
    with quiet_native():
        tf = tensorflow()
        from tensorflow.python.framework.convert_to_constants import (
            convert_variables_to_constants_v2,
        )

        model = tf.saved_model.load(str(path))
        key = artifact.properties.get("signature", "serving_default")
        frozen = convert_variables_to_constants_v2(model.signatures[key])
        operations = frozen.graph.get_operations()
        weights = sum(_stored_bytes(o, tf) for o in operations if o.type == "Const")
    macs, kinds = count_graph(operations)
    return Cost.of(macs, weights, kinds)


def count_graph(operations: Iterable[Any]) -> tuple[int, dict[str, int]]:
    """Multiply-accumulates and kinds of a graph's operations.

    Raises:
        Uncountable: One calls a function, or has a shape that isn't fixed.
    """
    return count(_operations(operations), _FORMULAS, _HIDDEN)


def _operations(graph: Iterable[Any]) -> Iterator[Operation]:
    for operation in graph:
        if operation.type not in _NO_WORK:
            yield Operation(
                operation.type,
                operation.name,
                [_shape(tensor) for tensor in operation.inputs],
                [_shape(tensor) for tensor in operation.outputs],
                {
                    name: operation.get_attr(attribute)
                    for attribute, name in _SETTINGS.items()
                    if attribute in operation.node_def.attr
                },
            )


def _shape(tensor: Any) -> Shape:
    return None if tensor.shape.rank is None else list(tensor.shape)


def _stored_bytes(constant: Any, tf: Any) -> int:
    dtype = constant.outputs[0].dtype
    # Shapes and axes are the only wide integers of a network.
    if dtype in {tf.bool, tf.int32, tf.int64, tf.string}:
        return 0
    return int(prod(constant.outputs[0].shape.as_list()) * dtype.size)


def _convolution(operation: Operation) -> int:
    return placed(operation.inputs[1], operation.outputs[0], _channels(operation))


def _transposed(operation: Operation) -> int:
    """Its inputs are the output's size, the kernel and the image."""
    return placed(operation.inputs[1], operation.inputs[2], _channels(operation))


def _channels(operation: Operation) -> int:
    """The axis that its ``data_format``, such as NHWC or NDHWC, gives them."""
    layout: bytes = operation.settings.get("layout", b"C")
    return 1 if layout.startswith(b"NC") else -1


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
# Constants and variables, and the names that freezing and tracing give to them.
_NO_WORK = frozenset(("Const", "Identity", "NoOp", "Placeholder", "ReadVariableOp", "VarHandleOp"))
# TensorFlow's attribute → ours.
_SETTINGS = {
    "data_format": "layout",
    "equation": "equation",
    "transpose_a": "left_transposed",
    "adj_x": "left_transposed",
}
