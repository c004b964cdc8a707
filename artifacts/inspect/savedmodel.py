"""What a TensorFlow SavedModel declares."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ...sdks.slim import tensorflow
from ..manifest import Artifact
from .declared import Declared, Port

__all__ = ["declared"]

_SIGNATURE = "serving_default"
# Names and constants; no operations of a network.
_NO_WORK = frozenset({"Const", "Identity", "NoOp", "Placeholder", "ReadVariableOp", "VarHandleOp"})
_CALLS = frozenset({"PartitionedCall", "StatefulPartitionedCall"})


def declared(_artifact: Artifact, path: Path) -> Declared:
    """Of the signature ``serving_default``, and the functions that it calls.

    TensorFlow promises that newer releases load the file, and nothing of older ones.
    """
    tensorflow()
    from tensorflow.core.protobuf import saved_model_pb2

    saved = saved_model_pb2.SavedModel()
    saved.ParseFromString((path / "saved_model.pb").read_bytes())
    graph = saved.meta_graphs[0]
    signature = graph.signature_def[_SIGNATURE]
    return Declared(
        inputs=tuple(_port(name, info) for name, info in sorted(signature.inputs.items())),
        outputs=tuple(_port(name, info) for name, info in sorted(signature.outputs.items())),
        operators=tuple(sorted(set(_kinds(graph.graph_def, signature)) - _NO_WORK - _CALLS)),
        properties={
            "signature": _SIGNATURE,
            "tensorflow_version": graph.meta_info_def.tensorflow_version,
        },
    )


def _port(name: str, info: Any) -> Port:
    tf = tensorflow()

    sizes = tuple(size.size if size.size >= 0 else None for size in info.tensor_shape.dim)
    shape = None if info.tensor_shape.unknown_rank else sizes
    return Port(name, shape, tf.as_dtype(info.dtype).name)


def _kinds(graph: Any, signature: Any) -> Iterator[str]:
    """Of what the signature's outputs are computed by, in the functions too."""
    functions = {function.signature.name: function for function in graph.library.function}
    nodes = {node.name: node for node in graph.node}
    first = [nodes[info.name.partition(":")[0]] for info in signature.outputs.values()]
    waiting, seen = first, set[str]()
    while waiting:
        node = waiting.pop()
        yield node.op
        for attribute in node.attr.values():
            name = attribute.func.name
            if name and name not in seen:
                seen.add(name)
                waiting.extend(functions[name].node_def)
