"""What a file of ONNX Runtime's own format declares and holds, and the oldest release for it."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from math import prod
from pathlib import Path
from typing import Any

import numpy as np

from ...errors import RunnerError
from ..manifest import Artifact, OldestRuntime
from .contents import Contents, Stored, Value, stored
from .declared import Declared, Port

__all__ = ["OrtFile", "contents", "declared", "weights_of"]

# The first release that takes a version of the format: ONNX Runtime's docs, "ORT model format";
# of version 6 its maintainers (microsoft/onnxruntime#20670).
_RELEASES = {4: "1.8", 5: "1.13", 6: "1.16"}


def declared(_artifact: Artifact, path: Path) -> Declared:
    """Of a file, or of ``model.ort`` in a folder."""
    file = OrtFile(path)
    oldest: tuple[OldestRuntime, ...] = ()
    if file.version in _RELEASES:
        oldest = (
            OldestRuntime(
                runtime="ONNX Runtime",
                version=_RELEASES[file.version],
                because=f"version {file.version} of the format",
            ),
        )
    return Declared(
        inputs=file.ports("Inputs"),
        outputs=file.ports("Outputs"),
        operators=tuple(sorted(file.operators)),
        properties={"ort_format_version": file.version},
        oldest_runtimes=oldest,
    )


def contents(path: Path) -> Contents:
    """Of the outermost graph."""
    file = OrtFile(path)
    fixed = set(file.weights)
    activations = []
    for node in file.nodes:
        takes = [node.Inputs(i).decode() for i in range(node.InputsLength())]
        gives = [node.Outputs(i).decode() for i in range(node.OutputsLength())]
        if all(name in fixed for name in takes if name):  # made of constants
            fixed.update(gives)
            continue
        activations += [_value(file.values[name]) for name in gives if name in file.values]
    return Contents(tuple(weights_of(file)), tuple(activations))


def weights_of(file: OrtFile) -> Iterator[Stored]:
    """The constants but shapes and axes, which are int64."""
    for name, port in file.weights.items():
        if port.dtype != "int64":
            yield stored(name, str(port.dtype), tuple(size or 0 for size in port.shape or ()))


def _value(port: Port) -> Value:
    known = port.shape is not None and None not in port.shape
    sizes = (size or 0 for size in port.shape or ())
    return Value(str(port.dtype), prod(sizes) if known else None)


class OrtFile:
    """A file, by the bindings that ONNX Runtime's wheel has.

    Attributes:
        version: Of the format.
        needed: The kinds of operators by their domain and the version since which it has them so,
            sorted.

    Args:
        path: The ``.ort`` file, or the folder of a bundle that has it as ``model.ort``.

    Raises:
        RunnerError: It is none.
    """

    def __init__(self, path: Path) -> None:
        # Its import makes the bindings importable.
        import onnxruntime.tools.ort_format_model as tools

        path = path if path.is_file() else path / "model.ort"
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

    @cached_property
    def weights(self) -> dict[str, Port]:
        """The constants by their names."""
        tensors = [self.graph.Initializers(i) for i in range(self.graph.InitializersLength())]
        return {
            tensor.Name().decode(): Port(
                tensor.Name().decode(),
                tuple(int(tensor.Dims(axis)) for axis in range(tensor.DimsLength())),
                _dtype(tensor.DataType()),
            )
            for tensor in tensors
        }

    @property
    def nodes(self) -> Iterator[Any]:
        """The operations, by the bindings of their table."""
        return (self.graph.Nodes(i) for i in range(self.graph.NodesLength()))

    def ports(self, side: str) -> tuple[Port, ...]:
        """``Inputs`` or ``Outputs`` of the graph, without what has a value in the file."""
        names = [
            getattr(self.graph, side)(i).decode()
            for i in range(getattr(self.graph, f"{side}Length")())
        ]
        return tuple(self.values[name] for name in names if name not in self.weights)

    @cached_property
    def values(self) -> dict[str, Port]:
        """All values by their names; without size and type, where the file says none."""
        args = [self.graph.NodeArgs(i) for i in range(self.graph.NodeArgsLength())]
        return {arg.Name().decode(): self._port(arg.Name().decode(), arg.Type()) for arg in args}

    def _port(self, name: str, kind: Any) -> Port:
        if kind is None or kind.Value() is None:
            return Port(name)
        tensor = self._bindings.TensorTypeAndShape.TensorTypeAndShape()
        tensor.Init(kind.Value().Bytes, kind.Value().Pos)
        dtype, dims = _dtype(tensor.ElemType()), tensor.Shape()
        if dims is None:
            return Port(name, None, dtype)
        sizes = [dims.Dim(i).Value() for i in range(dims.DimLength())]
        known = self._bindings.DimensionValueType.DimensionValueType.VALUE
        shape = tuple(int(d.DimValue()) if d.DimType() == known else None for d in sizes)
        return Port(name, shape, dtype)


def _dtype(number: int) -> str:
    """NumPy's name of a type; the format's numbers are ONNX's."""
    import onnx

    return str(np.dtype(onnx.helper.tensor_dtype_to_np_dtype(number)).name)
