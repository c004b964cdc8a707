"""The cost of ONNX files, by shape inference on their graph."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ...artifacts.inspect.onnx import inferred, weights
from ...artifacts.manifest import Artifact
from .counting import Work
from .operation import (
    Formula,
    Operation,
    Shape,
    convolution,
    count,
    einsum,
    product,
    transposed,
)

__all__ = ["FORMULAS", "HIDDEN", "OWN_DOMAINS", "work"]

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


def work(artifact: Artifact, path: Path) -> Work:
    """Weights that the file keeps in other files are counted, and not opened."""
    graph = inferred(path).graph
    operations = list(_operations(graph))
    foreign = {operation.kind for operation in operations if ":" in operation.kind}
    counted = count(operations, FORMULAS, HIDDEN | foreign)
    return counted.work(sum(weight.bytes for weight in weights(graph)))


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
