"""The cost of TFLite files, from their flatbuffer."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ...artifacts.inspect.tflite import weights
from ...artifacts.manifest import Artifact
from ...sdks.tflite import names_of, opened, operator_name
from .counting import Work
from .operation import Formula, Operation, Shape, convolution, count, product, transposed

__all__ = ["work"]

_FORMULAS: dict[str, Formula] = {
    "CONV_2D": convolution(kernel=1, channels=-1),
    "CONV_3D": convolution(kernel=1, channels=-1),
    "DEPTHWISE_CONV_2D": convolution(kernel=1, channels=-1),
    "TRANSPOSE_CONV": transposed(kernel=1, source=2, channels=-1),
    "CONV_3D_TRANSPOSE": transposed(kernel=1, source=2, channels=-1),
    "FULLY_CONNECTED": convolution(kernel=1, channels=-1),
    "BATCH_MATMUL": product,
}
# Whole layers in one operation, what runs another graph, and what the file doesn't define.
_HIDDEN = frozenset(
    (
        *("BIDIRECTIONAL_SEQUENCE_LSTM", "BIDIRECTIONAL_SEQUENCE_RNN", "LSTM", "RNN", "SVDF"),
        *("UNIDIRECTIONAL_SEQUENCE_LSTM", "UNIDIRECTIONAL_SEQUENCE_RNN"),
        *("CALL", "DELEGATE", "IF", "WHILE", "STABLEHLO_CASE", "STABLEHLO_WHILE"),
        *("STABLEHLO_COMPOSITE", "STABLEHLO_CONVOLUTION", "STABLEHLO_CUSTOM_CALL"),
        *("STABLEHLO_DOT_GENERAL", "STABLEHLO_REDUCE", "STABLEHLO_REDUCE_WINDOW"),
    )
)


def work(artifact: Artifact, path: Path) -> Work:
    """Of the first subgraph, which is the network; the others belong to control flow."""
    model = _File(path)
    operations = list(model.operations())
    custom = {operation.kind for operation in operations if operation.kind.startswith("custom ")}
    return count(operations, _FORMULAS, _HIDDEN | custom).work(model.weight_bytes())


class _File:
    """A flatbuffer, read in place."""

    def __init__(self, path: Path) -> None:
        self._schema, self._model = opened(path)
        self._graph: Any = self._model.Subgraphs(0)
        self._kinds = names_of(self._schema.BuiltinOperator)

    def operations(self) -> Iterator[Operation]:
        for index in range(self._graph.OperatorsLength()):
            operator = self._graph.Operators(index)
            code = self._model.OperatorCodes(operator.OpcodeIndex())
            kind = operator_name(code, self._kinds)
            yield Operation(
                kind,
                self._name(operator) or f"number {index}",
                [self._shape(operator.Inputs(i)) for i in range(operator.InputsLength())],
                [self._shape(operator.Outputs(i)) for i in range(operator.OutputsLength())],
                {"left_transposed": self._left_transposed(operator, kind)},
            )

    def weight_bytes(self) -> int:
        return sum(weight.bytes for weight in weights(self._schema, self._model))

    def _name(self, operator: Any) -> str:
        """Operators have none of their own; what they give has."""
        gives = operator.Outputs(0) if operator.OutputsLength() else -1
        return "" if gives < 0 else (self._graph.Tensors(gives).Name() or b"").decode()

    def _shape(self, index: int) -> Shape:
        if index < 0:  # an optional input that is left out
            return None
        tensor = self._graph.Tensors(index)
        shape: list[int | None] = [tensor.Shape(i) for i in range(tensor.ShapeLength())]
        # Sizes that may change are 1 in the shape. That is right of a batch, for one photo.
        for axis in range(1, tensor.ShapeSignatureLength()):
            if tensor.ShapeSignature(axis) < 0:
                shape[axis] = None
        return shape

    def _left_transposed(self, operator: Any, kind: str) -> bool:
        if kind != "BATCH_MATMUL" or operator.BuiltinOptions() is None:
            return False
        options = self._schema.BatchMatMulOptions()
        table = operator.BuiltinOptions()
        options.Init(table.Bytes, table.Pos)
        return bool(options.AdjX())
