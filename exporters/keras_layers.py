"""One Keras layer for each ONNX operator of convolutional mask networks."""

from __future__ import annotations

from collections.abc import Callable
from math import prod
from typing import Any

import numpy as np

from .keras_graph import NCHW_TO_NHWC, Graph, attributes, keras_layer, unsupported

__all__ = ["HANDLERS"]


def _padded(graph: Graph, node: Any, x: Any, pads: list[int], value: float = 0.0) -> Any:
    """``x`` with ONNX pads (top, left, bottom, right) of zeros."""
    if not any(pads):
        return x
    top, left, bottom, right = pads
    if value != 0.0 or min(pads) < 0:
        raise unsupported(node, "it pads with something else than zeros, or crops")
    return keras_layer("ZeroPadding2D", ((top, bottom), (left, right)), name=graph.name(node))(x)


def _with_weights(layer: Any, x: Any, *weights: np.ndarray[Any, Any] | None) -> Any:
    """What a layer makes of ``x`` with these weights, but for those that it has none of."""
    result = layer(x)  # has its weights from now on
    layer.set_weights([values for values in weights if values is not None])
    return result


def _conv(graph: Graph, node: Any) -> Any:
    x, weight, bias = graph.value(node), graph.constant(node, 1), graph.optional(node, 2)
    a = attributes(node)
    strides, dilations = a.get("strides", [1, 1]), a.get("dilations", [1, 1])
    pads, groups = a.get("pads", [0, 0, 0, 0]), a.get("group", 1)
    if a.get("auto_pad", b"NOTSET") not in {b"NOTSET", b"VALID"}:
        raise unsupported(node, "auto_pad")
    if max(strides) > 1 and max(dilations) > 1:
        raise unsupported(node, "strides and dilations at once")
    kernel = weight.shape[2:]
    reach = [(k - 1) * d for k, d in zip(kernel, dilations, strict=True)]
    same = strides == [1, 1] and list(pads) == [r // 2 for r in reach] * 2
    same = same and all(r % 2 == 0 for r in reach)
    options = {
        "kernel_size": kernel,
        "strides": strides,
        "dilation_rate": dilations,
        "padding": "same" if same else "valid",
        "use_bias": bias is not None,
    }
    name = graph.name(node)
    if not same:
        x = _padded(graph, node, x, pads)
    inputs = int(x.shape[-1])
    if groups == inputs and groups > 1:
        multiplier = weight.shape[0] // inputs
        layer = keras_layer("DepthwiseConv2D", depth_multiplier=multiplier, name=name, **options)
        kernel_values = weight.reshape(inputs, multiplier, *kernel).transpose(2, 3, 0, 1)
    else:
        layer = keras_layer("Conv2D", filters=weight.shape[0], groups=groups, name=name, **options)
        kernel_values = weight.transpose(2, 3, 1, 0)
    return _with_weights(layer, x, kernel_values, bias)


def _conv_transpose(graph: Graph, node: Any) -> Any:
    x, weight, bias = graph.value(node), graph.constant(node, 1), graph.optional(node, 2)
    a = attributes(node)
    strides, pads = a.get("strides", [1, 1]), a.get("pads", [0, 0, 0, 0])
    extra = a.get("output_padding", [0, 0])
    if a.get("group", 1) != 1 or a.get("dilations", [1, 1]) != [1, 1]:
        raise unsupported(node, "groups or dilations")
    if any(e > p for e, p in zip(extra, pads[2:], strict=True)):
        raise unsupported(node, "output_padding beyond its padding")
    layer = keras_layer(
        "Conv2DTranspose",
        weight.shape[1],
        weight.shape[2:],
        strides=strides,
        use_bias=bias is not None,
        name=graph.name(node),
    )
    result = _with_weights(layer, x, weight.transpose(2, 3, 1, 0), bias)
    # Keras' "valid" result is the whole of it, and at least a stride a pixel.
    wanted = [
        (int(n) - 1) * s - pads[i] - pads[i + 2] + weight.shape[2 + i] + extra[i]
        for i, (n, s) in enumerate(zip(x.shape[1:3], strides, strict=True))
    ]
    crops = [(pads[i], int(result.shape[1 + i]) - pads[i] - wanted[i]) for i in range(2)]
    if any(after < 0 for _, after in crops):
        raise unsupported(node, "its output is larger than Keras'")
    if not any(map(any, crops)):
        return result
    return keras_layer("Cropping2D", tuple(crops), name=graph.name(node))(result)


def _batch_norm(graph: Graph, node: Any) -> Any:
    gamma, beta, mean, variance = (graph.constant(node, i) for i in range(1, 5))
    epsilon = attributes(node).get("epsilon", 1e-5)
    layer = keras_layer("BatchNormalization", epsilon=epsilon, name=graph.name(node))
    return _with_weights(layer, graph.value(node), gamma, beta, mean, variance)


def _instance_norm(graph: Graph, node: Any) -> Any:
    """A group a channel."""
    x, scale, bias = graph.value(node), graph.constant(node, 1), graph.constant(node, 2)
    if len(x.shape) != 4:
        raise unsupported(node, "it is of groups of channels, or of tokens")
    layer = keras_layer(
        "GroupNormalization",
        groups=int(x.shape[-1]),
        epsilon=attributes(node).get("epsilon", 1e-5),
        name=graph.name(node),
    )
    return _with_weights(layer, x, scale, bias)


def _max_pool(graph: Graph, node: Any) -> Any:
    a = attributes(node)
    if any(a.get("pads", [0])) or any(d != 1 for d in a.get("dilations", [1, 1])):
        raise unsupported(node, "padding of values that may be negative, or dilation")
    x = graph.value(node)
    kernel, strides = a["kernel_shape"], a.get("strides", [1, 1])
    # Where TensorFlow's padding does it, `adapt_pools` has asked for that.
    same = a.get("auto_pad", b"NOTSET") == b"SAME_UPPER"
    if a.get("ceil_mode", 0) and any(
        (int(n) - k) % s for n, k, s in zip(x.shape[1:3], kernel, strides, strict=True)
    ):
        raise unsupported(node, "ceil_mode of values that may be negative")
    padding = "same" if same else "valid"
    return keras_layer("MaxPooling2D", kernel, strides, padding=padding, name=graph.name(node))(x)


def _average_pool(graph: Graph, node: Any) -> Any:
    a = attributes(node)
    pads = a.get("pads", [0, 0, 0, 0])
    if a.get("ceil_mode", 0) or (any(pads) and not a.get("count_include_pad", 0)):
        raise unsupported(node, "ceil_mode, or padding that does not count")
    kernel, strides = a["kernel_shape"], a.get("strides", [1, 1])
    name = graph.name(node)
    x = _padded(graph, node, graph.value(node), pads)
    return keras_layer("AveragePooling2D", kernel, strides, name=name)(x)


def _global_average(graph: Graph, node: Any) -> Any:
    if node.op_type == "ReduceMean":
        a = attributes(node)
        axes = a.get("axes")
        axes = list(graph.constant(node, 1)) if axes is None else axes
        if sorted(int(i) % 4 for i in axes) != [2, 3] or not a.get("keepdims", 1):
            raise unsupported(node, "other axes than height and width, or keepdims=0")
    layer = keras_layer("GlobalAveragePooling2D", keepdims=True, name=graph.name(node))
    return layer(graph.value(node))


def _resize(graph: Graph, node: Any) -> Any:
    a = attributes(node)
    x = graph.value(node)
    mode = a.get("mode", b"nearest").decode()
    coordinates = a.get("coordinate_transformation_mode", b"half_pixel").decode()
    sizes = graph.optional(node, 3)
    if sizes is None:
        scales = graph.constant(node, 2)
        exact = [int(n) * float(s) for n, s in zip(x.shape[1:3], scales[2:], strict=True)]
        height, width = map(round, exact)
        # Cut to whole pixels, the scale is no longer the ratio of the sizes, which is Keras'.
        if max(abs(exact[0] - height), abs(exact[1] - width)) > 1e-3:
            raise unsupported(node, "a scale that gives a broken size")
    else:
        height, width = int(sizes[2]), int(sizes[3])
    if mode == "linear" and coordinates in {"half_pixel", "pytorch_half_pixel"}:
        return keras_layer("Resizing", height, width, "bilinear", name=graph.name(node))(x)
    factor = (height / int(x.shape[1]), width / int(x.shape[2]))
    if mode == "nearest" and all(f == int(f) for f in factor):
        size = (int(factor[0]), int(factor[1]))
        return keras_layer("UpSampling2D", size, interpolation="nearest", name=graph.name(node))(x)
    raise unsupported(node, f"{mode} with {coordinates} coordinates")


def _concat(graph: Graph, node: Any) -> Any:
    axis = NCHW_TO_NHWC[attributes(node)["axis"] % 4]
    values = [graph.value(node, i) for i in range(len(node.input))]
    return keras_layer("Concatenate", axis=axis, name=graph.name(node))(values)


def _binary(graph: Graph, node: Any) -> Any:
    """Two values, or a value and a constant of one number or one a channel."""
    constant = next((i for i in (0, 1) if node.input[i] in graph.constants), None)
    if constant is None:
        kind = {"Add": "Add", "Mul": "Multiply", "Sub": "Subtract"}.get(node.op_type)
        if kind is None:
            raise unsupported(node, "both sides vary")
        return keras_layer(kind, name=graph.name(node))(
            [graph.value(node, 0), graph.value(node, 1)]
        )
    array = graph.constant(node, constant)
    if array.size > 1 and (array.ndim < 3 or array.size != array.shape[-3]):
        raise unsupported(node, f"a constant of shape {array.shape}")
    number = array.astype(np.float64).reshape(-1)
    scale, offset = np.ones_like(number), np.zeros_like(number)
    first = constant == 0
    if node.op_type == "Add":
        offset = number
    elif node.op_type == "Mul":
        scale = number
    elif node.op_type == "Sub":
        scale, offset = (-scale, number) if first else (scale, -number)
    elif node.op_type == "Div" and not first:
        scale = 1 / number
    else:
        raise unsupported(node, "a constant divided by a value")

    def plain(v: np.ndarray[Any, Any]) -> Any:
        return float(v[0]) if v.size == 1 else v.tolist()

    layer = keras_layer("Rescaling", plain(scale), plain(offset), name=graph.name(node))
    return layer(graph.value(node, 1 - constant))


def _clip(graph: Graph, node: Any) -> Any:
    low, high = graph.optional(node, 1), graph.optional(node, 2)
    if low is None or float(low) != 0.0:
        raise unsupported(node, "a lower bound other than 0")
    top = None if high is None else float(high)
    return keras_layer("ReLU", max_value=top, name=graph.name(node))(graph.value(node))


def _leaky_relu(graph: Graph, node: Any) -> Any:
    slope = attributes(node).get("alpha", 0.01)
    return keras_layer("LeakyReLU", negative_slope=slope, name=graph.name(node))(graph.value(node))


def _elu(graph: Graph, node: Any) -> Any:
    alpha = attributes(node).get("alpha", 1.0)
    return keras_layer("ELU", alpha=alpha, name=graph.name(node))(graph.value(node))


def _softmax(graph: Graph, node: Any) -> Any:
    axis = NCHW_TO_NHWC[attributes(node).get("axis", -1) % 4]
    return keras_layer("Softmax", axis=axis, name=graph.name(node))(graph.value(node))


def _hard_sigmoid(graph: Graph, node: Any) -> Any:
    a = attributes(node)
    if abs(a.get("alpha", 0.2) - 1 / 6) > 1e-6 or abs(a.get("beta", 0.5) - 0.5) > 1e-6:
        raise unsupported(node, "a slope other than 1/6")
    return _activation("hard_sigmoid")(graph, node)


def _activation(kind: str) -> Callable[[Graph, Any], Any]:
    def handler(graph: Graph, node: Any) -> Any:
        return keras_layer("Activation", kind, name=graph.name(node))(graph.value(node))

    return handler


def _pad(graph: Graph, node: Any) -> Any:
    pads = graph.constant(node, 1)
    value = graph.optional(node, 2)
    if attributes(node).get("mode", b"constant") != b"constant" or any(pads[[0, 1, 4, 5]]):
        raise unsupported(node, "it does not pad height and width with a constant")
    amounts = [int(pads[i]) for i in (2, 3, 6, 7)]
    fill = 0.0 if value is None else float(value)
    return _padded(graph, node, graph.value(node), amounts, fill)


def _slice(graph: Graph, node: Any) -> Any:
    """A part of some axes, in steps of 1."""
    x = graph.value(node)
    starts, ends, axes = (graph.constant(node, i).tolist() for i in (1, 2, 3))
    steps = graph.optional(node, 4)
    if len(x.shape) != 4 or (steps is not None and set(steps.tolist()) != {1}):
        raise unsupported(node, "steps, or no map")
    parts = [slice(None)] * 4
    for start, end, axis in zip(starts, ends, axes, strict=True):
        position = NCHW_TO_NHWC[axis % 4]
        parts[position] = slice(*slice(start, end).indices(int(x.shape[position]))[:2])
    return x[tuple(parts)]


def _erf(graph: Graph, node: Any) -> Any:
    import keras

    return keras.ops.erf(graph.value(node))


def _pass(graph: Graph, node: Any) -> Any:
    return graph.value(node)


# What lies between a pool and a gate has one number a channel, (1, C, 1, 1) or (1, C): one order
# whatever the axes are called, so reshaping is safe there, where for a map it would mix up pixels
# and channels.


def _reshape(graph: Graph, node: Any) -> Any:
    """Reshape, Flatten, Squeeze and Unsqueeze of a vector."""
    x, wanted = graph.value(node), graph.shape(node.output[0])
    count = prod(wanted)
    if max(int(n) for n in x.shape) != count or len(wanted) not in {2, 4} or wanted[1] != count:
        raise unsupported(node, "it is of a map, not of one number a channel")
    shape = (count,) if len(wanted) == 2 else (1, 1, count)
    return keras_layer("Reshape", shape, name=graph.name(node))(x)


def _fully_connected(graph: Graph, node: Any) -> Any:
    """Gemm and MatMul of a vector and a constant."""
    x, weight, bias = graph.value(node), graph.constant(node, 1), graph.optional(node, 2)
    a = attributes(node)
    if len(x.shape) != 2 or weight.ndim != 2:
        raise unsupported(node, "it is of a map or of tokens, not of one number a channel")
    if a.get("alpha", 1.0) != 1.0 or a.get("beta", 1.0) != 1.0 or a.get("transA", 0):
        raise unsupported(node, "factors, or a transposed value")
    kernel = weight.T if a.get("transB", 0) else weight
    dense = keras_layer("Dense", kernel.shape[1], use_bias=bias is not None, name=graph.name(node))
    return _with_weights(dense, x, kernel, None if bias is None else bias.reshape(-1))


def _expand(graph: Graph, node: Any) -> Any:
    """A number a channel, for each pixel of a map."""
    import keras

    n, c, h, w = graph.shape(node.output[0])
    return keras.ops.broadcast_to(graph.value(node), (n, h, w, c))


HANDLERS: dict[str, Callable[[Graph, Any], Any]] = {
    "Add": _binary,
    "AveragePool": _average_pool,
    "BatchNormalization": _batch_norm,
    "Clip": _clip,
    "Concat": _concat,
    "Conv": _conv,
    "ConvTranspose": _conv_transpose,
    "Div": _binary,
    "Dropout": _pass,
    "Elu": _elu,
    "Erf": _erf,
    "Expand": _expand,
    "Flatten": _reshape,
    "Gemm": _fully_connected,
    "GlobalAveragePool": _global_average,
    "HardSigmoid": _hard_sigmoid,
    "HardSwish": _activation("hard_silu"),
    "Identity": _pass,
    "InstanceNormalization": _instance_norm,
    "LeakyRelu": _leaky_relu,
    "MatMul": _fully_connected,
    "MaxPool": _max_pool,
    "Mul": _binary,
    "Pad": _pad,
    "ReduceMean": _global_average,
    "Relu": _activation("relu"),
    "Reshape": _reshape,
    "Resize": _resize,
    "Sigmoid": _activation("sigmoid"),
    "Slice": _slice,
    "Softmax": _softmax,
    "Softplus": _activation("softplus"),
    "Squeeze": _reshape,
    "Sub": _binary,
    "Tanh": _activation("tanh"),
    "Unsqueeze": _reshape,
}
