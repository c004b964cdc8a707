"""Every tensor of an ONNX file: the graph with more outputs, made in memory."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...artifacts.manifest import Artifact
from ..base import stored
from .nodes import INPUT, NodeInfo, batches, weighted

__all__ = ["onnx_intermediates"]

# Where a node's weights stand among its inputs.
_WEIGHTED = {"Conv": 1, "ConvTranspose": 1, "Gemm": 1, "MatMul": 1}


def onnx_intermediates(
    artifact: Artifact, path: Path, image: NDArray[np.float32], threads: int | None
) -> Iterator[tuple[NodeInfo, NDArray[np.float32]]]:
    """As `stream.intermediates` says. Graph optimisations are off: they would merge nodes."""
    import onnx
    import onnxruntime as ort

    model = onnx.load(str(path))
    nodes = _nodes(onnx.shape_inference.infer_shapes(model).graph)
    given = {value.name for value in model.graph.output}
    model.graph.output.extend(
        onnx.ValueInfoProto(name=node.output) for node in nodes if node.output not in given
    )
    options = ort.SessionOptions()
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.log_severity_level = 3
    if threads is not None:
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
    session = ort.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    del model
    fed = stored(image, artifact.inputs[0])
    name = artifact.inputs[0].name
    yield NodeInfo("", INPUT, (), name, 0, fed.shape), fed.astype(np.float32)
    for batch in batches(nodes, lambda node: node):
        values = session.run([node.output for node in batch], {name: fed})[::-1]
        for node in batch:
            value = values.pop()
            if value.dtype.kind == "f":
                # Inference may not have known the shape.
                yield replace(node, shape=value.shape), value.astype(np.float32)


def _nodes(graph: Any) -> list[NodeInfo]:
    """The float tensors that depend on the graph's input, in order."""
    from onnx import TensorProto, numpy_helper

    constants = {tensor.name: tensor for tensor in graph.initializer}
    kinds, shapes = {}, {}
    for value in (*graph.value_info, *graph.output):
        tensor = value.type.tensor_type
        kinds[value.name] = tensor.elem_type
        shapes[value.name] = tuple(d.dim_value or 1 for d in tensor.shape.dim)
    floats = {0, TensorProto.FLOAT, TensorProto.FLOAT16, TensorProto.DOUBLE, TensorProto.BFLOAT16}
    # Integers of a quantised graph stand for the float tensor that they were made from.
    real = {value.name: value.name for value in graph.input if value.name not in constants}
    nodes = []
    for node in graph.node:
        if node.op_type == "Constant":
            constants[node.output[0]] = node.attribute[0].t
            continue
        inputs = tuple(real[name] for name in node.input if name in real)
        if not inputs:
            continue
        if node.op_type == "QuantizeLinear":
            real[node.output[0]] = inputs[0]
            continue
        weights = None
        place = _WEIGHTED.get(node.op_type)
        if place is not None and node.input[place] in constants:
            weights = _canonical(node, numpy_helper.to_array(constants[node.input[place]]))
        seen = weighted(weights)
        for position, output in enumerate(node.output):
            if not output or kinds.get(output, 0) not in floats:
                continue
            real[output] = output
            nodes.append(
                NodeInfo(
                    node.name,
                    node.op_type,
                    inputs,
                    output,
                    position,
                    shapes.get(output, ()),
                    **seen,
                )
            )
    return nodes


def _canonical(node: Any, weights: NDArray[Any]) -> NDArray[Any]:
    """As PyTorch's modules store them: (out, in), where ONNX multiplies by (in, out)."""
    transposed = any(a.name == "transB" and a.i for a in node.attribute)
    if node.op_type in {"Gemm", "MatMul"} and weights.ndim == 2 and not transposed:
        return weights.T
    return weights
