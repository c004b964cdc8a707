"""Max-pools in the form that TensorFlow has, before onnx2tf sees them.

onnx2tf pads other max-pools with the lowest float there is. A float file doesn't mind; an
integer file's range then reaches to -3.4e38, and XNNPACK refuses the file or the mask is lost.
Both forms here are exact.
"""

from __future__ import annotations

from typing import Any

import numpy as np

__all__ = ["adapt_pools"]

# Operators whose results are not negative whatever goes in, and those that keep it so.
_NOT_NEGATIVE = {"Relu", "Sigmoid", "HardSigmoid", "Softmax", "Softplus"}
_KEEP = {"Add", "Concat", "MaxPool", "AveragePool", "GlobalAveragePool", "Mul", "Resize"}
_DATA_INPUTS = {"Resize": 1}  # the others are roi, scales and sizes


def adapt_pools(model: Any) -> Any:
    """``model`` with its max-pools rewritten, shapes inferred.

    A pool whose padding is what TensorFlow calls SAME becomes that (ceil_mode with 2x2 windows
    on odd sizes among them). Another padded pool of values that can't be negative gets a pad of
    zeros in front: zero never wins against them.
    """
    import onnx
    from onnx import helper, numpy_helper

    model = onnx.shape_inference.infer_shapes(model)
    graph = model.graph
    shapes = {
        value.name: [d.dim_value for d in value.type.tensor_type.shape.dim]
        for value in (*graph.input, *graph.value_info)
    }
    makers = {name: node for node in graph.node for name in node.output}
    nodes = []
    for node in graph.node:
        shape = shapes.get(node.input[0]) if node.input else None
        if node.op_type == "MaxPool" and shape and len(shape) == 4 and all(shape):
            attributes = {a.name: helper.get_attribute_value(a) for a in node.attribute}
            begin, end, same = _padding(shape[2:], attributes)
            if same:
                _set(node, auto_pad="SAME_UPPER")
            elif any((*begin, *end)) and _not_negative(node.input[0], makers):
                pads = [0, 0, *begin, 0, 0, *end]
                padded, amounts = f"{node.output[0]}_padded", f"{node.output[0]}_pads"
                graph.initializer.append(numpy_helper.from_array(np.array(pads), amounts))
                nodes.append(helper.make_node("Pad", [node.input[0], amounts], [padded], padded))
                node.input[0] = padded
                _set(node)
        nodes.append(node)
    del graph.node[:]
    graph.node.extend(nodes)
    return model


def _padding(sizes: list[int], attributes: dict[str, Any]) -> tuple[list[int], list[int], bool]:
    """Pixels added in front and behind for each axis, and whether SAME would add the same."""
    kernel = attributes["kernel_shape"]
    strides = attributes.get("strides", [1, 1])
    pads = attributes.get("pads", [0, 0, 0, 0])
    if attributes.get("dilations", [1, 1]) != [1, 1] or "auto_pad" in attributes:
        return [0, 0], [0, 0], False
    begin, end, same = list(pads[:2]), list(pads[2:]), True
    for axis, (size, k, s) in enumerate(zip(sizes, kernel, strides, strict=True)):
        if attributes.get("ceil_mode", 0):
            windows = -(-(begin[axis] + size + end[axis] - k) // s) + 1
            if (windows - 1) * s >= begin[axis] + size:
                windows -= 1  # it would start in the padding
            end[axis] = (windows - 1) * s + k - begin[axis] - size
        wanted = max((-(-size // s) - 1) * s + k - size, 0)
        same &= (begin[axis], end[axis]) == (wanted // 2, wanted - wanted // 2)
    return begin, end, same and any((*begin, *end))


def _not_negative(name: str, makers: dict[str, Any]) -> bool:
    seen, open_names = set(), [name]
    while open_names:
        node = makers.get(open_names.pop())
        if node is None:
            return False
        if node.op_type in _NOT_NEGATIVE or node.output[0] in seen:
            continue
        if node.op_type not in _KEEP or _overshoots(node):
            return False
        seen.add(node.output[0])
        open_names.extend(node.input[: _DATA_INPUTS.get(node.op_type)])
    return True


def _overshoots(node: Any) -> bool:
    """Cubic interpolation leaves the range of its values."""
    return any(a.name == "mode" and a.s == b"cubic" for a in node.attribute)


def _set(node: Any, **attributes: Any) -> None:
    """Keep kernel and strides, drop pads and ceil_mode, add what is given."""
    from onnx import helper

    kept = [a for a in node.attribute if a.name in {"kernel_shape", "strides"}]
    del node.attribute[:]
    node.attribute.extend([*kept, *(helper.make_attribute(k, v) for k, v in attributes.items())])
