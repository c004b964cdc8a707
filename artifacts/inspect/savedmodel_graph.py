"""The graph that a SavedModel's signature computes, functions inlined, as its file describes it.

Loading a SavedModel runs what its maker wrote, so its messages are read instead. Shapes are those
that TensorFlow inferred when it saved the file.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ...errors import RunnerError
from ...sdks.quiet import quiet_native
from ...sdks.slim import tensorflow

__all__ = ["NO_WORK", "Node", "Shape", "graphs_of", "type_name", "walk"]

Shape = tuple[int | None, ...] | None

# Names and constants; no operations of a network.
NO_WORK = frozenset(
    (
        *("Const", "Identity", "IdentityN", "NoOp", "Placeholder", "PlaceholderWithDefault"),
        *("ReadVariableOp", "VarHandleOp"),
    )
)
_CALLS = frozenset({"PartitionedCall", "StatefulPartitionedCall"})


@dataclass(frozen=True, slots=True)
class Node:
    """An operation.

    Attributes:
        kind: Such as ``Conv2D``.
        name: Its own, within its function.
        place: Its name and its function's.
        inputs: Shapes; None for what the file doesn't say.
        outputs: Types and shapes.
        attributes: Its settings, as TensorFlow's messages.
        fixed: It depends on constants and variables alone.
    """

    kind: str
    name: str
    place: str
    inputs: tuple[Shape, ...]
    outputs: tuple[tuple[str, Shape], ...]
    attributes: Mapping[str, Any]
    fixed: bool


def graphs_of(path: Path) -> Any:
    """The graphs in a SavedModel's folder, as TensorFlow's messages."""
    with quiet_native():
        tensorflow()
        from tensorflow.core.protobuf import saved_model_pb2

    saved = saved_model_pb2.SavedModel()
    saved.ParseFromString((path / "saved_model.pb").read_bytes())
    return saved.meta_graphs


def walk(graph: Any, signature: Any) -> Iterator[Node]:
    """What a signature's outputs are computed by.

    Args:
        graph: A ``GraphDef``.
        signature: A ``SignatureDef`` of it.

    Raises:
        RunnerError: Its functions call themselves, or one that isn't there.
    """
    functions = {function.signature.name: function for function in graph.library.function}
    nodes = {node.name: node for node in graph.node}
    ends = [info.name.partition(":")[0] for info in signature.outputs.values()]
    wanted, waiting = set[str](), ends
    while waiting:
        name = waiting.pop()
        if name in nodes and name not in wanted:
            wanted.add(name)
            waiting.extend(_source(given) for given in nodes[name].input)
    scope = _Scope(functions)
    yield from scope.walk([node for node in graph.node if node.name in wanted])


def type_name(number: int) -> str:
    """NumPy's name of a type of TensorFlow's: ``float32``."""
    from tensorflow.core.framework import types_pb2

    name = str(types_pb2.DataType.Name(number)).removeprefix("DT_").removesuffix("_REF").lower()
    return _NAMES.get(name, name)


_NAMES = {"float": "float32", "half": "float16", "double": "float64"}


@dataclass
class _Scope:
    """One function, or the outermost graph.

    Attributes:
        functions: All, by name.
        values: What is known by a name, before a node of this scope is: shape, and whether it is
            fixed.
        calling: The functions that this one is called by, itself among them.
    """

    functions: dict[str, Any]
    values: dict[str, tuple[Shape, bool]] = field(default_factory=dict)
    calling: tuple[str, ...] = ()

    def walk(self, nodes: Iterable[Any]) -> Iterator[Node]:
        nodes = list(nodes)
        results = {node.name: list(_results(node)) for node in nodes}
        fixed = set[str]()
        for node in nodes:
            given = [name for name in node.input if not name.startswith("^")]
            inputs = [self._value(name, results, fixed) for name in given]
            alone = node.op in {"Const", "VarHandleOp"} or (
                bool(given) and all(constant for _, constant in inputs)
            )
            if alone:
                fixed.add(node.name)
            if node.op in _CALLS:
                yield from self._call(node, inputs)
                continue
            yield Node(
                node.op,
                node.name,
                f"{self.calling[-1] if self.calling else ''}/{node.name}",
                tuple(shape for shape, _ in inputs),
                tuple((dtype, shape) for _, dtype, shape in results[node.name]),
                node.attr,
                alone,
            )

    def _call(self, node: Any, inputs: list[tuple[Shape, bool]]) -> Iterator[Node]:
        name = node.attr["f"].func.name
        function = self.functions.get(name)
        if function is None or name in self.calling:
            raise RunnerError(
                f"The function {name[:80]!r} "
                + ("isn't in the file." if function is None else "calls itself."),
                "The file is damaged: export it again.",
            )
        values = {}
        for place, argument in enumerate(function.signature.input_arg):
            shape, constant = inputs[place] if place < len(inputs) else (None, False)
            if shape is None:
                said = function.arg_attr[place].attr if place in function.arg_attr else {}
                shape = next(iter(_shapes(said)), None)
            values[argument.name] = (shape, constant)
        inner = _Scope(self.functions, values, (*self.calling, name))
        yield from inner.walk(function.node_def)

    def _value(
        self, name: str, results: dict[str, list[tuple[str, str, Shape]]], fixed: set[str]
    ) -> tuple[Shape, bool]:
        """Shape of ``node``, ``node:1`` or, in functions, ``node:output:0``; and if it is fixed."""
        node, *rest = name.split(":")
        if node not in results:
            return self.values.get(node, (None, False))
        found = results[node]
        place = int(rest[-1]) if rest and rest[-1].isdecimal() else 0
        if len(rest) == 2:
            same = [at for at, (output, _, _) in enumerate(found) if output == rest[0]]
            place += same[0] if same else 0
        return (found[place][2] if place < len(found) else None), node in fixed


def _source(name: str) -> str:
    return name.removeprefix("^").partition(":")[0]


def _results(node: Any) -> Iterator[tuple[str, str, Shape]]:
    """What a node gives: the output's name, its type, its shape."""
    from tensorflow.python.framework import op_def_registry

    shapes = list(_shapes(node.attr))
    definition = op_def_registry.get(node.op)
    if definition is None:
        yield from (("", "", shape) for shape in shapes)
        return
    # Files leave out settings that have their operation's default.
    settings = {a.name: a.default_value for a in definition.attr if a.HasField("default_value")}
    settings |= dict(node.attr)
    place = 0
    for output in definition.output_arg:
        if output.type_list_attr:
            types = list(settings[output.type_list_attr].list.type)
        else:
            count = min(settings[output.number_attr].i, len(shapes)) if output.number_attr else 1
            types = [output.type or settings[output.type_attr].type] * count
        for kind in types:
            shape = shapes[place] if place < len(shapes) else None
            yield output.name, type_name(kind), shape
            place += 1


def _shapes(attributes: Mapping[str, Any]) -> Iterator[Shape]:
    if "_output_shapes" not in attributes:
        return
    for shape in attributes["_output_shapes"].list.shape:
        sizes = tuple(size.size if size.size >= 0 else None for size in shape.dim)
        yield None if shape.unknown_rank else sizes
