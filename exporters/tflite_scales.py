"""Scales that TFLite's kernels demand, whatever a recipe says.

An int8 sigmoid or softmax gives steps of 1/256, a tanh of 1/128, each of them steps of 2^-15 in
int16; resizing, pooling, joining and moving keep the scale of what they read. A runtime refuses a
file that says otherwise. Where the recipe has another scale (a mask is in steps of 1/255, whether
a softmax makes it or a resize of a sigmoid), a QUANTIZE stands between.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .tflite_graph import Flatbuffer

__all__ = ["demand_scales"]

# Scale and zero point of the kernels' int8 results: tflite/kernels/activations.cc.
_DEMANDED = {"LOGISTIC": (1 / 256, -128), "SOFTMAX": (1 / 256, -128), "TANH": (1 / 128, 0)}
# And of their int16 results, with the version in which those came.
_WIDE, _WIDE_VERSION = (2.0**-15, 0), 3
_KEEPING = frozenset(
    {
        *("RESIZE_BILINEAR", "RESIZE_NEAREST_NEIGHBOR", "MAX_POOL_2D", "AVERAGE_POOL_2D"),
        *("CONCATENATION", "PACK", "UNPACK", "SPLIT", "SPLIT_V", "SLICE", "STRIDED_SLICE"),
        *("RESHAPE", "SQUEEZE", "EXPAND_DIMS", "TRANSPOSE", "PAD", "MIRROR_PAD", "TILE"),
        *("GATHER", "REVERSE_V2", "BROADCAST_TO", "DEPTH_TO_SPACE", "SPACE_TO_DEPTH"),
    }
)


def demand_scales(graph: Flatbuffer) -> None:
    """Let every integer operation have the scales that it must have, in place.

    Args:
        graph: A file with `tflite_tail.widen_tail` done. Its last sigmoid, which gives the mask,
            is left to `tflite_graph.finished`.
    """
    last = graph.producer(graph.subgraph.outputs[0])
    mask = int(last.inputs[0]) if graph.is_op(last, "QUANTIZE") else -1
    operators: list[Any] = []
    for operator in graph.subgraph.operators:
        kind = graph.name_of(operator)
        if kind in _KEEPING:
            operators += _rounded_before(graph, operator)
        operators.append(operator)
        if kind in _DEMANDED and (kind, int(operator.outputs[0])) != ("LOGISTIC", mask):
            operators += _rounded_behind(graph, operator, *_DEMANDED[kind])
    graph.subgraph.operators = operators


def _rounded_before(graph: Flatbuffer, operator: Any) -> list[Any]:
    """What brings the tensors that an operation reads to the scale of its result."""
    scale, zero = _encoding(graph, int(operator.outputs[0]))
    made, inputs = [], [int(i) for i in operator.inputs]
    for slot, index in enumerate(inputs):
        if scale and (found := _encoding(graph, index))[0] and found != (scale, zero):
            tensor = graph.tensor(index)
            name = tensor.name + b"/rescaled"
            inputs[slot] = graph.add_activation(name, tensor.type, tensor.shape, scale, zero)
            made.append(graph.new_operator("QUANTIZE", 2, index, inputs[slot]))
    operator.inputs = np.array(inputs, np.int32)
    return made


def _rounded_behind(graph: Flatbuffer, operator: Any, scale: float, zero: int) -> list[Any]:
    """What brings the result of an operation to the scale that it shall have."""
    index, kinds = int(operator.outputs[0]), graph.schema.TensorType
    found = _encoding(graph, index)
    kind = graph.tensor(int(operator.inputs[0])).type
    if kind == kinds.INT16:
        scale, zero = _WIDE
        graph.give_own_code(operator, _WIDE_VERSION)
    elif found == (scale, zero):
        return []
    if not found[0]:  # in float, or wide already
        return []
    tensor = graph.tensor(index)
    own = graph.add_activation(tensor.name + b"/own", kind, tensor.shape, scale, zero)
    operator.outputs = np.array([own], np.int32)
    return [graph.new_operator("QUANTIZE", 2, own, index)]


def _encoding(graph: Flatbuffer, index: int) -> tuple[float, int]:
    """Scale and zero point of an int8 tensor; a scale of 0 for any other, or none."""
    tensor = graph.tensor(index) if index >= 0 else None
    found = tensor.quantization if tensor is not None else None
    if tensor is None or tensor.type != graph.schema.TensorType.INT8:
        return 0.0, 0
    if found is None or found.scale is None or len(found.scale) != 1:
        return 0.0, 0
    return float(found.scale[0]), int(found.zeroPoint[0])
