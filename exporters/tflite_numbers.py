"""Our numbers in TensorFlow's file: scales, zero points, integer weights and biases.

TensorFlow's converter makes the structure, which XNNPACK and the NPUs' compilers know, from the
rewritten float network; what the integers stand for is ours. Tensors of the file are recognised
by what they are computed from: a convolution by its weights, everything behind it by its
operation, its shape and its sources. What can't be recognised is an error, never a guess.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import ExportError
from ..quantization.encodings import QuantizedNetwork, QuantizedTensor
from .run import Card
from .tflite_graph import Flatbuffer

__all__ = ["from_torch", "insert_numbers"]

_MATRIX = ("CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED", "TRANSPOSE_CONV")
# The file's operations for one of ours; those of other names are found by sources and shape.
_OPERATIONS = {
    "cat": ("CONCATENATION",),
    "max_pool2d": ("MAX_POOL_2D",),
    "avg_pool2d": ("AVERAGE_POOL_2D",),
    "upsample_bilinear2d": ("RESIZE_BILINEAR",),
    "upsample_nearest2d": ("RESIZE_NEAREST_NEIGHBOR",),
    "add": ("ADD",),
    "sub": ("SUB",),
    "sigmoid": ("LOGISTIC",),
    "softmax": ("SOFTMAX",),
}
# What the converter puts between: values stay what they are.
_PASSING = ("PAD", "PADV2", "MIRROR_PAD", "RESHAPE", "TRANSPOSE", "QUANTIZE")
# A converter's own rounding moves a channel's weights by 1/254 of its largest at most.
_SAME_WEIGHTS = 0.03
_LARGEST_BIAS = 2**30


def insert_numbers(model: bytes, network: QuantizedNetwork, card: Card) -> Flatbuffer:
    """The converter's file of the rewritten network, with the network's numbers.

    Raises:
        ExportError: A tensor of the network is not to be found in the file.
    """
    graph = Flatbuffer(model)
    graph.describe(card)
    match = _Match(graph, network)
    for name, index in match.found.items():
        encoding = network.tensors[name].encoding
        for twin in (index, *match.passed.get(index, ())):
            # A wide tensor's integers are its neighbours' affair, see `tflite_tail`.
            if encoding is not None:
                stored = graph.tensor(twin)
                graph.encode(stored, encoding.scale, encoding.zero_point)
                if encoding.bits == 16:
                    stored.type = graph.schema.TensorType.INT16
    for name, operator in match.operators.items():
        if network.tensors[name].weight in network.weight_scales:
            _insert_weights(graph, network, network.tensors[name], operator)
    graph.names = match.found
    return graph


class _Match:
    """Which tensor of the file is which of the network's.

    Attributes:
        found: Index in the file by name in the network.
        passed: For an index, those of the same values in another arrangement.
        operators: By name, the file's operation where it has weights.
    """

    def __init__(self, graph: Flatbuffer, network: QuantizedNetwork) -> None:
        self.graph, self.network = graph, network
        self.found: dict[str, int] = {}
        self.passed: dict[int, list[int]] = {}
        self.operators: dict[str, Any] = {}
        self._origin: dict[int, int] = {}
        self._taken: set[int] = set()
        self._find()

    def _find(self) -> None:
        operators = list(self.graph.subgraph.operators)
        self._note(int(self.graph.subgraph.inputs[0]), next(iter(self.network.tensors)))
        self._pass_on(operators)
        convolutions = [op for op in operators if self._kind(op) in _MATRIX]
        for name, tensor in self.network.tensors.items():
            if tensor.kind == "input":
                continue
            if tensor.weight:
                operator = self._by_weight(convolutions, tensor)
                convolutions = [op for op in convolutions if op is not operator]
                self.operators[name] = operator
            else:
                operator = self._by_sources(operators, tensor)
            self._note(int(operator.outputs[0]), name)
            self._pass_on(operators)

    def _kind(self, operator: Any) -> str:
        return self.graph.name_of(operator)

    def _note(self, index: int, name: str) -> None:
        self.found[name] = index
        self._origin[index] = index
        self._taken.add(index)

    def _pass_on(self, operators: list[Any]) -> None:
        """Follow values through operations that only arrange them."""
        again = True
        while again:
            again = False
            for operator in operators:
                source, result = int(operator.inputs[0]), int(operator.outputs[0])
                if (
                    self._kind(operator) in _PASSING
                    and source in self._origin
                    and result not in self._origin
                ):
                    origin = self._origin[source]
                    self._origin[result] = origin
                    self.passed.setdefault(origin, []).append(result)
                    again = True

    def _by_weight(self, candidates: list[Any], tensor: QuantizedTensor) -> Any:
        wanted = self.network.weights[tensor.weight].numpy()
        best, distance = None, np.inf
        for operator in candidates:
            weight = _read_weight(self.graph, operator, self._kind(operator), wanted.shape)
            if weight is None:
                continue
            off = float(np.abs(weight - wanted).max() / max(np.abs(wanted).max(), 1e-12))
            if off < distance:
                best, distance = operator, off
        if best is None or distance > _SAME_WEIGHTS:
            raise self._lost(tensor)
        return best

    def _by_sources(self, operators: list[Any], tensor: QuantizedTensor) -> Any:
        wanted = sorted(self.found[source] for source in tensor.sources)
        kinds = _OPERATIONS.get(tensor.operation)
        for operator in operators:
            if int(operator.outputs[0]) in self._taken or self._kind(operator) in _MATRIX:
                continue
            if kinds is not None and self._kind(operator) not in kinds:
                continue
            sources = sorted(
                self._origin[int(i)] for i in operator.inputs if int(i) in self._origin
            )
            shape = self.graph.tensor(int(operator.outputs[0])).shape
            same_size = int(np.prod(shape)) == int(np.prod(tensor.shape))
            if sources == wanted and same_size:
                return operator
        raise self._lost(tensor)

    def _lost(self, tensor: QuantizedTensor) -> ExportError:
        """What has become of it, as far as the file tells."""
        what = f"{tensor.operation} of {_plain(tensor.module)} ({tensor.name})"
        if tensor.weight:
            cause = (
                f"TensorFlow's converter kept no convolution with the weights of {what}: it took a "
                "factor that follows into them, or split it"
            )
        else:
            cause = f"TensorFlow's converter made other operations of {what}"
        return ExportError(
            f"{cause}, so the recipe's numbers have no place in its file.",
            "Use tflite-int8-plain, which takes the converter's own numbers.",
        )


def _plain(module: str) -> str:
    """A module's path in the network, without what the exported view wraps it in."""
    for wrapper in ("body.network.", "body."):
        module = module.removeprefix(wrapper)
    return "the network" if module in {"", "body", "network"} else module


