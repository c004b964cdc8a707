"""Operations with their shapes, whatever format they come from, and the arithmetic on them.

One sentence covers every convolution: each number of the kernel is multiplied once at each
position. A kernel of a grouped or depthwise convolution holds only the numbers that it uses,
dilation spreads them without adding any, and a transposed one is placed at the positions of
its input instead of its output. A fully connected layer is a kernel of 1 × 1.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import prod
from typing import Any, Self

from .counting import Layer, Uncountable, Work

__all__ = [
    "Counted",
    "Formula",
    "Operation",
    "Shape",
    "convolution",
    "count",
    "einsum",
    "fixed",
    "placed",
    "product",
    "transposed",
]

# Sizes that the file doesn't fix are None or negative; the whole is None where it says nothing.
Shape = Sequence[int | None] | None


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation of a graph.

    Attributes:
        kind: What the format calls it.
        name: Its own name, or what tells it from its like; for messages.
        inputs: Shapes, in the format's order; None also for inputs left out.
        outputs: Shapes.
        settings: What else its arithmetic depends on: ``equation`` of an `einsum`,
            ``left_transposed`` of a `product`.
    """

    kind: str
    name: str
    inputs: Sequence[Shape]
    outputs: Sequence[Shape]
    settings: Mapping[str, Any] = field(default_factory=dict)


Formula = Callable[[Operation], int]


@dataclass(frozen=True, slots=True)
class Counted:
    """A graph, counted.

    Attributes:
        kinds: How many operations there are of each kind.
        layers: Those that multiply and accumulate, in their order.
        unknown: Why the first one that could not be counted couldn't; empty where all could.
    """

    kinds: Counter[str]
    layers: tuple[Layer, ...]
    unknown: str = ""

    @property
    def macs(self) -> int:
        """Of all layers."""
        return sum(layer.macs for layer in self.layers)

    def __add__(self, other: Self) -> Self:
        return replace(
            self,
            kinds=self.kinds + other.kinds,
            layers=self.layers + other.layers,
            unknown=self.unknown or other.unknown,
        )

    def work(self, weight_bytes: int) -> Work:
        """With the bytes of the file's weights."""
        return Work(self.kinds, self.macs, weight_bytes, self.layers, self.unknown)


def count(
    operations: Iterable[Operation], formulas: Mapping[str, Formula], hidden: Collection[str]
) -> Counted:
    """Count a graph.

    Args:
        operations: All of it.
        formulas: The kinds that multiply and accumulate, and how often they do.
        hidden: The kinds that may, where nothing here knows how often.

    Returns:
        What could be counted. An operation that is hidden, or has a shape that isn't fixed, is
        its ``unknown``.
    """
    kinds: Counter[str] = Counter()
    layers: list[Layer] = []
    unknown = ""
    for operation in operations:
        kind, name = operation.kind, operation.name
        kinds[kind] += 1
        if kind in hidden:
            unknown = unknown or f"what {kind} ({name}) multiplies is not known"
        if kind in formulas:
            try:
                macs = formulas[kind](operation)
            except Uncountable as exc:
                unknown = unknown or f"{kind} ({name}) {exc}"
            else:
                layers.append(Layer(kind, name, tuple(operation.outputs[0] or ()), macs))
    return Counted(kinds, tuple(layers), unknown)


def convolution(*, kernel: int, channels: int) -> Formula:
    """Of a convolution, or a fully connected layer.

    Args:
        kernel: Which input holds it.
        channels: The axis of the output that holds channels; the others are positions.
    """
    return lambda operation: placed(operation.inputs[kernel], operation.outputs[0], channels)


def transposed(*, kernel: int, source: int, channels: int) -> Formula:
    """Of a transposed convolution.

    Args:
        kernel: Which input holds it.
        source: Which input holds the image.
        channels: The axis of the image that holds channels; the others are positions.
    """
    return lambda operation: placed(operation.inputs[kernel], operation.inputs[source], channels)


def product(operation: Operation) -> int:
    """Of a product of matrices, batched and broadcast or not: the result times the inner size."""
    left = fixed(operation.inputs[0])
    inner = -2 if operation.settings.get("left_transposed") and len(left) > 1 else -1
    return prod(fixed(operation.outputs[0])) * left[inner]


def einsum(operation: Operation) -> int:
    """Of a product of two tensors by an equation, ``ij,jk->ik`` or the like.

    Every combination of indices is one. An ellipsis stands for the axes without a name.
    """
    terms = str(operation.settings["equation"]).replace(" ", "").split("->")[0].split(",")
    if len(terms) != 2 or len(operation.inputs) != 2:
        raise Uncountable("multiplies another number of tensors than two")
    sizes: dict[str, int] = {}
    for term, shape in zip(terms, operation.inputs, strict=True):
        known = fixed(shape)
        before, _, after = term.partition("...")
        unnamed = len(known) - len(before) - len(after)
        # Counted from the last one, as broadcasting matches them.
        labels = [*before, *(f"...{i}" for i in range(unnamed, 0, -1)), *after]
        for label, size in zip(labels, known, strict=True):
            sizes[label] = max(sizes.get(label, 0), size)
    return prod(sizes.values())


def fixed(shape: Shape) -> tuple[int, ...]:
    """The shape, if all of it is known.

    Raises:
        Uncountable: It isn't.
    """
    known = tuple(size for size in shape or () if size is not None and size >= 0)
    if shape is None or len(known) < len(shape):
        raise Uncountable("has sizes that are known only when it runs")
    return known


def placed(kernel: Shape, where: Shape, channels: int) -> int:
    """Multiply-accumulates of a kernel at every position of ``where``.

    Args:
        kernel: Its shape, in any layout, without the bias.
        where: The tensor that has the positions.
        channels: The axis of it that holds channels.
    """
    image = fixed(where)
    return prod(fixed(kernel)) * (prod(image) // max(image[channels], 1))
