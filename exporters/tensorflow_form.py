"""An ONNX graph in the form that onnx2tf and TensorFlow's own kernels take, exactly the same."""

from __future__ import annotations

import math
from collections import Counter
from typing import Any

from .tensorflow_pools import adapt_pools

__all__ = ["tensorflow_form"]


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
