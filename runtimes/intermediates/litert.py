"""Every tensor of a TFLite file: the same graph with other outputs, made in memory.

XNNPACK takes whole pieces of a graph and keeps nothing between its first and last tensor, but
it gives every tensor that is an output. So the file runs as it does in an app, a few dozen
tensors at a time. (LiteRT's own kernels can keep all tensors; that takes five times the memory,
and int8 weights give other values there than through XNNPACK.)
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...artifacts.manifest import Artifact, Tensor, TensorQuantization
from ...sdks.quiet import quiet_native
from ...sdks.tflite import names_of
from ..base import stored
from .nodes import INPUT, NodeInfo, batches, planes, weighted

__all__ = ["litert_intermediates"]

# Where an operation's weights stand among its inputs.
_WEIGHTED = {
    "BATCH_MATMUL": 1,
    "CONV_2D": 1,
    "DEPTHWISE_CONV_2D": 1,
    "FULLY_CONNECTED": 1,
    "TRANSPOSE_CONV": 1,
}


def litert_intermediates(
    artifact: Artifact, path: Path, image: NDArray[np.float32], threads: int | None
) -> Iterator[tuple[NodeInfo, NDArray[np.float32]]]:
    """As `stream.intermediates` says."""
    graph = _Graph(path.read_bytes())
    source = graph.input
    fed = stored(image, _described(artifact.inputs[0], graph, source))
    yield NodeInfo("", INPUT, (), graph.name(source), 0, image.shape), graph.real(source, fed)
    for batch in batches(graph.nodes(), lambda item: item[1]):
        values = _run(graph.with_outputs([index for index, _ in batch]), source, fed, threads)
        for index, node in batch:
            value = graph.real(index, values.pop(index))
            yield replace(node, shape=value.shape), value


def _run(
    model: bytes, source: int, image: NDArray[Any], threads: int | None
) -> dict[int, NDArray[Any]]:
    from ai_edge_litert.interpreter import Interpreter

    with quiet_native():  # it reports its delegate
        interpreter = Interpreter(model_content=model, num_threads=threads)
        interpreter.allocate_tensors()
    interpreter.set_tensor(source, image)
    interpreter.invoke()
    outputs = {int(detail["index"]) for detail in interpreter.get_output_details()}
    return {index: interpreter.get_tensor(index) for index in outputs}


class _Graph:
    """A TFLite file's main graph, tensors by their number."""

    def __init__(self, data: bytes) -> None:
        from ai_edge_litert import schema_py_generated as schema

        self._model: Any = schema.ModelT.InitFromPackedBuf(data, 0)
        self._model.signatureDefs = None  # they would name outputs that are none now
        self._subgraph: Any = self._model.subgraphs[0]
        self._tensors: list[Any] = self._subgraph.tensors
        self._kinds = names_of(schema.BuiltinOperator)
        self._custom = schema.BuiltinOperator.CUSTOM
        self._activations = names_of(schema.ActivationFunctionType)
        types = {name: number for number, name in names_of(schema.TensorType).items()}
        known = ("FLOAT16", "FLOAT32", "FLOAT64", "INT8", "INT16", "INT32", "UINT8")
        self._dtypes = {types[name]: np.dtype(name.lower()) for name in known}
        self._producers = {int(i): op for op in self._subgraph.operators for i in op.outputs}
        self.input = int(self._subgraph.inputs[0])

    def with_outputs(self, indices: list[int]) -> bytes:
        """The file with these tensors as its outputs."""
        import flatbuffers

        self._subgraph.outputs = np.array(indices, np.int32)
        builder = flatbuffers.Builder(1 << 20)
        builder.Finish(self._model.Pack(builder), b"TFL3")
        return bytes(builder.Output())

    def nodes(self) -> Iterator[tuple[int, NodeInfo]]:
        """The real-valued tensors that depend on the input, in order."""
        live = {self.input}
        for operator in self._subgraph.operators:
            inputs = [int(i) for i in operator.inputs if int(i) in live]
            if not inputs:
                continue
            kind = self._kind(operator)
            seen = weighted(self._weights(kind, operator, live))
            for position, index in enumerate(map(int, operator.outputs)):
                if not self._is_real(index):
                    continue
                live.add(index)
                yield (
                    index,
                    NodeInfo(
                        self.name(index),
                        kind,
                        tuple(self.name(i) for i in inputs),
                        self.name(index),
                        position,
                        self.shape(index),
                        self._activation(operator),
                        **seen,
                    ),
                )

    def name(self, index: int) -> str:
        """A tensor's name with its number, because names may stand there twice."""
        own = (self._tensors[index].name or b"").decode(errors="replace")
        return f"{own}#{index}"

    def shape(self, index: int) -> tuple[int, ...]:
        """In the file's own layout; empty for a scalar."""
        shape = self._tensors[index].shape
        return () if shape is None else tuple(map(int, shape))

    def dtype(self, index: int) -> np.dtype[Any] | None:
        """None for types that are no plain numbers."""
        return self._dtypes.get(self._tensors[index].type)

    def scales(self, index: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Scales and zero points, ready to broadcast; empty where the tensor has none."""
        parameters = self._tensors[index].quantization
        if parameters is None or parameters.scale is None or not len(parameters.scale):
            return np.empty(0, np.float32), np.empty(0, np.float32)
        scales = np.asarray(parameters.scale, np.float32)
        zeros = np.zeros_like(scales)
        if parameters.zeroPoint is not None and len(parameters.zeroPoint):
            zeros += np.asarray(parameters.zeroPoint, np.float32)
        if len(scales) > 1:
            along = [1] * len(self.shape(index))
            along[parameters.quantizedDimension] = -1
            scales, zeros = scales.reshape(along), zeros.reshape(along)
        return scales, zeros

    def real(self, index: int, raw: NDArray[Any]) -> NDArray[np.float32]:
        """Real values of what tensor ``index`` holds, channels first."""
        return planes(self._dequantized(index, raw))

    def _dequantized(self, index: int, raw: NDArray[Any]) -> NDArray[np.float32]:
        values = raw.astype(np.float32)
        scales, zeros = self.scales(index)
        return (values - zeros) * scales if len(scales) and raw.dtype.kind in "iu" else values

    def _is_real(self, index: int) -> bool:
        """Floats, and integers with a scale; shapes and indices are neither."""
        dtype = self.dtype(index)
        return dtype is not None and (dtype.kind == "f" or len(self.scales(index)[0]) > 0)

    def _kind(self, operator: Any) -> str:
        code = self._model.operatorCodes[operator.opcodeIndex]
        # Files from before 2020 hold the number in the older field alone.
        builtin = max(code.builtinCode, code.deprecatedBuiltinCode)
        return str(code.customCode) if builtin == self._custom else self._kinds[builtin]

    def _activation(self, operator: Any) -> str:
        fused = getattr(operator.builtinOptions, "fusedActivationFunction", 0)
        return self._activations[fused] if fused else ""

    def _weights(self, kind: str, operator: Any, live: set[int]) -> NDArray[np.float32] | None:
        """As PyTorch would store them; None where there are none or their form is unknown."""
        place = _WEIGHTED.get(kind)
        if place is None or len(operator.inputs) <= place or int(operator.inputs[place]) in live:
            return None
        values = self._constant(int(operator.inputs[place]))
        if values is None:
            return None
        if values.ndim == 4 and kind == "CONV_2D":  # (out, height, width, in)
            return values.transpose(0, 3, 1, 2)
        if values.ndim == 4 and kind in {"DEPTHWISE_CONV_2D", "TRANSPOSE_CONV"}:
            # (1, height, width, channels), and (out, height, width, in) to (in, out, …)
            return values.transpose(3, 0, 1, 2)
        if kind == "BATCH_MATMUL" and values.ndim == 2:
            adjoint = getattr(operator.builtinOptions, "adjY", False)
            return values if adjoint else values.T
        return values if values.ndim == 2 else None

    def _constant(self, index: int) -> NDArray[np.float32] | None:
        """A constant's real values; float16 weights stand behind an operation that widens them."""
        maker = self._producers.get(index)
        if maker is not None:
            return self._constant(int(maker.inputs[0])) if self._kind(maker) in _WIDENING else None
        data = self._model.buffers[self._tensors[index].buffer].data
        dtype, shape = self.dtype(index), self.shape(index)
        if data is None or dtype is None or len(data) != dtype.itemsize * math.prod(shape):
            return None
        raw = np.asarray(data, np.uint8).view(dtype).reshape(shape)
        return self._dequantized(index, raw)


_WIDENING = {"CAST", "DENSIFY", "DEQUANTIZE"}


def _described(tensor: Tensor, graph: _Graph, index: int) -> Tensor:
    """``tensor`` with the type and quantisation that the file itself gives."""
    scales, zeros = graph.scales(index)
    quantization = None
    if len(scales):
        quantization = TensorQuantization(
            scale=float(scales.flat[0]), zero_point=int(zeros.flat[0])
        )
    dtype: Any = str(graph.dtype(index))
    return tensor.model_copy(update={"dtype": dtype, "quantization": quantization})
