"""What a TensorFlow SavedModel declares and holds; nothing of it is loaded or run."""

from __future__ import annotations

from math import prod
from pathlib import Path
from typing import Any

from ...errors import RunnerError
from ..manifest import Artifact
from .contents import Contents, Stored, Value, stored
from .declared import Declared, Port
from .savedmodel_graph import NO_WORK, Node, graphs_of, type_name, walk

__all__ = ["contents", "declared", "nodes_of", "weight_of"]

_SIGNATURE = "serving_default"
_RESTORING = "__saved_model_init_op"


def declared(_artifact: Artifact, path: Path) -> Declared:
    """Of the signature ``serving_default``, or the first where there is none of that name.

    TensorFlow promises that newer releases load the file, and nothing of older ones.
    """
    graph, key = _read(path, _SIGNATURE)
    signature = graph.signature_def[key]
    kinds = {node.kind for node in walk(graph.graph_def, signature)}
    return Declared(
        inputs=tuple(_port(name, info) for name, info in sorted(signature.inputs.items())),
        outputs=tuple(_port(name, info) for name, info in sorted(signature.outputs.items())),
        operators=tuple(sorted(kinds - NO_WORK)),
        properties={
            "signature": key,
            "tensorflow_version": graph.meta_info_def.tensorflow_version,
        },
    )


def contents(path: Path) -> Contents:
    """Of what the signature computes: constants in the graph, and the variables that it reads.

    The file often holds the same network once for each way to call it; what other ways hold isn't
    counted.
    """
    graph, key = _read(path, _SIGNATURE)
    weights: dict[str, Stored] = {}
    activations = []
    for node in walk(graph.graph_def, graph.signature_def[key]):
        found = weight_of(node)
        if found is not None:
            weights.setdefault(node.place, found)
        elif not node.fixed and node.kind not in NO_WORK:
            activations += [_value(dtype, shape) for dtype, shape in node.outputs]
    info = graph.meta_info_def
    metadata = {"tensorflow_version": info.tensorflow_version, "tags": ", ".join(info.tags)}
    metadata["signatures"] = ", ".join(sorted(set(graph.signature_def) - {_RESTORING}))
    return Contents(tuple(weights.values()), tuple(activations), metadata)


def nodes_of(path: Path, signature: str = _SIGNATURE) -> list[Node]:
    """What a signature computes, functions inlined.

    Args:
        path: The SavedModel's folder.
        signature: Its name; the first where there is none of that name.
    """
    graph, key = _read(path, signature)
    return list(walk(graph.graph_def, graph.signature_def[key]))


def _read(path: Path, signature: str) -> tuple[Any, str]:
    """The graph, and the name of the signature."""
    graphs = [graph for graph in graphs_of(path) if set(graph.signature_def) - {_RESTORING}]
    if not graphs:
        raise RunnerError(
            f"{path} has no signature, so what it takes and gives is not said.",
            "Save the model with signatures=…, or it is damaged: export it again.",
        )
    keys = sorted(set(graphs[0].signature_def) - {_RESTORING})
    return graphs[0], signature if signature in keys else keys[0]


def _port(name: str, info: Any) -> Port:
    sizes = tuple(size.size if size.size >= 0 else None for size in info.tensor_shape.dim)
    return Port(name, None if info.tensor_shape.unknown_rank else sizes, type_name(info.dtype))


def weight_of(node: Node) -> Stored | None:
    """What a node stores; wide integers are shapes and axes."""
    if node.kind == "Const":
        dtype = type_name(node.attributes["value"].tensor.dtype)
        shape = node.attributes["value"].tensor.tensor_shape
    elif node.kind == "VarHandleOp":
        dtype = type_name(node.attributes["dtype"].type)
        shape = node.attributes["shape"].shape
    else:
        return None
    if dtype in _SETTINGS:
        return None
    name = node.attributes["shared_name"].s.decode() if "shared_name" in node.attributes else ""
    return stored(name or node.name, dtype, tuple(max(size.size, 0) for size in shape.dim))


_SETTINGS = frozenset(("bool", "int32", "int64", "string"))


def _value(dtype: str, shape: tuple[int | None, ...] | None) -> Value:
    known = shape is not None and None not in shape
    return Value(dtype, prod(size or 0 for size in shape or ()) if known else None)
