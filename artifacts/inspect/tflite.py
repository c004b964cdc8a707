"""What a TFLite file declares and holds, and the oldest runtime that has its operators."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from math import prod
from pathlib import Path
from typing import Any

from ...sdks.tflite import names_of, opened, operator_name
from ..manifest import Artifact, TensorQuantization
from ..metadata.tflite import METADATA_NAME, read_metadata
from .contents import Contents, Stored, Value, stored
from .declared import Declared, Port
from .tflite_releases import Use, oldest

__all__ = ["contents", "declared", "weights"]

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
        oldest_runtimes=oldest(uses),
    )


def contents(path: Path) -> Contents:
    """Of all subgraphs. Scales and zero points belong to their tensor's description."""
    schema, model = opened(path)
    metadata = {"version": str(model.Version())}
    if model.Description():
        metadata["description"] = model.Description().decode()
    for number in range(model.MetadataLength()):
        entry = model.Metadata(number)
        name, content = entry.Name().decode(), bytes(_data(model.Buffers(entry.Buffer())))
        if name == METADATA_NAME:
            for key, value in read_metadata(content).items():
                plain = isinstance(value, str)
                metadata[f"{name}.{key}"] = value if plain else json.dumps(value, default=repr)
        else:
            metadata[name] = _text(content)
    return Contents(tuple(weights(schema, model)), tuple(_activations(schema, model)), metadata)


def weights(schema: Any, model: Any) -> Iterator[Stored]:
    """What lies in buffers that tensors use; metadata lies in buffers, too.

    Args:
        schema: The schema's module.
        model: The root table.
    """
    types, seen = names_of(schema.TensorType), set[int]()
    for tensor in _tensors(model):
        quantization = tensor.Quantization()
        scaled = quantization is not None and quantization.ScaleLength() > 0
        kind, buffer = types[tensor.Type()], tensor.Buffer()
        # Wide integers are biases where they have a scale, else shapes and axes.
        if buffer in seen or not (scaled or kind not in _SETTINGS):
            continue
        seen.add(buffer)
        if size := _size(model.Buffers(buffer)):
            yield stored(tensor.Name().decode(), kind.lower(), _sizes(tensor), size)


_SETTINGS = frozenset(("BOOL", "INT32", "INT64", "STRING", "UINT32", "UINT64"))


def _activations(schema: Any, model: Any) -> Iterator[Value]:
    """What operations give, but for what they make of constants alone."""
    types = names_of(schema.TensorType)
    for number in range(model.SubgraphsLength()):
        graph = model.Subgraphs(number)
        tensors = [graph.Tensors(index) for index in range(graph.TensorsLength())]
        fixed = {i for i, tensor in enumerate(tensors) if _size(model.Buffers(tensor.Buffer()))}
        for index in range(graph.OperatorsLength()):
            operator = graph.Operators(index)
            takes = {operator.Inputs(i) for i in range(operator.InputsLength())} - {-1}
            gives = [operator.Outputs(i) for i in range(operator.OutputsLength())]
            if takes <= fixed:
                fixed.update(gives)
                continue
            for tensor in map(tensors.__getitem__, gives):
                sizes = _open_sizes(tensor)
                values = None if None in sizes else prod(size or 0 for size in sizes)
                yield Value(types[tensor.Type()].lower(), values)


def _tensors(model: Any) -> Iterator[Any]:
    """Of all subgraphs: one of them may only fill variables."""
    for number in range(model.SubgraphsLength()):
        graph = model.Subgraphs(number)
        yield from (graph.Tensors(index) for index in range(graph.TensorsLength()))


def _size(buffer: Any) -> int:
    # Size is used where the data lies behind the flatbuffer, in files beyond 2 GB.
    return int(buffer.DataLength() or buffer.Size())


def _data(buffer: Any) -> Any:
    return buffer.DataAsNumpy() if buffer.DataLength() else b""


def _text(content: bytes) -> str:
    """Metadata is text or another flatbuffer; zeros fill it up."""
    text = content.rstrip(b"\0")
    readable = text.isascii() and text.decode("ascii", "replace").isprintable()
    return text.decode() if readable else f"{len(content)} bytes"


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
    return Port(
        name or tensor.Name().decode(),
        _open_sizes(tensor),
        types[tensor.Type()].lower(),
        quantization=_quantization(tensor.Quantization()),
    )


def _sizes(tensor: Any) -> tuple[int, ...]:
    return tuple(tensor.Shape(i) for i in range(tensor.ShapeLength()))


def _open_sizes(tensor: Any) -> tuple[int | None, ...]:
    """Sizes that may change are 1 in the shape, and negative in its signature."""
    sizes: list[int | None] = list(_sizes(tensor))
    for axis in range(tensor.ShapeSignatureLength()):
        if tensor.ShapeSignature(axis) < 0:
            sizes[axis] = None
    return tuple(sizes)


def _quantization(found: Any) -> TensorQuantization | None:
    if found is None or not found.ScaleLength():
        return None
    zero = found.ZeroPoint(0) if found.ZeroPointLength() else 0
    return TensorQuantization(scale=float(found.Scale(0)), zero_point=int(zero))
