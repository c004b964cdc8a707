"""The cost of OpenVINO's files, from their XML."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from ...artifacts.inspect.openvino import NO_WORK, Node, read, weights
from ...artifacts.manifest import Artifact
from .counting import Work
from .operation import Formula, Operation, convolution, count, einsum, product, transposed

__all__ = ["work"]


def work(_artifact: Artifact, path: Path) -> Work:
    """Of the outermost graph. Weights are in the file beside the XML, which is not opened."""
    found = read(path)
    counted = count(_operations(found), _FORMULAS, _HIDDEN)
    return counted.work(sum(weight.bytes for weight in weights(found)))


def _operations(found: list[Node]) -> Iterator[Operation]:
    for node in found:
        if node.kind not in NO_WORK:
            yield Operation(
                node.kind,
                node.name,
                [shape for _, shape in node.inputs],
                [shape for _, shape in node.outputs],
                {
                    "equation": node.data.get("equation", ""),
                    "left_transposed": node.data.get("transpose_a") == "true",
                },
            )


_FORMULAS: dict[str, Formula] = {
    "Convolution": convolution(kernel=1, channels=1),
    "GroupConvolution": convolution(kernel=1, channels=1),
    "BinaryConvolution": convolution(kernel=1, channels=1),
    "DeformableConvolution": convolution(kernel=2, channels=1),
    "ConvolutionBackpropData": transposed(kernel=1, source=0, channels=1),
    "GroupConvolutionBackpropData": transposed(kernel=1, source=0, channels=1),
    "MatMul": product,
    "Einsum": einsum,
}
# Whole layers in one operation, and what runs another graph some number of times.
_HIDDEN = frozenset(
    (
        *("GRUCell", "GRUSequence", "If", "LSTMCell", "LSTMSequence", "Loop", "RNNCell"),
        *("RNNSequence", "ScaledDotProductAttention", "TensorIterator"),
    )
)
