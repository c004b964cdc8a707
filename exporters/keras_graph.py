"""An ONNX graph on its way to Keras: values, constants, names and shapes.

Values are NHWC in Keras and NCHW in ONNX; every handler takes care of its own axes.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..errors import ExportError

__all__ = ["NCHW_TO_NHWC", "Graph", "attributes", "keras_layer", "unsupported"]

NCHW_TO_NHWC = {0: 0, 1: 3, 2: 1, 3: 2}


class Graph:
    """An ONNX graph and the Keras values that stand for its results so far."""

    def __init__(self, onnx_graph: Any) -> None:
        from onnx import numpy_helper

        self.values: dict[str, Any] = {}
        self.constants = {t.name: numpy_helper.to_array(t) for t in onnx_graph.initializer}
        self._names = {"image", "mask"}  # of the file's input and output
        self._shapes = {
            value.name: [d.dim_value for d in value.type.tensor_type.shape.dim]
            for value in (*onnx_graph.input, *onnx_graph.value_info, *onnx_graph.output)
        }

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

    def shape(self, name: str) -> list[int]:
        """The shape of a value in ONNX."""
        return self._shapes[name]

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


def keras_layer(kind: str, *args: Any, **kwargs: Any) -> Any:
    """A Keras layer of that class."""
    import keras

    return getattr(keras.layers, kind)(*args, **kwargs)
