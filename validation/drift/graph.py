"""A network's tape and a file's nodes as the same kind of graph, so that they can be matched.

Tensors that hold the same values in another layout, type or border are one *class*, named by
its first tensor. Batch norms are part of the convolution before them, as every converter makes
them, and so are constants that its result is multiplied with or added to; activations that a
file fuses into an operation are operations of their own.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterable
from dataclasses import dataclass, field, replace

import numpy as np
import torch
from numpy.typing import NDArray

from ...runtimes.intermediates.nodes import INPUT, NodeInfo, sketch
from .kinds import AFFINE, MERGED, SAME, WEIGHTED, kind_of
from .tape import IMAGE, Call, Tape, Value

__all__ = ["Graph", "Operation", "graph_of_file", "graph_of_tape"]

# Tensors are numbers in a tape, and names in a file.
Key = Hashable


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation.

    Attributes:
        kind: See `kinds`.
        label: What its side calls it: the module's path, or the node's name.
        reads: The classes it reads, in order.
        makes: The class it makes.
        position: Which of its node's results that is.
        shape: Of the tensor it makes.
        kernel: Shape of its weights without trailing ones; empty where it has none.
        sketch: Of its weights; empty where it has none.
    """

    kind: str
    label: str
    reads: tuple[Key, ...]
    makes: Key
    position: int
    shape: tuple[int, ...]
    kernel: tuple[int, ...] = ()
    sketch: tuple[float, ...] = ()

    @property
    def weights(self) -> NDArray[np.float64]:
        """The sketch as an array; all 0 where there is none."""
        return np.array(self.sketch or (0.0,), np.float64)


@dataclass
class Graph:
    """Operations in execution order, and which tensors are of which class.

    Attributes:
        operations: All that compute something.
        classes: Tensor → class.
        shapes: Tensor → shape; for a tensor that a fused operation hides, its class's.
        hidden: Tensors that have no value of their own in a file.
    """

    operations: list[Operation] = field(default_factory=list)
    classes: dict[Key, Key] = field(default_factory=dict)
    shapes: dict[Key, tuple[int, ...]] = field(default_factory=dict)
    hidden: set[Key] = field(default_factory=set)

    def members(self, name: Key) -> list[Key]:
        """The tensors of a class that have values, its first one first."""
        return [t for t, c in self.classes.items() if c == name and t not in self.hidden]


def graph_of_tape(tape: Tape) -> Graph:
    """The graph of a recorded network."""
    readers = Counter(number for call in tape.calls for number in set(call.reads))
    raw = []
    for call in tape.calls:
        kind = kind_of_call(call)
        constant = _weights(call) if kind == WEIGHTED else ((), ())
        for position, number in call.results.items():
            # A batch norm's saved statistics, a pool's indices: nobody reads them.
            if position == 0 or readers[number]:
                shape = tape.shapes[number]
                raw.append(
                    Operation(kind, call.module, call.reads, number, position, shape, *constant)
                )
    return _built(raw, {IMAGE: tape.shapes[IMAGE]})


def graph_of_file(nodes: Iterable[NodeInfo]) -> Graph:
    """The graph of a file, from the nodes of its stream."""
    raw: list[Operation] = []
    inputs: dict[Key, tuple[int, ...]] = {}
    hidden: set[Key] = set()
    for node in nodes:
        if node.kind == INPUT:
            inputs[node.output] = node.shape
            continue
        made: Key = ("before", node.output) if node.activation else node.output
        rest = (node.position, node.shape, node.kernel, node.sketch)
        raw.append(Operation(kind_of(node.kind), node.name, node.inputs, made, *rest))
        if node.activation:
            hidden.add(made)
            fused = kind_of(node.activation)
            raw.append(Operation(fused, node.name, (made,), node.output, 0, node.shape))
    graph = _built(raw, inputs)
    graph.hidden |= hidden
    return graph


def kind_of_call(call: Call) -> str:
    """As `kinds.kind_of`; instance norms are batch norms that measure, which only a call tells."""
    norm = call.name in {"native_batch_norm", "cudnn_batch_norm"}
    return "instance norm" if norm and True in call.arguments[5:6] else kind_of(call.name)


def _built(raw: list[Operation], inputs: dict[Key, tuple[int, ...]]) -> Graph:
    """The graph of operations that still read tensors, and not classes."""
    graph = Graph(classes={key: key for key in inputs}, shapes=dict(inputs))
    readers = Counter(key for item in raw for key in set(item.reads))
    places: dict[Key, int] = {}  # class → its operation
    for item in raw:
        graph.shapes[item.makes] = item.shape
        reads = tuple(graph.classes[key] for key in item.reads if key in graph.classes)
        if not reads:
            continue  # made of constants, or of what a file doesn't show
        if item.kind == SAME:
            graph.classes[item.makes] = reads[0]
            continue
        folds = item.kind == MERGED or (item.kind in AFFINE and len(item.reads) == 1)
        if folds and _merge(graph, item, reads[0], places, readers):
            continue
        graph.classes[item.makes] = item.makes
        places[item.makes] = len(graph.operations)
        graph.operations.append(replace(item, reads=reads, kernel=_without_ones(item.kernel)))
    return graph


def _merge(
    graph: Graph, after: Operation, source: Key, places: dict[Key, int], readers: Counter[Key]
) -> bool:
    """Let a convolution that only ``after`` reads make what that makes."""
    place = places.get(source)
    if place is None or readers[source] != 1 or after.reads[0] != source:
        return False
    before = graph.operations[place]
    if before.kind != WEIGHTED:
        return False
    graph.operations[place] = replace(before, makes=after.makes, shape=after.shape)
    del graph.classes[source]
    graph.classes[after.makes] = after.makes
    places[after.makes] = place
    return True


def _weights(call: Call) -> tuple[tuple[int, ...], tuple[float, ...]]:
    """The constant that a call multiplies with, as PyTorch's modules store it."""
    position = 2 if call.name == "addmm" else 1
    found = call.arguments[position] if len(call.arguments) > position else None
    if isinstance(found, Value) or not isinstance(found, torch.Tensor):
        return (), ()
    # Matrix products of the core library take (in, out).
    values = found.T if call.name in {"addmm", "mm"} else found
    array = values.detach().cpu().float().numpy()
    return tuple(array.shape), sketch(array) if array.ndim > 1 else ()


def _without_ones(shape: tuple[int, ...]) -> tuple[int, ...]:
    """A 1x1 convolution and a matrix product are the same."""
    while len(shape) > 2 and shape[-1] == 1:
        shape = shape[:-1]
    return tuple(shape)
