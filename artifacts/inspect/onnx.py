"""What an ONNX file declares, and the oldest ONNX Runtime that takes it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from ..manifest import Artifact, OldestRuntime
from .declared import Declared, Port

__all__ = ["declared"]

# Releases of ONNX Runtime, and the highest IR version and opset that each takes: seen by loading
# a file of every version in each minor release from 1.7, the oldest that could be had.
_RELEASES = (
    ("1.7", 7, 13),
    ("1.8", 7, 14),
    ("1.9", 8, 15),
    ("1.11", 8, 16),
    ("1.12", 8, 17),
    ("1.14", 8, 18),
    ("1.15", 9, 18),
    ("1.16", 9, 19),
    ("1.17", 9, 20),
    ("1.18", 10, 21),
    ("1.21", 10, 22),
    ("1.23", 11, 23),
    ("1.24", 13, 25),
    ("1.25", 13, 26),
)
_OWN_DOMAINS = ("", "ai.onnx")


def declared(_artifact: Artifact, path: Path) -> Declared:
    """Of the graph's inputs that have no value in the file, and its outputs."""
    import onnx

    model = onnx.load(str(path), load_external_data=False)
    graph = model.graph
    constants = {tensor.name for tensor in graph.initializer}
    opsets = {entry.domain: int(entry.version) for entry in model.opset_import}
    opset = max(opsets.get(domain, 0) for domain in _OWN_DOMAINS)
    return Declared(
        inputs=tuple(_port(value) for value in graph.input if value.name not in constants),
        outputs=tuple(_port(value) for value in graph.output),
        operators=tuple(sorted({_kind(node) for node in graph.node})),
        properties={"ir_version": int(model.ir_version), "opset": opset},
        oldest_runtime=_oldest(int(model.ir_version), opset, opsets),
    )


def _port(value: Any) -> Port:
    import onnx

    tensor = value.type.tensor_type
    kind = onnx.helper.tensor_dtype_to_np_dtype(tensor.elem_type)
    shape = None
    if tensor.HasField("shape"):
        shape = tuple(d.dim_value if d.HasField("dim_value") else None for d in tensor.shape.dim)
    return Port(value.name, shape, np.dtype(kind).name)


def _kind(node: Any) -> str:
    return str(node.op_type if node.domain in _OWN_DOMAINS else f"{node.domain}:{node.op_type}")


def _oldest(ir_version: int, opset: int, opsets: dict[str, int]) -> OldestRuntime | None:
    """None where the file is newer than every release that was tried, or has other domains."""
    if opsets.keys() - set(_OWN_DOMAINS):
        return None
    for release, highest_ir, highest_opset in _RELEASES:
        if ir_version <= highest_ir and opset <= highest_opset:
            because = f"IR version {ir_version}, opset {opset}"
            return OldestRuntime(runtime="ONNX Runtime", version=release, because=because)
    return None
