"""A Core ML program in int8, with weights and ranges of our own.

coremltools quantises activations with three graph passes, which
`coremltools.optimize.coreml.linear_quantize_activations` runs after it has measured ranges in
Core ML itself, so on macOS only. The passes need no Mac. They put a ``quantize`` and a
``dequantize`` before each convolution, pooling, addition and matrix product, and behind each of
them and its activation function: the patterns that Core ML runs in integers. Joined, resized
and moved values are between two pairs of one scale, so nothing is lost there.

The passes compute scales in float16, where a range beyond 511 overflows and any other is a step
off at its end. Here they only decide where pairs belong; scale and zero point come from the
quantised network, and a pair goes away again where the tensor stays in float. Weights are stored
as the network's own integers: coremltools' rounding would take a channel's largest weight for
127 steps, which it need not be.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import ExportError
from ..quantization.encodings import Encoding, QuantizedNetwork, QuantizedTensor
from .coreml_package import coremltools
from .stored_integers import Weight

__all__ = ["TARGET", "ProgramTensors", "in_integers"]

# iOS 17 and macOS 14: the first with quantize and dequantize in ML programs.
TARGET = "iOS17"
# Smaller scales lose digits as float16, and chips take them for zero.
_SMALLEST_SCALE = float(np.finfo(np.float16).smallest_normal)
# coremltools keeps fewer inside the program, and compresses only what it keeps in a file.
_LEAST_WEIGHTS = 10
# Values stay what they are.
_MOVES = frozenset({"expand_dims", "reshape", "slice_by_index", "squeeze", "transpose"})
_RECTIFIERS = frozenset({"clip", "relu", "relu6"})
# What coremltools appends to a value's name when it makes it float16.
_SUFFIXES = ("_cast_fp16", "_to_fp16")


class ProgramTensors:
    """Which tensor of the quantised network a value of the program is.

    Args:
        network: The quantised network.
        names: Its tensors' names by the names that the program's values were made from.
    """

    def __init__(self, network: QuantizedNetwork, names: Mapping[str, str]) -> None:
        self._network = network
        self._names = names
        self._photo, *_, self._mask = network.tensors.values()

    def find(self, variable: Any) -> QuantizedTensor | None:
        """The tensor, or None where the network has none that it could be."""
        if _is_photo(variable):
            return self._photo
        name = variable.name
        for suffix in _SUFFIXES:
            name = name.removesuffix(suffix)
        tensor = self._network.tensors.get(self._names.get(name, ""))
        if tensor is not None:
            return tensor
        # torch makes new names for views of what was changed in place.
        if variable.op.op_type in _MOVES:
            return self.find(_unrounded(variable.op.x))
        # Its integers end where the rectifier's do, so rounding before it is rounding behind it.
        reader = _only_reader(variable)
        rectified = reader is not None and reader.op_type in _RECTIFIERS
        return self.find(reader.outputs[0]) if rectified else None

    def encoding(self, variable: Any) -> Encoding | None:
        """How a value is stored; None where it stays float16.

        Raises:
            ExportError: It is none of the network's tensors.
        """
        tensor = self.find(variable)
        if tensor is None:
            raise ExportError(
                f"coremltools has made a value {variable.name!r} (by {variable.op.op_type}) that "
                "is none of the network's own, so its range is not known.",
                "Use coreml-w8, whose activations stay in float16, and report the network.",
            )
        encoding = tensor.encoding
        # The mask's bytes are other formats' business: here it is float16 on its way out.
        if encoding is None or encoding.bits != 8 or tensor is self._mask:
            return None
        return encoding

    def weight(self, operation: Any) -> Weight | None:
        """The weight that an operation computes with; None where it stays in float."""
        (result,) = operation.outputs
        readers = result.child_ops
        # The network knows a convolution and the ReLU behind it as one tensor.
        for variable in (result, *(readers[0].outputs if len(readers) == 1 else ())):
            tensor = self.find(variable)
            if tensor is not None and tensor.weight:
                scale = self._network.weight_scales.get(tensor.weight)
                if scale is None:
                    return None
                return Weight(self._network.integers(tensor.weight), scale.numpy(), tensor.outputs)
        return None


def in_integers(model: Any, tensors: ProgramTensors) -> tuple[Any, list[str]]:
    """A float16 program with int8 weights, and pairs of quantize and dequantize.

    Args:
        model: An ``MLModel`` for `TARGET`; it is left as it is.
        tensors: What its values are.

    Returns:
        The new model, and the names of operations whose weights are still float16, because
        coremltools has merged something into them.

    Raises:
        ExportError: A value of the program has no known range.
    """
    cto = coremltools().optimize.coreml
    from coremltools.converters.mil.frontend.milproto import load
    from coremltools.converters.mil.mil.passes.graph_pass import AbstractGraphPass, PassOption
    from coremltools.converters.mil.mil.passes.pass_registry import PASS_REGISTRY
    from coremltools.models import utils

    merged: list[str] = []

    class OurNumbers(AbstractGraphPass):  # type: ignore[misc]  # coremltools has no types
        """Give every pair and every weight its numbers."""

        def apply(self, program: Any) -> None:
            for function in program.functions.values():
                with function:
                    _set_ranges(function, tensors)
                    merged.extend(_set_weights(function, tensors))

    config = cto.OptimizationConfig(cto.OpLinearQuantizerConfig(mode="linear", dtype="int8"))
    before, behind = (
        PASS_REGISTRY[f"compression::insert_{place}_quantize_dequantize_pair"]
        for place in ("prefix", "suffix")
    )
    for inserting in (before, behind):
        inserting.set_options(
            [PassOption("config", config), PassOption("activation_stats", _Any())]
        )
    passes = [
        before,
        behind,
        OurNumbers(),
        PASS_REGISTRY["common::dequantize_quantize_pair_elimination"],
    ]
    quantised = utils._apply_graph_pass(
        model,
        passes,
        spec_version=model.get_spec().specificationVersion,
        pymil_load_func=load.load,
        skip_model_load=True,
    )
    return quantised, merged


_WEIGHTED = frozenset({"conv", "conv_transpose", "linear"})


class _Any(dict[str, dict[str, float]]):
    """Statistics of any value, for passes that want some; `_set_ranges` overwrites them."""

    def __missing__(self, _name: str) -> dict[str, float]:
        return {"rmin": -1.0, "rmax": 1.0}


def _set_ranges(function: Any, tensors: ProgramTensors) -> None:
    """Replace each pair by one with the tensor's scale and zero point, or by nothing."""
    from coremltools.converters.mil.mil import Builder as mb

    numbers = _Numbers(function.operations[0])
    quantizes = [op for op in function.operations if op.op_type == "quantize"]
    for number, quantize in enumerate(quantizes):
        (dequantize,) = quantize.outputs[0].child_ops
        replacement = quantize.input
        encoding = tensors.encoding(_unrounded(replacement))
        if encoding is not None:
            stored, decoded = numbers.of(encoding)
            # coremltools' own names count what else this process has converted, and equal runs
            # are to give equal bytes.
            place = {"before_op": quantize, "name": f"integers_{number}"}
            integers = mb.quantize(input=replacement, **stored, **decoded, **place)
            place["name"] = f"rounded_{number}"
            replacement = mb.dequantize(input=integers, **decoded, **place)
        function.replace_uses_of_var_after_op(
            anchor_op=dequantize, old_var=dequantize.outputs[0], new_var=replacement
        )
        function.remove_ops([dequantize, quantize])


