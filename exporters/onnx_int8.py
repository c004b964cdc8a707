"""ONNX in INT8: integers written as pairs of QuantizeLinear and DequantizeLinear (QDQ).

The pairs say where values are rounded and leave the graph's operations as they are; a runtime
that knows better merges them into integer operations (ONNX Runtime, "Quantize ONNX models",
section on the QDQ format). Weights are int8 with one scale for each output channel, biases
int32, activations uint8 with the scales of our calibration, input and mask float32. (On x86 ONNX
Runtime turns int8 activations into uint8 itself, but not those that are read by several: the
mixture keeps half of the convolutions in float.)

Scales and zero points are the quantiser's own, so concatenations, pools and resizes find the
same scale on both sides, and ONNX Runtime moves their bytes as they are.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import ExportError
from ..quantization.encodings import Encoding, QuantizedNetwork, QuantizedTensor
from .onnx import finish, simplified
from .onnx_tensors import recognise
from .run import Exported, Run
from .stored_integers import stored_encodings, stored_weights

__all__ = ["export_int8", "quantise"]

_WEIGHTED = frozenset({"Conv", "ConvTranspose", "MatMul", "Gemm"})
_INTERPOLATED = frozenset({"linear", "cubic"})


def export_int8(run: Run, path: Path) -> Exported:
    """Write the int8 file."""
    import onnx

    model = onnx.load(str(simplified(run)))
    run.step("recognising tensors")
    quantise(model, run.quantized)
    exported = finish(model, run, path)
    return Exported(
        exported.inputs,
        exported.outputs,
        quantization=run.quantization(
            "uint8, per tensor; float32 where the recipe keeps it, and the mask"
        ),
        properties=exported.properties,
    )


def quantise(model: Any, network: QuantizedNetwork) -> None:
    """Turn a float32 model into QDQ in place.

    Args:
        model: An onnx.ModelProto made from the rewritten view, simplified.
        network: Where and how its values are rounded.

    Raises:
        ExportError: A tensor or a weight that is to be rounded is not in the graph, or is to
            have another width than 8 bits.
    """
    _Writer(model.graph, network, recognise(model, network)).write()


class _Writer:
    """Puts the pairs into a graph."""

    def __init__(
        self, graph: Any, network: QuantizedNetwork, tensors: dict[str, QuantizedTensor]
    ) -> None:
        from onnx import numpy_helper

        self.graph, self.network, self.tensors = graph, network, tensors
        self.float_weights: dict[str, NDArray[Any]] = {
            t.name: numpy_helper.to_array(t) for t in graph.initializer
        }
        self.weights = _Weights(network)
        self.stored: dict[str, Any] = {}
        self.outputs = {value.name for value in graph.output}
        self.resizes = 0

    def write(self) -> None:
        encodings = stored_encodings(self.network)
        rounded = {
            name: encodings[tensor.name]
            for name, tensor in self.tensors.items()
            if tensor.name in encodings
        }
        self._drop_rectifiers(rounded)
        read_as: dict[str, str] = {}
        nodes: list[Any] = []
        for value in self.graph.input:
            if value.name in rounded:
                nodes += self._pair(value.name, value.name, None, rounded[value.name], read_as)
        for node in self.graph.node:
            nodes += self._weights_of(node, rounded)
            node.input[:] = [read_as.get(name, name) for name in node.input]
            names = [name for name in node.output if name in rounded]
            made = [self._made_as(name, node, read_as) for name in names]
            nodes.append(node)
            for name, own in zip(names, made, strict=True):
                nodes += self._pair(name, own, node, rounded[name], read_as)
        del self.graph.node[:]
        self.graph.node.extend(nodes)
        self._keep_used_constants()
        del self.graph.value_info[:]

    def _made_as(self, name: str, node: Any, read_as: dict[str, str]) -> str:
        """What a node calls its result: a graph's output is the pair's, not the node's."""
        if name not in self.outputs:
            return name
        own = f"{name}_exact"
        node.output[:] = [own if other == name else other for other in node.output]
        read_as[name] = name
        return own

    def _pair(
        self, name: str, own: str, maker: Any, encoding: Encoding, read_as: dict[str, str]
    ) -> Iterator[Any]:
        """The two nodes that round ``own``; from here on ``name`` is read rounded.

        ONNX Runtime before 2026 resizes integers where both sides have one scale, and cuts what
        lies between two integers off instead of rounding it (microsoft/onnxruntime#21319, #28414):
        half a step, always to the same side, resize after resize; one mask in fourteen of a U²-Netp
        was empty. With a scale that differs by 6e-8 it interpolates in float and rounds. Bilinear
        resizing to twice the size gives exact halves for one value in sixteen; every other resize's
        scale is larger, the rest's smaller, so those go up and down alike.
        """
        from onnx import helper

        scale, zero = self._constants(encoding)
        beside = scale
        if maker is not None and _interpolates(maker):
            self.resizes += 1
            towards = np.float32(np.inf if self.resizes % 2 else 0)
            neighbour = float(np.nextafter(np.float32(encoding.scale), towards))
            beside, _ = self._constants(Encoding(neighbour, encoding.zero_point))
        integers = f"{name}_uint8"
        rounded = name if name in self.outputs else f"{name}_rounded"
        yield helper.make_node("QuantizeLinear", [own, beside, zero], [integers], f"{name}_Q")
        yield helper.make_node("DequantizeLinear", [integers, scale, zero], [rounded], f"{name}_DQ")
        read_as[name] = rounded

    def _weights_of(self, node: Any, rounded: dict[str, Encoding]) -> Iterator[Any]:
        """The dequantisers of a node's weight and bias; the node then reads those."""
        from onnx import helper

        if node.op_type not in _WEIGHTED or node.input[1] not in self.float_weights:
            return
        name = node.input[1]
        found = self.weights.find(self.float_weights[name])
        if found is None:
            # All that the recipe leaves in float is known; anything else would pass unnoticed.
            if self.weights.is_float(self.float_weights[name]):
                return
            raise ExportError(
                f"The weight of {node.name} is none of the quantised network's.",
                "Report it with the network; targets that are not INT8 don't need it.",
            )
        integers, scales, axis = found
        names = [f"{name}_int8", f"{name}_scale", f"{name}_zero"]
        values = [integers, scales, np.zeros(len(scales), np.int8)]
        self._store(names, values)
        node.input[1] = f"{name}_rounded"
        yield helper.make_node("DequantizeLinear", names, [node.input[1]], f"{name}_DQ", axis=axis)
        source = rounded.get(node.input[0])
        if len(node.input) < 3 or source is None or node.op_type == "ConvTranspose":
            return
        bias = node.input[2]
        steps = scales.astype(np.float64) * np.float64(np.float32(source.scale))
        limits = np.iinfo(np.int32)
        whole = np.clip(np.round(self.float_weights[bias] / steps), limits.min, limits.max)
        # A bias that two convolutions share has two scales.
        names = [f"{node.name}_bias_{part}" for part in ("int32", "scale", "zero")]
        values = [whole.astype(np.int32), steps.astype(np.float32), np.zeros(len(steps), np.int32)]
        self._store(names, values)
        node.input[2] = f"{node.name}_bias_rounded"
        yield helper.make_node(
            "DequantizeLinear", names, [node.input[2]], f"{node.name}_bias_DQ", axis=0
        )

    def _drop_rectifiers(self, rounded: dict[str, Encoding]) -> None:
        """Take out each ReLU whose result is rounded to integers that start at 0.

        Rounding cuts off below its smallest integer, so it does the ReLU's work itself.
        """
        kept = []
        readers: dict[str, int] = {}
        for node in self.graph.node:
            for name in node.input:
                readers[name] = readers.get(name, 0) + 1
        makers = {name: node for node in self.graph.node for name in node.output}
        for node in self.graph.node:
            encoding = rounded.get(node.output[0]) if node.op_type == "Relu" else None
            source = node.input[0] if node.input else ""
            if (
                encoding is not None
                and encoding.zero_point == encoding.lowest
                and source in makers
                and source not in rounded
                and readers[source] == 1
                and source not in self.outputs
            ):
                maker = makers[source]
                maker.output[:] = [node.output[0] if n == source else n for n in maker.output]
                continue
            kept.append(node)
        del self.graph.node[:]
        self.graph.node.extend(kept)

    def _constants(self, encoding: Encoding) -> tuple[str, str]:
        """Names of a scale and a zero point; tensors of one group share them."""
        key = f"{np.float32(encoding.scale).view(np.int32):08x}_{encoding.zero_point}"
        names = [f"scale_{key}", f"zero_{key}"]
        zero = np.uint8(encoding.zero_point - encoding.lowest)
        self._store(names, [np.float32(encoding.scale), zero])
        return names[0], names[1]

    def _store(self, names: list[str], values: list[Any]) -> None:
        from onnx import numpy_helper

        for name, value in zip(names, values, strict=True):
            self.stored[name] = numpy_helper.from_array(np.asarray(value), name)

    def _keep_used_constants(self) -> None:
        used = {name for node in self.graph.node for name in node.input}
        constants = [t for t in self.graph.initializer if t.name in used]
        constants += [t for name, t in self.stored.items() if name in used]
        del self.graph.initializer[:]
        self.graph.initializer.extend(constants)


