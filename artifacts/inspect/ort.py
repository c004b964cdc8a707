"""What a file of ONNX Runtime's own format declares, and the oldest release that takes it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from ...errors import RunnerError
from ..manifest import Artifact, OldestRuntime
from .declared import Declared, Port

__all__ = ["OrtFile", "declared"]

# The first release that takes a version of the format: ONNX Runtime's docs, "ORT model format";
# of version 6 its maintainers (microsoft/onnxruntime#20670).
_RELEASES = {4: "1.8", 5: "1.13", 6: "1.16"}


def declared(_artifact: Artifact, path: Path) -> Declared:
    """Of ``model.ort`` in the folder."""
    file = OrtFile(path / "model.ort")
    oldest = None
    if file.version in _RELEASES:
        oldest = OldestRuntime(
            runtime="ONNX Runtime",
            version=_RELEASES[file.version],
            because=f"version {file.version} of the format",
        )
    return Declared(
        inputs=file.ports("Inputs"),
        outputs=file.ports("Outputs"),
        operators=tuple(sorted(file.operators)),
        properties={"ort_format_version": file.version},
        oldest_runtime=oldest,
    )


class OrtFile:
    """A file, by the bindings that ONNX Runtime's wheel has.

    Attributes:
        version: Of the format.
        needed: The kinds of operators by their domain and the version since which it has them so,
            sorted.

    Args:
        path: The ``.ort`` file.

    Raises:
        RunnerError: It is none.
    """

    def __init__(self, path: Path) -> None:
        # Its import makes the bindings importable.
        import onnxruntime.tools.ort_format_model as tools

        self._bindings: Any = tools.ort_model_processor.fbs
        session = self._bindings.InferenceSession.InferenceSession
        data = bytearray(path.read_bytes())
        if not session.InferenceSessionBufferHasIdentifier(data, 0):
            raise RunnerError(f"{path} is no file of ONNX Runtime's format.", "Export it again.")
        root = session.GetRootAs(data, 0)
        self.version = int(root.OrtVersion())
        self.graph: Any = root.Model().Graph()
        needed: dict[Any, dict[Any, set[str]]] = {}
        tools.OrtFormatModelProcessor(str(path), needed, None).process()
        self.needed = [
            ((domain, int(version)), kinds)
            for domain, versions in sorted(needed.items())
            for version, kinds in sorted(versions.items())
        ]

    @property
    def operators(self) -> set[str]:
        """The kinds of operators; those that ONNX doesn't define with their domain."""
        return {
            kind if domain == "ai.onnx" else f"{domain}:{kind}"
            for (domain, _), kinds in self.needed
            for kind in kinds
        }

    def ports(self, side: str) -> tuple[Port, ...]:
        """``Inputs`` or ``Outputs`` of the graph, without what has a value in the file."""
        graph = self.graph
        values = [graph.NodeArgs(i) for i in range(graph.NodeArgsLength())]
        types = {value.Name(): value.Type() for value in values}
        constants = {graph.Initializers(i).Name() for i in range(graph.InitializersLength())}
        length = getattr(graph, f"{side}Length")()
        names = [getattr(graph, side)(i) for i in range(length)]
        return tuple(self._port(name, types[name]) for name in names if name not in constants)

    def _port(self, name: bytes, kind: Any) -> Port:
        import onnx

        tensor = self._bindings.TensorTypeAndShape.TensorTypeAndShape()
        tensor.Init(kind.Value().Bytes, kind.Value().Pos)
        # Its numbers of types are ONNX's.
        dtype = np.dtype(onnx.helper.tensor_dtype_to_np_dtype(tensor.ElemType())).name
        dims = tensor.Shape()
        if dims is None:
            return Port(name.decode(), None, dtype)
        sizes = [dims.Dim(i).Value() for i in range(dims.DimLength())]
        known = self._bindings.DimensionValueType.DimensionValueType.VALUE
        shape = tuple(int(d.DimValue()) if d.DimType() == known else None for d in sizes)
        return Port(name.decode(), shape, dtype)
