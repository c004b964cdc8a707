"""The cost of ONNX files, by shape inference on their graph."""

from __future__ import annotations

from collections.abc import Iterator
from math import prod
from pathlib import Path
from typing import Any

from ...artifacts.manifest import Artifact
from .counting import Cost
from .operation import Formula, Operation, Shape, convolution, count, einsum, product, transposed

__all__ = ["FORMULAS", "HIDDEN", "OWN_DOMAINS", "cost"]

FORMULAS: dict[str, Formula] = {
    "Conv": convolution(kernel=1, channels=1),
    "ConvInteger": convolution(kernel=1, channels=1),
    "QLinearConv": convolution(kernel=3, channels=1),
    "DeformConv": convolution(kernel=1, channels=1),
    "ConvTranspose": transposed(kernel=1, source=0, channels=1),
    "Gemm": product,
    "MatMul": product,
    "MatMulInteger": product,
    "QLinearMatMul": product,
    "Einsum": einsum,
}
# Whole layers in one operation, and what runs another graph some number of times.
HIDDEN = frozenset(
    ("Attention", "GRU", "LSTM", "LinearAttention", "RNN", "If", "Loop", "Scan", "SequenceMap")
)
OWN_DOMAINS = ("", "ai.onnx")
# Of other domains, and without a product in them.
_HARMLESS = ("QuantizeLinear", "DequantizeLinear")


def cost(artifact: Artifact, path: Path) -> Cost:
    """Weights that the file keeps in other files are counted, and not opened."""
    import onnx
    from onnx import inliner, shape_inference

    model = onnx.load(str(path), load_external_data=False)
    if model.functions:
        model = inliner.inline_local_functions(model)
    graph = shape_inference.infer_shapes(model, data_prop=True).graph
    operations = list(_operations(graph))
    foreign = {operation.kind for operation in operations if ":" in operation.kind}
    macs, kinds = count(operations, FORMULAS, HIDDEN | foreign)
    return Cost.of(macs, sum(_stored_bytes(tensor) for tensor in _constants(graph)), kinds)


def _operations(graph: Any) -> Iterator[Operation]:
    """Kinds that ONNX doesn't define are written with their domain, ``domain:Kind``."""
    shapes: dict[str, Shape] = {tensor.name: tuple(tensor.dims) for tensor in graph.initializer}
    for value in (*graph.input, *graph.value_info, *graph.output):
        shapes.setdefault(value.name, _declared(value.type.tensor_type))
    for node in graph.node:
        if node.op_type == "Constant":
            continue
        known = node.domain in OWN_DOMAINS or node.op_type in _HARMLESS
        yield Operation(
            node.op_type if known else f"{node.domain}:{node.op_type}",
            node.name or ", ".join(node.output),
            [shapes.get(name) for name in node.input],
            [shapes.get(name) for name in node.output],
            _settings(node),
        )


def _declared(tensor: Any) -> Shape:
    if not tensor.HasField("shape"):
        return None
    return [d.dim_value if d.HasField("dim_value") else None for d in tensor.shape.dim]


def _settings(node: Any) -> dict[str, Any]:
    attributes = {attribute.name: attribute for attribute in node.attribute}
    settings: dict[str, Any] = {}
    if "equation" in attributes:
        settings["equation"] = attributes["equation"].s.decode()
    if node.op_type == "Gemm" and "transA" in attributes:
        settings["left_transposed"] = bool(attributes["transA"].i)
    return settings


def _constants(graph: Any) -> Iterator[Any]:
    yield from graph.initializer
    for tensor in graph.sparse_initializer:
        yield from (tensor.values, tensor.indices)
    for node in graph.node:
        if node.op_type == "Constant":
            yield from (a.t for a in node.attribute if a.name == "value")


def _stored_bytes(tensor: Any) -> int:
    """Of one constant. Shapes and axes, which ONNX keeps in int64, are no weights."""
    import onnx

    if tensor.data_type in {
        onnx.TensorProto.INT64,
        onnx.TensorProto.BOOL,
        onnx.TensorProto.STRING,
    }:
        return 0
    name = str(onnx.TensorProto.DataType.Name(tensor.data_type))
    whole = 8 * int(onnx.helper.tensor_dtype_to_np_dtype(tensor.data_type).itemsize)
    bits = next((bits for kind, bits in _NARROW.items() if kind in name), whole)
    return -(-int(prod(tensor.dims)) * bits // 8)


# Types that are packed several to the byte: INT4, UINT4, FLOAT4E2M1, …
_NARROW = {"INT4": 4, "FLOAT4": 4, "INT2": 2, "FLOAT2": 2}