class _Weights:
    """The quantised network's weights, found by their values."""

    def __init__(self, network: QuantizedNetwork) -> None:
        self.stored = stored_weights(network)
        self.quantised: dict[bytes, tuple[str, bool]] = {}
        self.floats: set[bytes] = set()
        for path, weight in network.weights.items():
            values: NDArray[Any] = weight.detach().cpu().numpy()
            if path not in network.weight_scales:
                self.floats.update({_key(values), _key(values.T)})
                continue
            if values.ndim == 2:  # a matrix product may hold it transposed
                self.quantised.setdefault(_key(values.T), (path, True))
            self.quantised[_key(values)] = (path, False)

    def find(
        self, values: NDArray[Any]
    ) -> tuple[NDArray[np.int8], NDArray[np.float32], int] | None:
        """Integers, scales and the axis of the scales of a weight as the graph holds it."""
        path, transposed = self.quantised.get(_key(values), ("", False))
        if not path:
            return None
        integers, scales, outputs = self.stored[path]
        return (integers.T, scales, 1 - outputs) if transposed else (integers, scales, outputs)

    def is_float(self, values: NDArray[Any]) -> bool:
        """Whether it is a weight that stays in float."""
        return _key(values) in self.floats


def _key(values: NDArray[Any]) -> bytes:
    return repr(values.shape).encode() + np.ascontiguousarray(values, np.float32).tobytes()


def _interpolates(node: Any) -> bool:
    return node.op_type == "Resize" and any(
        a.name == "mode" and a.s.decode() in _INTERPOLATED for a in node.attribute
    )
