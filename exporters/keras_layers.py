"""One Keras layer for each ONNX operator of convolutional mask networks.

Values are NHWC in Keras and NCHW in ONNX; every handler takes care of its own axes.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..errors import ExportError

__all__ = ["HANDLERS", "Graph"]

_NCHW_TO_NHWC = {0: 0, 1: 3, 2: 1, 3: 2}


class Graph:
    """An ONNX graph and the Keras values that stand for its results so far."""

    def __init__(self, onnx_graph: Any) -> None:
        from onnx import numpy_helper

        self.values: dict[str, Any] = {}
        self.constants = {t.name: numpy_helper.to_array(t) for t in onnx_graph.initializer}
        self._names = {"image", "mask"}  # of the file's input and output

    def name(self, node: Any) -> str:
        """``/stage1/rebnconvin/conv_s1/Conv`` becomes ``stage1.rebnconvin.conv_s1``."""
        parts = [part for part in node.name.split("/") if part]
        if len(parts) > 1 and node.op_type in {"Conv", "ConvTranspose", "BatchNormalization"}:
            parts = parts[:-1]
        base = name = ".".join(parts) or node.op_type.lower()
        count = 1
        while name in self._names:
            count += 1
            name = f"{base}_{count}"
        self._names.add(name)
        return name

    def value(self, node: Any, position: int = 0) -> Any:
        """The Keras value of an input."""
        name = node.input[position]
        if name in self.constants or name not in self.values:
            raise unsupported(node, f"its input {name} is a constant")
        return self.values[name]

    def constant(self, node: Any, position: int) -> np.ndarray[Any, Any]:
        """The constant at an input."""
        name = node.input[position]
        if name not in self.constants:
            raise unsupported(node, f"its input {name} is not a constant")
        array: np.ndarray[Any, Any] = self.constants[name]
        return array

    def optional(self, node: Any, position: int) -> np.ndarray[Any, Any] | None:
        """The constant at an input, or None where the input is left out."""
        if position >= len(node.input) or not node.input[position]:
            return None
        return self.constant(node, position)


def unsupported(node: Any, why: str) -> ExportError:
    """The error for a form of an operator that has no Keras layer."""
    return ExportError(
        f"{node.name or node.op_type} ({node.op_type}) has no Keras layer here: {why}.",
        "Use savedmodel, which covers more.",
    )


def attributes(node: Any) -> dict[str, Any]:
    """An ONNX node's attributes as Python values."""
    from onnx import helper

    return {a.name: helper.get_attribute_value(a) for a in node.attribute}


def _layer(kind: str, *args: Any, **kwargs: Any) -> Any:
    import keras

    return getattr(keras.layers, kind)(*args, **kwargs)


def _padded(graph: Graph, node: Any, x: Any, pads: list[int], value: float = 0.0) -> Any:
    """``x`` with ONNX pads (top, left, bottom, right) of zeros."""
    if not any(pads):
        return x
    top, left, bottom, right = pads
    if value != 0.0 or min(pads) < 0:
        raise unsupported(node, "it pads with something else than zeros, or crops")
    return _layer("ZeroPadding2D", ((top, bottom), (left, right)), name=graph.name(node))(x)


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
        layer = _layer("DepthwiseConv2D", depth_multiplier=multiplier, name=name, **options)
        kernel_values = weight.reshape(inputs, multiplier, *kernel).transpose(2, 3, 0, 1)
    else:
        layer = _layer("Conv2D", filters=weight.shape[0], groups=groups, name=name, **options)
        kernel_values = weight.transpose(2, 3, 1, 0)
    result = layer(x)
    layer.set_weights([kernel_values, *([] if bias is None else [bias])])
    return result


def _conv_transpose(graph: Graph, node: Any) -> Any:
    x, weight, bias = graph.value(node), graph.constant(node, 1), graph.optional(node, 2)
    a = attributes(node)
    strides, pads = a.get("strides", [1, 1]), a.get("pads", [0, 0, 0, 0])
    extra = a.get("output_padding", [0, 0])
    if a.get("group", 1) != 1 or a.get("dilations", [1, 1]) != [1, 1]:
        raise unsupported(node, "groups or dilations")
    if any(e > p for e, p in zip(extra, pads[2:], strict=True)):
        raise unsupported(node, "output_padding beyond its padding")
    layer = _layer(
        "Conv2DTranspose",
        weight.shape[1],
        weight.shape[2:],
        strides=strides,
        use_bias=bias is not None,
        name=graph.name(node),
    )
    result = layer(x)
    layer.set_weights([weight.transpose(2, 3, 1, 0), *([] if bias is None else [bias])])
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
    return _layer("Cropping2D", tuple(crops), name=graph.name(node))(result)


def _batch_norm(graph: Graph, node: Any) -> Any:
    gamma, beta, mean, variance = (graph.constant(node, i) for i in range(1, 5))
    epsilon = attributes(node).get("epsilon", 1e-5)
    layer = _layer("BatchNormalization", epsilon=epsilon, name=graph.name(node))
    result = layer(graph.value(node))
    layer.set_weights([gamma, beta, mean, variance])
    return result


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
    return _layer("MaxPooling2D", kernel, strides, padding=padding, name=graph.name(node))(x)


