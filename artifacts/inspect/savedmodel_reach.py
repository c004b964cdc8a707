"""Operations of a SavedModel that reach beyond it: files, network, Python.

TensorFlow runs some when it loads the file and others when it is called, so all of the file count.
Every file has operations that save its variables and restore them; where nothing else leads to
them, they may do that.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from .savedmodel_graph import graphs_of

__all__ = ["reaching"]

# Of the operations that TensorFlow calls stateful, those that keep to the process's memory.
_WITHIN = frozenset(
    (
        *("AssignVariableOp", "DestroyResourceOp", "ReadVariableOp", "VarHandleOp"),
        *("Assign", "DisableCopyOnRead", "Variable", "VariableShape", "VariableV2"),
        "VarIsInitializedOp",
        *("StatefulPartitionedCall", "If", "While", "Case", "Assert"),
        *("HashTableV2", "MutableHashTableV2", "LookupTableFindV2", "LookupTableImportV2"),
        *("LookupTableSizeV2", "LookupTableExportV2"),
    )
)
# Of those that it doesn't, those that don't; and all of data sets.
_BEYOND = frozenset(
    (
        *("DecodeProtoV2", "EncodeProto", "GenerateVocabRemapping", "MatchingFiles"),
        *("PyFuncStateless", "ReadFile"),
    )
)
# What saving may do, which loading a file doesn't, and what restoring may, which it does.
_SAVING = frozenset({"MergeV2Checkpoints", "RestoreV2", "SaveV2"})
_RESTORING = frozenset({"RestoreV2"})


def reaching(path: Path) -> list[str]:
    """The kinds of a SavedModel's operations that touch files, network or Python, or may.

    Kinds that this TensorFlow doesn't know are among them.

    Args:
        path: The folder.
    """
    graphs = graphs_of(path)
    from tensorflow.python.framework import op_def_registry

    def reaches(kind: str) -> bool:
        known = op_def_registry.get(kind)
        if known is None or kind in _BEYOND or "Dataset" in kind:
            return True
        return known.is_stateful and kind not in _WITHIN and not kind.startswith("Random")

    kinds = {kind for graph in graphs for kind in _kinds(graph)}
    return sorted(kind for kind in kinds if reaches(kind))


def _kinds(graph: Any) -> Iterator[str]:
    """What of a graph counts."""
    outermost = {node.name: node for node in graph.graph_def.node}
    library = {function.signature.name: function for function in graph.graph_def.library.function}
    ends = [info.name for key in graph.signature_def.values() for info in key.outputs.values()]
    used = _before(ends, outermost)
    restoring = _before([graph.saver_def.restore_op_name], outermost) - used
    saving = _before([graph.saver_def.save_tensor_name], outermost) - used
    # What may stand in each function, by those who call it.
    allowed: dict[str, frozenset[str]] = {}

    def called_by(node: Any, kinds: frozenset[str]) -> None:
        for name in _called(node):
            allowed[name] = allowed.get(name, kinds) & kinds

    for name, node in outermost.items():
        kinds = _RESTORING if name in restoring else _SAVING if name in saving else frozenset()
        called_by(node, kinds)
        if node.op not in kinds:
            yield node.op
    for function in library.values():
        for node in function.node_def:
            called_by(node, frozenset())
    objects = _objects(graph)
    for name, function in library.items():
        kinds = frozenset() if name in objects else allowed.get(name, frozenset())
        yield from (node.op for node in function.node_def if node.op not in {*kinds, *library})


def _before(ends: Iterable[str], nodes: Mapping[str, Any]) -> set[str]:
    """The nodes that some are computed by, or that come before them, themselves among them."""
    found, waiting = set[str](), list(ends)
    while waiting:
        name = waiting.pop().removeprefix("^").partition(":")[0]
        if name in nodes and name not in found:
            found.add(name)
            waiting.extend(nodes[name].input)
    return found


def _called(node: Any) -> Iterator[str]:
    """The functions that a node names."""
    if node.op:
        yield node.op
    for value in node.attr.values():
        if value.func.name:
            yield value.func.name
        yield from (function.name for function in value.list.func)


def _objects(graph: Any) -> set[str]:
    """The functions that the file's objects have, which loading it may call."""
    objects = graph.object_graph_def
    names = set(objects.concrete_functions)
    for node in objects.nodes:
        names.update(node.function.concrete_functions)
        names.add(node.bare_concrete_function.concrete_function_name)
    return names
