"""Keras layers for what lies between a pool and a gate: values of one number a channel.

Such a value, (1, C, 1, 1) or (1, C), has one order whatever the axes are called, so reshaping is
safe there, where for a map it would mix up pixels and channels.
"""

from __future__ import annotations

from math import prod
from typing import Any

from .keras_graph import Graph, attributes, keras_layer, unsupported

__all__ = ["expand", "fully_connected", "reshape"]


def reshape(graph: Graph, node: Any) -> Any:
    """Reshape, Flatten, Squeeze and Unsqueeze of a vector."""
    x, wanted = graph.value(node), graph.shape(node.output[0])
    count = prod(wanted)
    if max(int(n) for n in x.shape) != count or len(wanted) not in {2, 4} or wanted[1] != count:
        raise unsupported(node, "it is of a map, not of one number a channel")
    shape = (count,) if len(wanted) == 2 else (1, 1, count)
    return keras_layer("Reshape", shape, name=graph.name(node))(x)


def fully_connected(graph: Graph, node: Any) -> Any:
    """Gemm and MatMul of a vector and a constant."""
    x, weight, bias = graph.value(node), graph.constant(node, 1), graph.optional(node, 2)
    a = attributes(node)
    if len(x.shape) != 2 or weight.ndim != 2:
        raise unsupported(node, "it is of a map or of tokens, not of one number a channel")
    if a.get("alpha", 1.0) != 1.0 or a.get("beta", 1.0) != 1.0 or a.get("transA", 0):
        raise unsupported(node, "factors, or a transposed value")
    kernel = weight.T if a.get("transB", 0) else weight
    dense = keras_layer("Dense", kernel.shape[1], use_bias=bias is not None, name=graph.name(node))
    result = dense(x)
    dense.set_weights([kernel, *([] if bias is None else [bias.reshape(-1)])])
    return result


def expand(graph: Graph, node: Any) -> Any:
    """A number a channel, for each pixel of a map."""
    import keras

    n, c, h, w = graph.shape(node.output[0])
    return keras.ops.broadcast_to(graph.value(node), (n, h, w, c))
