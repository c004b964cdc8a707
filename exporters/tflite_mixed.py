"""Parts of an integer TFLite file in float, where a recipe says so.

The integer file is there; the operations of the parts that stay in float are given their float
weights, a DEQUANTIZE stands before what they read from integer parts,
and a QUANTIZE, with the recipe's scale, before integer parts that read what they give. Runtimes
pick their kernels by the types of the tensors, so nothing else changes.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..errors import ExportError
from ..quantization.encodings import QuantizedNetwork, QuantizedTensor
from .tflite_graph import Flatbuffer
from .tflite_numbers import from_torch

__all__ = ["leave_in_float"]

# What only arranges values: in float where what it arranges is. Paddings are zeros of either kind.
_ARRANGING = ("PAD", "RESHAPE", "TRANSPOSE")


def leave_in_float(graph: Flatbuffer, network: QuantizedNetwork) -> int:
    """Turn the operations of a recipe's float modules into float ones, in place.

    Args:
        graph: An integer file with `tflite_numbers.insert_numbers` done.
        network: Whose recipe it is.

    Returns:
        How many operations are in float now.

    Raises:
        ExportError: One of them reads a constant that has no float twin.
    """
    return _Floats(graph, network).write()


class _Floats:
    """The operations of a file, as they are gone through."""

    def __init__(self, graph: Flatbuffer, network: QuantizedNetwork) -> None:
        self.graph, self.network = graph, network
        self.tensors = {index: network.tensors[name] for name, index in graph.names.items()}
        # The float twin of each activation that has one, by the integer tensor's index.
        self.twins: dict[int, int] = {}
        # Of these, those whose integer tensor is not made by any operation (yet).
        self.made_in_float: set[int] = set()
        self.operators: list[Any] = []

    def write(self) -> int:
        count = 0
        for operator in list(self.graph.subgraph.operators):
            if self._is_float(operator):
                count += 1
                self._turn(operator)
            else:
                for index in map(int, operator.inputs):
                    if index in self.made_in_float:
                        self._round(index)
            self.operators.append(operator)
        self.graph.subgraph.operators = self.operators
        return count

    def _is_float(self, operator: Any) -> bool:
        tensor = self.tensors.get(int(operator.outputs[0]))
        if tensor is not None:
            return tensor.in_float
        kind = self.graph.name_of(operator)
        return kind in _ARRANGING and int(operator.inputs[0]) in self.made_in_float

    def _turn(self, operator: Any) -> None:
        tensor = self.tensors.get(int(operator.outputs[0]))
        inputs = [int(i) for i in operator.inputs]
        for slot, index in enumerate(inputs):
            if index < 0:
                continue
            data = self.graph.model.buffers[self.graph.tensor(index).buffer].data
            if data is not None and len(data):
                inputs[slot] = self._constant(operator, slot, index, tensor)
            else:
                inputs[slot] = self._twin(index)
        operator.inputs = np.array(inputs, np.int32)
        results = [int(i) for i in operator.outputs]
        for index in results:
            source = self.graph.tensor(index)
            self.twins[index] = self.graph.add_float(source.name + b"/float", source.shape)
            self.made_in_float.add(index)
        operator.outputs = np.array([self.twins[index] for index in results], np.int32)

    def _twin(self, index: int) -> int:
        """The float tensor of an activation, dequantised where integers are what there is."""
        if index not in self.twins:
            source = self.graph.tensor(index)
            twin = self.graph.add_float(source.name + b"/float", source.shape)
            self.operators.append(self.graph.new_operator("DEQUANTIZE", 2, index, twin))
            self.twins[index] = twin
        return self.twins[index]

    def _round(self, index: int) -> None:
        """Make an activation's integers from its float twin."""
        tensor = self.tensors.get(index)
        if tensor is not None and tensor.encoding is None:
            raise ExportError(
                f"{tensor.name} of {tensor.module} is read in integers, which the recipe has not.",
                "Leave another part in float: `maskport sensitivity` lists them.",
            )
        twin = self.twins[index]
        # The kernel that gives int16 came with version 2.
        self.operators.append(self.graph.new_operator("QUANTIZE", 2, twin, index))
        self.made_in_float.discard(index)

    def _constant(
        self, operator: Any, slot: int, index: int, tensor: QuantizedTensor | None
    ) -> int:
        """A constant that an operation reads, in float where it is not a shape or a padding."""
        kinds, old = self.graph.schema.TensorType, self.graph.tensor(index)
        if old.quantization is None or old.quantization.scale is None:
            if old.type in {kinds.INT32, kinds.INT64}:
                return index
            raise self._lost(old)
        if tensor is None or not tensor.weight:
            raise self._lost(old)
        name, weights = old.name + b"/float", self.network.weights
        if old.type == kinds.INT8:
            kind = self.graph.name_of(operator)
            values = from_torch(weights[tensor.weight].numpy(), kind, old.shape)
            return self.graph.add_float_constant(name, old.shape, values)
        if old.type == kinds.INT32:
            bias = weights[tensor.bias].numpy() if tensor.bias else np.zeros(old.shape)
            return self.graph.add_float_constant(name, old.shape, bias)
        raise self._lost(old)

    def _lost(self, tensor: Any) -> ExportError:
        return ExportError(
            f"{tensor.name.decode()} has no values in float.",
            "Leave another part in float: `maskport sensitivity` lists them.",
        )