def _average_pool(graph: Graph, node: Any) -> Any:
    a = attributes(node)
    pads = a.get("pads", [0, 0, 0, 0])
    if a.get("ceil_mode", 0) or (any(pads) and not a.get("count_include_pad", 0)):
        raise unsupported(node, "ceil_mode, or padding that does not count")
    kernel, strides = a["kernel_shape"], a.get("strides", [1, 1])
    name = graph.name(node)
    x = _padded(graph, node, graph.value(node), pads)
    return _layer("AveragePooling2D", kernel, strides, name=name)(x)


def _global_average(graph: Graph, node: Any) -> Any:
    if node.op_type == "ReduceMean":
        a = attributes(node)
        axes = a.get("axes")
        axes = list(graph.constant(node, 1)) if axes is None else axes
        if sorted(int(i) % 4 for i in axes) != [2, 3] or not a.get("keepdims", 1):
            raise unsupported(node, "other axes than height and width, or keepdims=0")
    layer = _layer("GlobalAveragePooling2D", keepdims=True, name=graph.name(node))
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
        return _layer("Resizing", height, width, "bilinear", name=graph.name(node))(x)
    factor = (height / int(x.shape[1]), width / int(x.shape[2]))
    if mode == "nearest" and all(f == int(f) for f in factor):
        size = (int(factor[0]), int(factor[1]))
        return _layer("UpSampling2D", size, interpolation="nearest", name=graph.name(node))(x)
    raise unsupported(node, f"{mode} with {coordinates} coordinates")


def _concat(graph: Graph, node: Any) -> Any:
    axis = _NCHW_TO_NHWC[attributes(node)["axis"] % 4]
    values = [graph.value(node, i) for i in range(len(node.input))]
    return _layer("Concatenate", axis=axis, name=graph.name(node))(values)


def _binary(graph: Graph, node: Any) -> Any:
    """Two values, or a value and a constant of one number or one a channel."""
    constant = next((i for i in (0, 1) if node.input[i] in graph.constants), None)
    if constant is None:
        kind = {"Add": "Add", "Mul": "Multiply", "Sub": "Subtract"}.get(node.op_type)
        if kind is None:
            raise unsupported(node, "both sides vary")
        return _layer(kind, name=graph.name(node))([graph.value(node, 0), graph.value(node, 1)])
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

    layer = _layer("Rescaling", plain(scale), plain(offset), name=graph.name(node))
    return layer(graph.value(node, 1 - constant))


def _clip(graph: Graph, node: Any) -> Any:
    low, high = graph.optional(node, 1), graph.optional(node, 2)
    if low is None or float(low) != 0.0:
        raise unsupported(node, "a lower bound other than 0")
    top = None if high is None else float(high)
    return _layer("ReLU", max_value=top, name=graph.name(node))(graph.value(node))


def _leaky_relu(graph: Graph, node: Any) -> Any:
    slope = attributes(node).get("alpha", 0.01)
    return _layer("LeakyReLU", negative_slope=slope, name=graph.name(node))(graph.value(node))


def _elu(graph: Graph, node: Any) -> Any:
    alpha = attributes(node).get("alpha", 1.0)
    return _layer("ELU", alpha=alpha, name=graph.name(node))(graph.value(node))


def _softmax(graph: Graph, node: Any) -> Any:
    axis = _NCHW_TO_NHWC[attributes(node).get("axis", -1) % 4]
    return _layer("Softmax", axis=axis, name=graph.name(node))(graph.value(node))


def _hard_sigmoid(graph: Graph, node: Any) -> Any:
    a = attributes(node)
    if abs(a.get("alpha", 0.2) - 1 / 6) > 1e-6 or abs(a.get("beta", 0.5) - 0.5) > 1e-6:
        raise unsupported(node, "a slope other than 1/6")
    return _activation("hard_sigmoid")(graph, node)


def _activation(kind: str) -> Callable[[Graph, Any], Any]:
    def handler(graph: Graph, node: Any) -> Any:
        return _layer("Activation", kind, name=graph.name(node))(graph.value(node))

    return handler


def _pad(graph: Graph, node: Any) -> Any:
    pads = graph.constant(node, 1)
    value = graph.optional(node, 2)
    if attributes(node).get("mode", b"constant") != b"constant" or any(pads[[0, 1, 4, 5]]):
        raise unsupported(node, "it does not pad height and width with a constant")
    amounts = [int(pads[i]) for i in (2, 3, 6, 7)]
    fill = 0.0 if value is None else float(value)
    return _padded(graph, node, graph.value(node), amounts, fill)


def _pass(graph: Graph, node: Any) -> Any:
    return graph.value(node)


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
    "GlobalAveragePool": _global_average,
    "HardSigmoid": _hard_sigmoid,
    "HardSwish": _activation("hard_silu"),
    "Identity": _pass,
    "LeakyRelu": _leaky_relu,
    "MaxPool": _max_pool,
    "Mul": _binary,
    "Pad": _pad,
    "ReduceMean": _global_average,
    "Relu": _activation("relu"),
    "Resize": _resize,
    "Sigmoid": _activation("sigmoid"),
    "Softmax": _softmax,
    "Softplus": _activation("softplus"),
    "Sub": _binary,
    "Tanh": _activation("tanh"),
}
