"""The cost of files of ONNX Runtime's own format, by the shapes that they hold."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ...artifacts.inspect.ort import OrtFile, weights_of
from ...artifacts.manifest import Artifact
from .counting import Work
from .onnx import FORMULAS, HIDDEN, OWN_DOMAINS
from .operation import Formula, Operation, Shape, convolution, count, product

__all__ = ["work"]

# Operations that ONNX Runtime merges others into: ours, and one that follows.
_MERGED: dict[str, Formula] = {
    "com.microsoft:FusedConv": convolution(kernel=1, channels=1),
    "com.microsoft:FusedGemm": product,
    "com.microsoft:FusedMatMul": product,
}
_WITHOUT_PRODUCT = ("com.microsoft:Gelu", "com.microsoft:BiasGelu", "com.microsoft:QuickGelu")


def work(_artifact: Artifact, path: Path) -> Work:
    """Of a file, or of ``model.ort`` in a folder."""
    file = OrtFile(path)
    operations = list(_operations(file))
    formulas = FORMULAS | _MERGED
    foreign = {operation.kind for operation in operations if ":" in operation.kind}
    hidden = HIDDEN | foreign.difference(_MERGED, _WITHOUT_PRODUCT)
    weights = sum(weight.bytes for weight in weights_of(file))
    return count(operations, formulas, hidden).work(weights)


def _operations(file: OrtFile) -> Iterator[Operation]:
    known = file.values | file.weights
    shapes: dict[str, Shape] = {name: port.shape for name, port in known.items()}
    for node in file.nodes:
        domain, kind = node.Domain().decode(), node.OpType().decode()
        yield Operation(
            kind if domain in OWN_DOMAINS else f"{domain}:{kind}",
            node.Name().decode(),
            [shapes.get(node.Inputs(i).decode()) for i in range(node.InputsLength())],
            [shapes.get(node.Outputs(i).decode()) for i in range(node.OutputsLength())],
            _settings(node),
        )


def _settings(node: Any) -> dict[str, Any]:
    attributes = {
        node.Attributes(i).Name().decode(): node.Attributes(i)
        for i in range(node.AttributesLength())
    }
    settings: dict[str, Any] = {}
    if "equation" in attributes:
        settings["equation"] = attributes["equation"].S().decode()
    if "transA" in attributes:
        settings["left_transposed"] = bool(attributes["transA"].I())
    return settings