def _read_weight(
    graph: Flatbuffer, operator: Any, kind: str, shape: tuple[int, ...]
) -> NDArray[np.float32] | None:
    """The file's weight in float, in torch's layout; None where shapes differ."""
    tensor = graph.tensor(int(operator.inputs[1]))
    whole = graph.dequantised(tensor)
    if whole is None:
        return None
    moved = _to_torch(whole, kind, len(shape))
    return moved if moved is not None and moved.shape == tuple(shape) else None


def _int8(graph: Flatbuffer) -> int:
    return int(graph.schema.TensorType.INT8)


def _to_torch(weight: NDArray[Any], kind: str, dimensions: int) -> NDArray[Any] | None:
    if kind == "CONV_2D":
        weight = weight.transpose(0, 3, 1, 2)
        return weight[:, :, 0, 0] if dimensions == 2 else weight
    if kind == "DEPTHWISE_CONV_2D":
        return weight.transpose(3, 0, 1, 2)
    if kind == "FULLY_CONNECTED":
        return weight if dimensions == 2 else weight.reshape(*weight.shape, 1, 1)
    return weight.transpose(3, 0, 1, 2) if weight.ndim == 4 else None  # TRANSPOSE_CONV: OHWI


def from_torch(weight: NDArray[Any], kind: str, shape: Any) -> NDArray[Any]:
    """A weight in torch's layout, in the file's."""
    if kind in {"CONV_2D"} and weight.ndim == 4:
        weight = weight.transpose(0, 2, 3, 1)
    elif kind in {"DEPTHWISE_CONV_2D", "TRANSPOSE_CONV"}:
        weight = weight.transpose(1, 2, 3, 0)
    return np.ascontiguousarray(weight).reshape(shape)


def _insert_weights(
    graph: Flatbuffer, network: QuantizedNetwork, tensor: QuantizedTensor, operator: Any
) -> None:
    kind = graph.name_of(operator)
    # A transposed convolution's first input is the shape of its result.
    read, bias_slot = (2, 3) if kind == "TRANSPOSE_CONV" else (0, 2)
    old = graph.tensor(int(operator.inputs[1]))
    scales = network.weight_scales[tensor.weight].numpy().astype(np.float32)
    channels = old.shape[3] if kind == "DEPTHWISE_CONV_2D" else old.shape[0]
    if len(scales) != channels:
        return
    whole = from_torch(network.integers(tensor.weight), kind, old.shape)
    axis = 3 if kind == "DEPTHWISE_CONV_2D" else 0
    weight = graph.add_constant(old.name, _int8(graph), old.shape, whole, scales, axis)
    inputs = [int(i) for i in operator.inputs]
    inputs[1] = weight
    source = graph.tensor(inputs[read])
    into = float(source.quantization.scale[0])
    bias_scales = (into * scales.astype(np.float64)).astype(np.float32)
    bias = np.zeros(len(scales)) if not tensor.bias else network.weights[tensor.bias].numpy()
    steps = np.clip(
        np.round(bias / (into * scales.astype(np.float64))), -_LARGEST_BIAS, _LARGEST_BIAS
    )
    name = old.name + b"/bias"
    index = graph.add_constant(
        name, graph.schema.TensorType.INT32, [len(scales)], steps.astype(np.int32), bias_scales, 0
    )
    if len(inputs) > bias_slot:
        inputs[bias_slot] = index
    else:
        inputs.append(index)
    operator.inputs = np.array(inputs, np.int32)
