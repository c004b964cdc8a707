"""What an ONNX file declares and holds, and the oldest ONNX Runtime that takes it."""

from __future__ import annotations

from collections.abc import Iterator
from math import prod
from pathlib import Path
from typing import Any

import numpy as np

from ...errors import RunnerError
from ..manifest import Artifact, OldestRuntime
from .contents import Contents, Stored, Value, stored
from .declared import Declared, Port

__all__ = ["contents", "declared", "inferred", "weights"]

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
    model = _read(path)
    graph = model.graph
    constants = {tensor.name for tensor in graph.initializer}
    opsets = {entry.domain: int(entry.version) for entry in model.opset_import}
    opset = max(opsets.get(domain, 0) for domain in _OWN_DOMAINS)  # 0: it uses none of them
    properties: dict[str, Any] = {"ir_version": int(model.ir_version), "opset": opset}
    if held := _other_files(graph):
        properties["weights_in"] = held
    return Declared(
        inputs=tuple(_port(value) for value in graph.input if value.name not in constants),
        outputs=tuple(_port(value) for value in graph.output),
        operators=tuple(sorted({_kind(node) for node in graph.node})),
        properties=properties,
        oldest_runtimes=_oldest(int(model.ir_version), opset, opsets),
    )


def contents(path: Path) -> Contents:
    """Weights that the file keeps in other files are counted, and not opened."""
    model = inferred(path)
    graph = model.graph
    fixed = {tensor.name for tensor in graph.initializer}
    types = {value.name: value.type.tensor_type for value in (*graph.value_info, *graph.output)}
    activations = []
    for node in graph.node:
        if all(name in fixed for name in node.input if name):  # made of constants
            fixed.update(node.output)
            continue
        activations += [_value(types[name]) for name in node.output if name in types]
    metadata = {
        name: str(getattr(model, name))
        for name in ("producer_name", "producer_version", "domain", "model_version", "doc_string")
        if getattr(model, name)
    }
    metadata |= {entry.key: entry.value for entry in model.metadata_props}
    return Contents(tuple(weights(graph)), tuple(activations), metadata)


def _other_files(graph: Any) -> list[str]:
    """The files beside it that it keeps weights in, by its own word."""
    found = {
        entry.value
        for tensor in _constants(graph)
        for entry in tensor.external_data
        if entry.key == "location"
    }
    return sorted(found)


def inferred(path: Path) -> Any:
    """The model with its functions inlined and the shapes of all values, as far as they follow.

    Where it takes any number of photos, it takes one.
    """
    from onnx import inliner, shape_inference

    model = _read(path)
    if model.functions:
        model = inliner.inline_local_functions(model)
    for value in model.graph.input:
        sizes = value.type.tensor_type.shape.dim
        if len(sizes) == 4 and not sizes[0].HasField("dim_value"):
            sizes[0].dim_value = 1
    return shape_inference.infer_shapes(model, data_prop=True)


def weights(graph: Any) -> Iterator[Stored]:
    """A graph's constants but shapes and axes, which ONNX keeps in int64."""
    import onnx

    left_out = (onnx.TensorProto.INT64, onnx.TensorProto.BOOL, onnx.TensorProto.STRING)
    for tensor in _constants(graph):
        if tensor.data_type not in left_out:
            yield _stored(tensor)


def _read(path: Path) -> Any:
    import onnx

    model = onnx.load(str(path), load_external_data=False)
    if not model.HasField("graph"):  # nothing at all is a message of Protocol Buffers, too
        raise RunnerError(f"{path} is not an ONNX file: it has no graph.", "Export it again.")
    return model


def _constants(graph: Any) -> Iterator[Any]:
    yield from graph.initializer
    for tensor in graph.sparse_initializer:
        yield from (tensor.values, tensor.indices)
    for node in graph.node:
        if node.op_type == "Constant":
            for attribute in node.attribute:
                if attribute.name == "value":
                    attribute.t.name = node.output[0]
                    yield attribute.t


def _stored(tensor: Any) -> Stored:
    import onnx

    name = str(onnx.TensorProto.DataType.Name(tensor.data_type))
    whole = 8 * int(onnx.helper.tensor_dtype_to_np_dtype(tensor.data_type).itemsize)
    bits = next((bits for kind, bits in _NARROW.items() if kind in name), whole)
    size = -(-int(prod(tensor.dims)) * bits // 8)
    return stored(tensor.name, _dtype(tensor.data_type), tuple(tensor.dims), size)


# Types that are packed several to the byte: INT4, UINT4, FLOAT4E2M1, …
_NARROW = {"INT4": 4, "FLOAT4": 4, "INT2": 2, "FLOAT2": 2}


def _value(tensor: Any) -> Value:
    shape = _shape(tensor)
    known = shape is not None and None not in shape
    return Value(_dtype(tensor.elem_type), prod(n or 0 for n in shape or ()) if known else None)


def _dtype(number: int) -> str:
    import onnx

    return str(np.dtype(onnx.helper.tensor_dtype_to_np_dtype(number)).name)


def _shape(tensor: Any) -> tuple[int | None, ...] | None:
    if not tensor.HasField("shape"):
        return None
    return tuple(d.dim_value if d.HasField("dim_value") else None for d in tensor.shape.dim)


def _port(value: Any) -> Port:
    if value.type.WhichOneof("value") != "tensor_type":  # a sequence, a map, or not said
        return Port(value.name, None, value.type.WhichOneof("value"))
    tensor = value.type.tensor_type
    return Port(value.name, _shape(tensor), _dtype(tensor.elem_type))


def _kind(node: Any) -> str:
    return str(node.op_type if node.domain in _OWN_DOMAINS else f"{node.domain}:{node.op_type}")


def _oldest(ir_version: int, opset: int, opsets: dict[str, int]) -> tuple[OldestRuntime, ...]:
    """Nothing where the file is newer than every release that was tried, or has other domains."""
    if opsets.keys() - set(_OWN_DOMAINS):
        return ()
    for release, highest_ir, highest_opset in _RELEASES:
        if ir_version <= highest_ir and opset <= highest_opset:
            because = f"IR version {ir_version}, opset {opset}"
            return (OldestRuntime(runtime="ONNX Runtime", version=release, because=because),)
    return ()
