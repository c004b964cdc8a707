"""The cost of Core ML packages, from their program."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from ...artifacts.manifest import Artifact, Tensor
from ..mil.package import read_package
from .counting import Work
from .operation import Formula, Operation, Shape, convolution, count, einsum, product, transposed

__all__ = ["work"]


def work(artifact: Artifact, path: Path) -> Work:
    """Of the main function. What decompresses weights (``constexpr_``) counts as an operation."""
    function = read_package(path).function
    for image in artifact.inputs[:1]:  # none is known of a file that is only looked into
        _fix_sizes(function, image)
    counted = count(_operations(function), _FORMULAS, _HIDDEN)
    weights = sum(_stored_bytes(o) for o in function.operations if o.op_type == "const")
    return counted.work(weights)


def _fix_sizes(function: Any, image: Tensor) -> None:
    """Of a program for several sizes, those that it has at the artifact's own."""
    fed = function.inputs.get(image.name)
    if fed is None or None not in (_shape(fed) or ()):
        return
    from coremltools.converters.mil.mil import types

    fed._sym_type = types.tensor(types.fp32, tuple(image.shape))
    with function:
        for operation in list(function.operations):
            if operation.op_type != "const":
                operation.type_value_inference(overwrite_output=True)


def _operations(function: Any) -> Iterator[Operation]:
    for operation in function.operations:
        kind = operation.op_type
        if kind == "const":
            continue
        inputs = operation.inputs
        values = inputs.get("values", ())
        given = values if kind == "einsum" else [inputs.get(name) for name in _ORDER]
        yield Operation(
            kind,
            operation.name,
            [None if variable is None else _shape(variable) for variable in given],
            [_shape(variable) for variable in operation.outputs],
            {
                name: inputs[parameter].val
                for parameter, name in _SETTINGS.items()
                if inputs.get(parameter) is not None
            },
        )


def _shape(variable: Any) -> Shape:
    """Sizes that are symbols are not fixed."""
    sizes = getattr(variable, "shape", None)
    if sizes is None:
        return None
    return [int(size) if isinstance(size, int | np.integer) else None for size in sizes]


def _stored_bytes(constant: Any) -> int:
    """Of a constant that is a weight.

    A weight is a tensor of floats, or anything that a ``constexpr_`` makes weights of. The
    32-bit integers among these are shapes and axes, as are all integers elsewhere.
    """
    variable = constant.outputs[0]
    value = np.asarray(variable.val)
    compressed = any(user.op_type.startswith("constexpr_") for user in variable.child_ops)
    if value.dtype.kind not in ("fiub" if compressed else "f"):
        return 0
    if value.dtype.kind in "iu" and value.itemsize > 2:
        return 0
    if value.ndim == 0 and not compressed:  # a factor of a resize, or the like
        return 0
    return -(-value.size * _bits(variable.dtype, value) // 8)


def _bits(kind: Any, value: np.ndarray[Any, Any]) -> int:
    """Integers of less than a byte are packed in the file, and not in coremltools' arrays."""
    from coremltools.converters.mil.mil import types

    tensor = types.is_tensor(kind)
    element = kind.get_primitive() if tensor else kind
    return int(element.get_bitwidth()) if types.is_sub_byte(element) else value.itemsize * 8


# The first three inputs of what multiplies, by name.
_X, _WEIGHT, _Y = range(3)
_ORDER = ("x", "weight", "y")
_SETTINGS = {"equation": "equation", "transpose_x": "left_transposed"}
_FORMULAS: dict[str, Formula] = {
    "conv": convolution(kernel=_WEIGHT, channels=1),
    "conv_quantized": convolution(kernel=_WEIGHT, channels=1),
    "conv_transpose": transposed(kernel=_WEIGHT, source=_X, channels=1),
    "linear": convolution(kernel=_WEIGHT, channels=-1),
    "matmul": product,
    "einsum": einsum,
}
# Whole layers in one operation, and what runs a block some number of times.
_HIDDEN = frozenset(
    ("cond", "gru", "lstm", "rnn", "scaled_dot_product_attention", "while_loop", "custom_layer")
)