def _set_weights(function: Any, tensors: ProgramTensors) -> list[str]:
    """Store weights as the network's integers; names of operations that have other weights."""
    from coremltools.converters.mil.mil import Builder as mb

    others = []
    for operation in [op for op in function.operations if op.op_type in _WEIGHTED]:
        found = tensors.weight(operation)
        shared = operation.weight.op.op_type != "const"  # with an operation before
        if found is None or shared or operation.weight.val.size < _LEAST_WEIGHTS:
            continue
        integers, scale, outputs = found
        held = operation.weight.val
        steps = np.expand_dims(scale, [d for d in range(integers.ndim) if d != outputs])
        if held.shape != integers.shape or not _is_near(held, integers * steps, steps):
            others.append(operation.name)
            continue
        # A channel that float16 knows nothing of but zeros needs some scale.
        least = np.finfo(np.float16).smallest_subnormal
        stored = mb.constexpr_affine_dequantize(
            quantized_data=integers,
            zero_point=np.int8(0),
            scale=np.maximum(scale.astype(np.float16), least),
            axis=np.int32(outputs),
            before_op=function.operations[0],
            name=f"{operation.weight.name}_quantized",
        )
        function.replace_uses_of_var_after_op(
            anchor_op=stored.op, old_var=operation.weight, new_var=stored
        )
    return others


def _is_near(held: NDArray[Any], expected: NDArray[Any], step: NDArray[Any]) -> bool:
    """Whether float16 weights are what they should be, but for the rounding of float16."""
    least = np.finfo(np.float16).smallest_subnormal
    return bool((np.abs(held.astype(np.float32) - expected) <= step / 4 + least).all())


class _Numbers:
    """Constants for encodings, each written once: a file has hundreds of pairs.

    Args:
        before: The operation that they are put before.
    """

    def __init__(self, before: Any) -> None:
        self._before = before
        self._made: dict[tuple[str, float | int | str], Any] = {}

    def of(self, encoding: Encoding) -> tuple[dict[str, Any], dict[str, Any]]:
        """What only ``quantize`` is given, and what ``dequantize`` is given as well.

        A tensor without negative values is stored as uint8, whose zero point 0 needs no operand.
        """
        scale = np.float16(max(encoding.scale, _SMALLEST_SCALE))
        decoded = {"scale": self._constant("scale", scale)}
        if encoding.zero_point == encoding.lowest:
            return {"output_dtype": self._constant("type", "uint8")}, decoded
        decoded["zero_point"] = self._constant("zero_point", np.int8(encoding.zero_point))
        return {"output_dtype": self._constant("type", "int8")}, decoded

    def _constant(self, kind: str, value: Any) -> Any:
        from coremltools.converters.mil.mil import Builder as mb

        key = (kind, value if isinstance(value, str) else value.item())
        if key not in self._made:
            number = sum(made == kind for made, _ in self._made)
            name = f"{kind}_{number}"
            self._made[key] = mb.const(val=value, before_op=self._before, name=name)
        return self._made[key]


def _unrounded(value: Any) -> Any:
    """What a value was before it went through pairs."""
    while value.op is not None and value.op.op_type == "dequantize":
        value = value.op.input.op.input
    return value


def _only_reader(value: Any) -> Any:
    """The one operation that reads a value, maybe through pairs; None where there are several."""
    while True:
        if len(value.child_ops) != 1:
            return None
        (reader,) = value.child_ops
        if reader.op_type not in {"quantize", "dequantize"}:
            return reader
        (value,) = reader.outputs


def _is_photo(variable: Any) -> bool:
    """An input of the program, or what coremltools computes of one to scale and convert it."""
    while variable.op is not None:
        scaled = variable.op.op_type == "mul" and variable.name.endswith("__scaled__")
        if not scaled and variable.op.op_type != "cast":
            return False
        variable = variable.op.x
    return True
