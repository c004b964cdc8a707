"""The end of an integer TFLite file in 16 bits: sums of logits, and the sigmoid.

A network's last convolutions give few small maps, whose sum decides about every pixel. In 8 bits
each resize and each addition would round them again. Here the convolutions' bytes are widened
and everything behind is int16, which costs next to nothing at one channel.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..errors import ExportError
from ..quantization.encodings import Encoding, QuantizedNetwork
from .tflite_graph import INT16_LOGIT_SCALE, Flatbuffer

__all__ = ["widen_tail"]

_WIDE = ("ADD", "SUB", "RESIZE_BILINEAR", "RESIZE_NEAREST_NEIGHBOR")
# Since when an operation has an int16 kernel: its version in the schema.
_VERSIONS = {"ADD": 4, "SUB": 5, "RESIZE_BILINEAR": 4, "RESIZE_NEAREST_NEIGHBOR": 4}


def widen_tail(graph: Flatbuffer, network: QuantizedNetwork) -> bool:
    """Make the tail's tensors int16 where all of its operations have such kernels.

    Args:
        graph: A file with `tflite_numbers.insert_numbers` done.
        network: Whose numbers they are.

    Returns:
        Whether it was done. Where not, tail tensors keep the converter's 8 bits.
    """
    wide = [t for t in network.tensors.values() if t.tail and t.encoding is None]
    operators = {t.name: graph.producer(graph.names[t.name]) for t in wide}
    if not wide or any(graph.name_of(op) not in _WIDE for op in operators.values()):
        return False
    limits = {t.name: max(abs(t.statistics.minimum), abs(t.statistics.maximum)) for t in wide}
    scales = _scales(network, limits)
    for name, operator in operators.items():
        kind = graph.name_of(operator)
        inputs = [int(i) for i in operator.inputs]
        sums = kind in {"ADD", "SUB"}
        # A sum takes its sources at any scale; resizing keeps the one that it reads.
        demanded = _sigmoids(graph, name, network)
        for position, index in enumerate(inputs[:2] if sums else inputs[:1]):
            tensor = graph.tensor(index)
            scale = (None if sums else demanded) or _own(graph, tensor) or scales[name]
            if tensor.type == graph.schema.TensorType.INT8 or not (sums or _has(tensor, scale)):
                wide_type = graph.schema.TensorType.INT16
                inputs[position] = graph.insert_before(operator, index, wide_type, scale)
        operator.inputs = np.array(inputs, np.int32)
        if sums:
            # Scales need not be powers of two; the old kernel's flag says they are.
            operator.builtinOptions.potScaleInt16 = False
        result = graph.tensor(graph.names[name])
        result.type = graph.schema.TensorType.INT16
        kept = float(graph.tensor(inputs[0]).quantization.scale[0])
        graph.encode(result, (demanded or scales[name]) if sums else kept, 0)
        graph.give_own_code(operator, _VERSIONS[kind])
    return True


def _sigmoids(graph: Flatbuffer, name: str, network: QuantizedNetwork) -> float | None:
    """The scale at which a sigmoid reads a tensor; None where it isn't what one reads.

    A softmax takes its logits at any scale, and beyond where a sigmoid has long saturated.
    """
    if name != network.logits:
        return None
    index = graph.names[name]
    readers = [op for op in graph.subgraph.operators if index in op.inputs]
    only = readers and all(graph.is_op(reader, "LOGISTIC") for reader in readers)
    return INT16_LOGIT_SCALE if only else None


def _own(graph: Flatbuffer, tensor: Any) -> float | None:
    """The scale of an int16 tensor, or at which an int8 one's range just fits into int16."""
    scale, zero = float(tensor.quantization.scale[0]), int(tensor.quantization.zeroPoint[0])
    if tensor.type == graph.schema.TensorType.INT16:
        return scale
    reach = max(127 - zero, 128 + zero)
    return scale * reach / 32767 if reach else None


def _has(tensor: Any, scale: float) -> bool:
    return bool(np.float32(tensor.quantization.scale[0]) == np.float32(scale))


def _scales(network: QuantizedNetwork, limits: dict[str, float]) -> dict[str, float]:
    """For each wide tensor, a scale that holds the sum of whatever its sources can be."""
    reach: dict[str, float] = {}
    for name, tensor in network.tensors.items():
        if not tensor.tail:
            continue
        if tensor.encoding is not None:
            reach[name] = max(-tensor.encoding.low, tensor.encoding.high)
        else:
            reach[name] = sum(reach.get(source, limits[name]) for source in tensor.sources)
    if not reach:
        raise ExportError("The network has no tail.", "Use a recipe without wide_tail.")
    return {name: Encoding.of_range(-r, r, 16).scale for name, r in reach.items()}
