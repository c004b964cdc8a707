"""ONNX in INT8: integers written as pairs of QuantizeLinear and DequantizeLinear (QDQ).

The pairs say where values are rounded and leave the graph's operations as they are; a runtime
that knows better merges them into integer operations (ONNX Runtime, "Quantize ONNX models",
section on the QDQ format). torch's exporter takes them from the quantised program: weights are int8
with one scale for each output channel, activations uint8, input and mask float32. (On x86 ONNX
Runtime turns int8 activations into uint8 itself, but not those that are read by several: the
mixture keeps half of the convolutions in float.)

What ONNX Runtime wants besides is done here: biases as int32, no ReLU whose work the rounding does,
weights of matrix products as they are read, and scales that keep it from resizing integers.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ..errors import ExportError
from ..quantization.program import load_program, reexported, roundings
from .failures import reason_of
from .onnx import finish, from_program
from .run import Exported, Run
from .steps import kept_once

__all__ = ["as_qdq", "export_int8"]

_INTERPOLATED = frozenset({"linear", "cubic"})


def export_int8(run: Run, path: Path) -> Exported:
    """Write the int8 file of a recipe's own run.

    Raises:
        ExportError: torch can't write the program as ONNX.
    """
    import onnx

    made = kept_once(run, run.scratch / "qdq.onnx", _convert)
    return replace(
        finish(onnx.load(str(made)), run, path),
        quantization=run.quantization(
            "uint8, per tensor; float32 where the recipe keeps it, and the mask"
        ),
    )


def _convert(run: Run, path: Path) -> None:
    run.step("making the ONNX graph")
    try:
        model = as_qdq(load_program(run.program), torch.full(run.image_shape, 0.5))
    except Exception as exc:  # torch raises many kinds, some of them private
        raise ExportError(
            f"torch could not turn the quantised {run.spec.name} into an ONNX graph: "
            f"{reason_of(exc)}",
            "The log says at which operation; other formats don't depend on it.",
        ) from exc
    path.write_bytes(model.SerializeToString(deterministic=True))


def as_qdq(module: Any, example: torch.Tensor) -> Any:
    """A quantised program as an onnx.ModelProto, its input ``image`` and its output ``mask``.

    Args:
        module: As `load_program` gives it; changed.
        example: What it is given.
    """
    import onnxsim

    _store_bytes(module)
    _drop_rectifiers(module)
    program = reexported(module, example)
    # Its optimiser would fold integer weights back into floats.
    model = from_program(program, optimize=False)
    model, _ = onnxsim.simplify(model)
    _Integers(model.graph).write()
    return model


def _store_bytes(module: Any) -> None:
    """Let activations be uint8 instead of int8: the same steps, counted from 0."""
    for node in roundings(module):
        values, scale, zero, lowest, highest, _ = node.args
        node.args = (values, scale, zero - lowest, 0, highest - lowest, torch.uint8)
    module.recompile()


def _drop_rectifiers(module: Any) -> None:
    """Take out each ReLU whose result is rounded to integers that start at 0.

    Rounding cuts off below its smallest integer, so it does the ReLU's work itself.
    """
    quantize = torch.ops.quantized_decomposed.quantize_per_tensor.default
    relus = {torch.ops.aten.relu.default, torch.ops.aten.relu_.default}
    for node in list(module.graph.nodes):
        if node.target not in relus or len(node.all_input_nodes[0].users) > 1:
            continue
        if all(user.target is quantize and user.args[2] == user.args[3] for user in node.users):
            node.replace_all_uses_with(node.args[0])
            module.graph.erase_node(node)
    module.recompile()


class _Integers:
    """A QDQ graph, as ONNX Runtime runs it best."""

    def __init__(self, graph: Any) -> None:
        from onnx import numpy_helper

        self.graph = graph
        self.constants = {t.name: numpy_helper.to_array(t) for t in graph.initializer}
        for node in graph.node:
            if node.op_type == "Constant" and node.attribute[0].name == "value":
                self.constants[node.output[0]] = numpy_helper.to_array(node.attribute[0].t)
        self.makers = {name: node for node in graph.node for name in node.output}
        self.resizes = 0

    def write(self) -> None:
        nodes: list[Any] = []
        for node in self.graph.node:
            if node.op_type == "Transpose":
                self._turn_weight(node)
            if node.op_type == "DequantizeLinear":
                self._own_zero(node)
            if node.op_type == "QuantizeLinear":
                self._round_resized(node)
            if node.op_type in {"Conv", "Gemm"} and len(node.input) > 2:
                nodes += self._store_bias(node)
            nodes.append(node)
        read = {name for node in nodes for name in node.input}
        read.update(value.name for value in self.graph.output)
        del self.graph.node[:]
        # Without those of weights that are stored turned now.
        self.graph.node.extend(node for node in nodes if read & set(node.output))
        self._share_constants()
        del self.graph.value_info[:]

    def _own_zero(self, node: Any) -> None:
        """A weight has a zero point of its own: ONNX Runtime's precise mode makes new ones after
        its name."""
        if node.input[0] in self.constants:
            zeros = self.constants[node.input[2]]
            node.input[2] = self._constant(f"{node.input[0]}_zero", zeros)

    def _turn_weight(self, node: Any) -> None:
        """A transposed weight is stored as it is read."""
        weight: Any = self.makers.get(node.input[0])
        if not _is_dequantizer(weight):
            return
        values = self.constants.get(weight.input[0])
        if values is None or values.ndim != 2:  # a matrix
            return
        axis = next((a for a in weight.attribute if a.name == "axis"), None)
        twin = type(node)()
        twin.CopyFrom(weight)
        twin.name = node.name
        twin.input[0] = self._constant(f"{weight.input[0]}_turned", np.ascontiguousarray(values.T))
        if axis is not None:
            next(a for a in twin.attribute if a.name == "axis").i = 1 - axis.i
        twin.output[:] = node.output
        node.CopyFrom(twin)

    def _round_resized(self, node: Any) -> None:
        """Keep ONNX Runtime from resizing integers.

        Before 2026 it resizes integers where both sides have one scale, and cuts what lies between
        two integers off instead of rounding it (microsoft/onnxruntime#21319, #28414): half a step,
        always to the same side, resize after resize; one mask in fourteen of a U²-Netp was empty.
        With a scale that differs by 6e-8 it interpolates in float and rounds. Bilinear resizing to
        twice the size gives exact halves for one value in sixteen; every other resize's scale is
        larger, the rest's smaller, so those go up and down alike.
        """
        maker = self.makers.get(node.input[0])
        if maker is None or not _interpolates(maker):
            return
        self.resizes += 1
        scale = np.float32(self.constants[node.input[1]])
        towards = np.float32(np.inf if self.resizes % 2 else 0)
        beside = np.nextafter(scale, towards, dtype=np.float32)
        node.input[1] = self._constant(f"{node.name}_scale", beside)

    def _store_bias(self, node: Any) -> list[Any]:
        """The dequantiser of a bias in int32, where input and weight are integers."""
        from onnx import helper

        source: Any = self.makers.get(node.input[0])
        weight: Any = self.makers.get(node.input[1])
        bias = self.constants.get(node.input[2])
        if bias is None or not (_is_dequantizer(source) and _is_dequantizer(weight)):
            return []
        scales = self.constants[weight.input[1]].astype(np.float64)
        steps = scales * np.float64(self.constants[source.input[1]])
        if steps.shape != bias.shape:
            return []
        limits = np.iinfo(np.int32)
        whole = np.clip(np.round(bias / steps), limits.min, limits.max)
        values = (whole.astype(np.int32), steps.astype(np.float32), np.zeros(len(steps), np.int32))
        # A bias that two convolutions share has two scales.
        names = [
            self._constant(f"{node.name}_bias_{part}", value)
            for part, value in zip(("int32", "scale", "zero"), values, strict=True)
        ]
        node.input[2] = f"{node.name}_bias_rounded"
        return [
            helper.make_node(
                "DequantizeLinear", names, [node.input[2]], f"{node.name}_bias_DQ", axis=0
            )
        ]

    def _constant(self, name: str, values: Any) -> str:
        self.constants[name] = np.asarray(values)
        return name

    def _share_constants(self) -> None:
        """Keep each activation's scale and zero point once, and only constants that are read."""
        from onnx import numpy_helper

        known: dict[bytes, str] = {}
        kept: dict[str, Any] = {}
        nodes = [node for node in self.graph.node if not self.constants.keys() & set(node.output)]
        for node in nodes:
            for place, name in enumerate(node.input):
                if name not in self.constants:
                    continue
                values = self.constants[name]
                key = name.encode()
                if values.ndim == 0:
                    key = values.dtype.str.encode() + values.tobytes()
                node.input[place] = own = known.setdefault(key, name)
                kept[own] = self.constants[own]
        del self.graph.node[:], self.graph.initializer[:]
        self.graph.node.extend(nodes)
        self.graph.initializer.extend(numpy_helper.from_array(v, k) for k, v in kept.items())


def _is_dequantizer(node: Any) -> bool:
    return node is not None and node.op_type == "DequantizeLinear"


def _interpolates(node: Any) -> bool:
    return node.op_type == "Resize" and any(
        a.name == "mode" and a.s.decode() in _INTERPOLATED for a in node.attribute
    )
