"""An ONNX graph in the form that onnx2tf and TensorFlow's own kernels take, exactly the same."""

from __future__ import annotations

import math
from collections import Counter
from typing import Any

import numpy as np

__all__ = ["adapt_pools", "tensorflow_form"]


def tensorflow_form(model: Any) -> Any:
    """``model``, which is changed, shapes inferred.

    Args:
        model: An onnx.ModelProto of `onnx.simplified`.
    """
    _constants_to_initializers(model.graph)
    _split_strides(model.graph)
    _name_variables(model.graph)
    _halve_first(model.graph)
    return adapt_pools(model)


def _constants_to_initializers(graph: Any) -> None:
    """Norms without weights of their own leave constants in nodes, where onnx2tf takes them for
    results."""
    kept = []
    for node in graph.node:
        value = next((a.t for a in node.attribute if a.name == "value"), None)
        if node.op_type != "Constant" or value is None:
            kept.append(node)
            continue
        value.name = node.output[0]
        graph.initializer.append(value)
    del graph.node[:]
    graph.node.extend(kept)


def _split_strides(graph: Any) -> None:
    """A depthwise convolution of unequal strides becomes one of equal strides and a pool of 1x1
    windows, which leaves the others out.

    TensorFlow's own CPU kernel has equal strides only (tensorflow/core/kernels/
    depthwise_conv_op.cc); where oneDNN, which has all, takes over depends on the processor.
    """
    from onnx import helper

    # A depthwise convolution's weight is of one input channel a group.
    single = {t.name for t in graph.initializer if len(t.dims) == 4 and t.dims[1] == 1}
    nodes = []
    for node in graph.node:
        nodes.append(node)
        attributes = {a.name: a for a in node.attribute}
        if node.op_type != "Conv" or node.input[1] not in single or attributes["group"].i == 1:
            continue
        strides = list(attributes["strides"].ints)
        if len(set(strides)) == 1:
            continue
        step = math.gcd(*strides)
        attributes["strides"].ints[:] = [step] * len(strides)
        result, dense = node.output[0], f"{node.output[0]}_dense"
        node.output[0] = dense
        pool = helper.make_node("MaxPool", [dense], [result], f"{node.name}_strides")
        rest = [stride // step for stride in strides]
        for key, value in (("kernel_shape", [1, 1]), ("strides", rest)):
            pool.attribute.append(helper.make_attribute(key, value))
        nodes.append(pool)
    del graph.node[:]
    graph.node.extend(nodes)


def _name_variables(graph: Any) -> None:
    """onnx2tf makes variables of the weights of convolutions in groups, by the nodes' names; a
    variable's can't begin with a slash."""
    for node in graph.node:
        if node.op_type == "Conv":
            node.name = node.name.removeprefix("/")


def _halve_first(graph: Any) -> None:
    """(x · (1 + erf)) / 2 becomes (x / 2) · (1 + erf), the same to the bit: TensorFlow's converter
    knows the GELU by that order, and TFLite has no operation for what is left of another."""
    from onnx import numpy_helper

    halves = {
        tensor.name
        for tensor in graph.initializer
        if not tensor.dims and numpy_helper.to_array(tensor) == 0.5
    }
    makers = {name: node for node in graph.node for name in node.output}
    readers = Counter(name for node in graph.node for name in node.input)

    def made_by(kind: str, node: Any) -> list[Any]:
        """Those of a node's inputs that such an operation has made."""
        return [makers[n] for n in node.input if n in makers and makers[n].op_type == kind]

    nodes = []
    for node in graph.node:
        nodes.append(node)
        half = halves.intersection(node.input)
        for product in made_by("Mul", node) if node.op_type == "Mul" and half else []:
            for grown in made_by("Add", product):
                if made_by("Erf", grown) and readers[product.output[0]] == 1:
                    (x,) = [name for name in product.input if name not in grown.output]
                    small, result = f"{node.output[0]}_half", node.output[0]
                    node.input[:], node.output[:] = [x, *half], [small]
                    product.input[:], product.output[:] = [small, *grown.output], [result]
                    nodes.remove(product)
                    nodes.append(product)
    del graph.node[:]
    graph.node.extend(nodes)


# Operators whose results are not negative whatever goes in, and those that keep it so.
_NOT_NEGATIVE = {"Relu", "Sigmoid", "HardSigmoid", "Softmax", "Softplus"}
_KEEP = {"Add", "Concat", "MaxPool", "AveragePool", "GlobalAveragePool", "Mul", "Resize"}
_DATA_INPUTS = {"Resize": 1}  # the others are roi, scales and sizes


def adapt_pools(model: Any) -> Any:
    """``model`` with its max-pools rewritten, shapes inferred.

    onnx2tf pads other max-pools with the lowest float there is. A float file doesn't mind; an
    integer file's range then reaches to -3.4e38, and XNNPACK refuses the file or the mask is lost.
    Both forms here are exact. A pool whose padding is what TensorFlow calls SAME becomes that
    (ceil_mode with 2x2 windows on odd sizes among them). Another padded pool of values that can't
    be negative gets a pad of zeros in front: zero never wins against them.
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
