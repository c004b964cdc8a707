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
        for position, index in enumerate(inputs[:2] if kind in {"ADD", "SUB"} else inputs[:1]):
            tensor = graph.tensor(index)
            if tensor.type == graph.schema.TensorType.INT8:
                inputs[position] = graph.insert_before(
                    operator, index, graph.schema.TensorType.INT16, _own(tensor) or scales[name]
                )
        operator.inputs = np.array(inputs, np.int32)
        if kind in {"ADD", "SUB"}:
            # Scales need not be powers of two; the old kernel's flag says they are.
            operator.builtinOptions.potScaleInt16 = False
        result = graph.tensor(graph.names[name])
        result.type = graph.schema.TensorType.INT16
        source = graph.tensor(inputs[0])
        scale = scales[name] if kind in {"ADD", "SUB"} else float(source.quantization.scale[0])
        if name == network.logits:
            scale = INT16_LOGIT_SCALE
        graph.encode(result, scale, 0)
        graph.give_own_code(operator, _VERSIONS[kind])
    return True


def _own(tensor: Any) -> float | None:
    """The scale at which an int8 tensor's range just fits into int16: nothing is lost."""
    scale, zero = float(tensor.quantization.scale[0]), int(tensor.quantization.zeroPoint[0])
    reach = max(127 - zero, 128 + zero)
    return scale * reach / 32767 if reach else None


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
