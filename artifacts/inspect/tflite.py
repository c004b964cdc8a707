"""What a TFLite file declares, and the oldest runtime that has its operators."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from ...sdks.tflite import names_of, opened, operator_name
from ..manifest import Artifact, TensorQuantization
from ..metadata.tflite import METADATA_NAME, read_metadata
from .declared import Declared, Port
from .tflite_releases import Use, oldest

__all__ = ["declared"]

# Names that a signature gives, and indices of tensors.
Ends = list[tuple[str | None, int]]


def declared(_artifact: Artifact, path: Path) -> Declared:
    """Of the file's signature where it has one, else of its first subgraph.

    ``min_runtime_version`` in the file's metadata is not read: the converter writes it before the
    file is finished, by operator versions alone.
    """
    schema, model = opened(path)
    graph = model.Subgraphs(0)
    types = names_of(schema.TensorType)
    uses = list(_uses(schema, model))
    properties: dict[str, Any] = {}
    if embedded := _embedded(model):
        properties["metadata"] = embedded
    inputs: Ends = [(None, graph.Inputs(i)) for i in range(graph.InputsLength())]
    outputs: Ends = [(None, graph.Outputs(i)) for i in range(graph.OutputsLength())]
    if model.SignatureDefsLength():
        signature = model.SignatureDefs(0)
        properties["signature"] = signature.SignatureKey().decode()
        inputs = _named(map(signature.Inputs, range(signature.InputsLength())))
        outputs = _named(map(signature.Outputs, range(signature.OutputsLength())))
    return Declared(
        inputs=tuple(_port(name, graph.Tensors(index), types) for name, index in inputs),
        outputs=tuple(_port(name, graph.Tensors(index), types) for name, index in outputs),
        operators=tuple(sorted({use.operator for use in uses})),
        properties=properties,
        oldest_runtime=oldest(uses),
    )


def _embedded(model: Any) -> dict[str, Any]:
    """What the manifest says of TFLite's metadata: what reads it, and what is packed with it."""
    for entry in map(model.Metadata, range(model.MetadataLength())):
        if entry.Name() == METADATA_NAME.encode():
            data = model.Buffers(entry.Buffer()).DataAsNumpy().tobytes()
            found = read_metadata(data)
            tensors = [t for g in found.get("subgraph_metadata", ()) for t in _tensors_of(g)]
            files = [f["name"] for t in tensors for f in t.get("associated_files", ())]
            return {"min_parser_version": found.get("min_parser_version", ""), "files": files}
    return {}


def _tensors_of(graph: dict[str, Any]) -> list[dict[str, Any]]:
    ends = ("input_tensor_metadata", "output_tensor_metadata")
    return [tensor for end in ends for tensor in graph.get(end, ())]


def _uses(schema: Any, model: Any) -> Iterator[Use]:
    """Of all subgraphs."""
    kinds, types = names_of(schema.BuiltinOperator), names_of(schema.TensorType)
    for number in range(model.SubgraphsLength()):
        graph = model.Subgraphs(number)
        for index in range(graph.OperatorsLength()):
            operator = graph.Operators(index)
            code = model.OperatorCodes(operator.OpcodeIndex())
            takes = map(operator.Inputs, range(operator.InputsLength()))
            gives = map(operator.Outputs, range(operator.OutputsLength()))
            yield Use(
                operator_name(code, kinds),
                max(code.Version(), 1),
                tuple(_type(graph, index, types) for index in takes),
                tuple(_type(graph, index, types) for index in gives),
            )


def _type(graph: Any, index: int, types: dict[int, str]) -> str:
    return "" if index < 0 else types[graph.Tensors(index).Type()].lower()


def _named(entries: Iterable[Any]) -> Ends:
    return [(entry.Name().decode(), entry.TensorIndex()) for entry in entries]


def _port(name: str | None, tensor: Any, types: dict[int, str]) -> Port:
    sizes: list[int | None] = [tensor.Shape(i) for i in range(tensor.ShapeLength())]
    for axis in range(tensor.ShapeSignatureLength()):
        if tensor.ShapeSignature(axis) < 0:
            sizes[axis] = None
    return Port(
        name or tensor.Name().decode(),
        tuple(sizes),
        types[tensor.Type()].lower(),
        quantization=_quantization(tensor.Quantization()),
    )


def _quantization(found: Any) -> TensorQuantization | None:
    if found is None or not found.ScaleLength():
        return None
    zero = found.ZeroPoint(0) if found.ZeroPointLength() else 0
    return TensorQuantization(scale=float(found.Scale(0)), zero_point=int(zero))
