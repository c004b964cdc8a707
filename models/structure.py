"""Which convolution reads what: networks and files compared by structure, not by name.

Values are numbered as compilers number them (Alpern, Wegman and Zadeck, "Detecting equality
of variables in programs", POPL 1988): a value's number stands for the operation that makes it
and the numbers that go in. With one table for two graphs, equal numbers mean equal structure
all the way back to the photo, in whatever order the nodes are written.

Batch norms that follow a convolution are taken as a part of it, so that a graph with folded
ones has the same numbers as one without. Activations, poolings and resizes are numbered by
kind and size; their finer attributes (ceil mode, coordinate mode) carry no weights, differ
between exporters, and are the network's own matter.
"""

from __future__ import annotations

import warnings
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Any, cast

from torch import fx, nn

from ..texts import first_line

__all__ = [
    "Convolution",
    "ConvolutionNumbers",
    "Numbering",
    "Structure",
    "described",
    "padding_of",
    "structure_of",
]


class Numbering:
    """Numbers for values; share one between two graphs to compare them."""

    def __init__(self) -> None:
        self._numbers: dict[Hashable, int] = {}

    def of(self, kind: str, *parts: Hashable) -> int:
        """The number of the value that ``kind`` makes from ``parts``."""
        return self._numbers.setdefault((kind, *parts), len(self._numbers))


@dataclass(slots=True)
class Convolution:
    """A convolution of a network.

    Attributes:
        name: Module's dotted name.
        number: Its value's number.
        shape: Of the weight: (outputs, inputs per group, height, width).
        description: For messages.
        norm: Name of the batch norm that follows it, or empty.
        is_needed: The network's first output depends on it.
    """

    name: str
    number: int
    shape: tuple[int, ...]
    description: str
    norm: str = ""
    is_needed: bool = True


@dataclass(frozen=True, slots=True)
class Structure:
    """A network's convolutions, and why they may not be all.

    Attributes:
        convolutions: In order of execution.
        foreign: What the network computes with that is not numbered as files number it, so that
            what reads from it looks different though it may be the same.
        incomplete: Why the convolutions are not all that has weights; empty where they are.
    """

    convolutions: list[Convolution]
    foreign: list[str]
    incomplete: str


class ConvolutionNumbers:
    """Numbers the convolutions of one graph.

    Two convolutions of one shape that read the same value differ only in what reads them;
    their order of execution is made part of their numbers.
    """

    def __init__(self, numbering: Numbering) -> None:
        self._numbering = numbering
        self._seen: dict[int, int] = {}

    def of(self, read: int, shape: tuple[int, ...], *attributes: Hashable) -> int:
        """``attributes`` are strides, padding (y, x at both ends), dilations and groups."""
        plain = self._numbering.of("conv", read, shape, *attributes)
        turn = self._seen[plain] = self._seen.get(plain, -1) + 1
        return self._numbering.of("turn", plain, turn) if turn else plain


def described(shape: tuple[int, ...], dilations: Any) -> str:
    """A convolution's size in words."""
    size = "x".join(map(str, shape))
    return f"{size}, dilation {dilations[0]}" if dilations and dilations[0] > 1 else size


def padding_of(module: nn.Conv2d) -> Hashable:
    """(y, x) at both ends; something else for a padding that is not zeros."""
    padding: Hashable = module.padding
    if module.padding == "valid":
        padding = (0, 0)
    elif module.padding == "same":
        padding = tuple(
            d * (k - 1) // 2 for d, k in zip(module.dilation, module.kernel_size, strict=True)
        )
    return padding if module.padding_mode == "zeros" else (module.padding_mode, padding)


def structure_of(network: nn.Module, numbering: Numbering) -> Structure:
    """A network's convolutions, as torch.fx sees them."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            graph = fx.symbolic_trace(network).graph
    except Exception as exc:  # tracing runs the network's own code on proxies
        return Structure([], [], f"it can't be traced: {first_line(exc)}")
    walk = _Walk(network, numbering)
    found = walk.walk(graph)
    covered = {conv.name for conv in found} | {conv.norm for conv in found}
    lost = [
        name
        for name, module in network.named_modules()
        if name not in covered and any(True for _ in module.parameters(recurse=False))
    ]
    incomplete = ""
    if lost:
        incomplete = f"it has weights outside of convolutions ({', '.join(lost[:3])})"
    elif len(found) > len({conv.name for conv in found}):
        incomplete = "it uses some convolutions twice"
    return Structure(found, sorted(walk.foreign), incomplete)


class _Walk:
    def __init__(self, network: nn.Module, numbering: Numbering) -> None:
        self.modules = dict(network.named_modules())
        self.numbering = numbering
        self.conv_numbers = ConvolutionNumbers(numbering)
        self.values: dict[fx.Node, int] = {}
        self.found: list[Convolution] = []
        self.made: dict[fx.Node, Convolution] = {}
        self.foreign: set[str] = set()

    def walk(self, graph: fx.Graph) -> list[Convolution]:
        for node in graph.nodes:
            if node.op == "placeholder":
                self.values[node] = self.numbering.of("photo")
            elif node.op == "get_attr":
                self.foreign.add(f"the tensor {node.target}")
                self.values[node] = self.numbering.of("torch tensor", str(node.target))
            elif node.op == "call_module":
                self.values[node] = self._module(node)
            elif node.op in {"call_function", "call_method"}:
                self.values[node] = self._function(node)
        needed = _needed(graph)
        for node, conv in self.made.items():
            conv.is_needed = node in needed
        return self.found

    def _module(self, node: fx.Node) -> int:
        name = str(node.target)
        module = self.modules[name]
        source = node.all_input_nodes[0]
        read = self.values[source]
        of = self.numbering.of
        if type(module) is nn.Conv2d:
            conv = self._convolution(name, module, read)
            self.found.append(conv)
            self.made[node] = conv
            return conv.number
        if isinstance(module, nn.BatchNorm2d):
            before = self.made.get(source)
            if before is not None and len(source.users) == 1:
                before.norm = name
                return read
            self.foreign.add("batch norms that follow no convolution")
            return of("torch norm", name)  # matches nothing: it has no twin in a folded file
        if isinstance(module, nn.Identity | nn.Dropout | nn.Dropout2d):
            return read
        if isinstance(module, nn.ReLU):
            return of("relu", read)
        if isinstance(module, nn.Sigmoid):
            return of("sigmoid", read)
        if isinstance(module, nn.MaxPool2d):
            return of("pool", read, _pair(module.kernel_size), _pair(module.stride))
        if isinstance(module, nn.Upsample):
            return of("resize", read, module.mode.removeprefix("bi"))
        self.foreign.add(type(module).__name__)
        return of("torch layer", type(module).__name__, read)

    def _convolution(self, name: str, module: nn.Conv2d, read: int) -> Convolution:
        shape = tuple(module.weight.shape)
        number = self.conv_numbers.of(
            read, shape, module.stride, padding_of(module), module.dilation, module.groups
        )
        return Convolution(name, number, shape, described(shape, module.dilation))

    def _function(self, node: fx.Node) -> int:
        target = node.target
        name = target if isinstance(target, str) else getattr(target, "__name__", str(target))
        reads = [self.values[n] for n in node.all_input_nodes if n in self.values]
        of = self.numbering.of
        match name.removesuffix("_"):
            case "relu" | "sigmoid" as kind:
                return of(kind, reads[0])
            case "max_pool2d":
                kernel = _argument(node, 1, "kernel_size")
                stride = _argument(node, 2, "stride") or kernel
                return of("pool", reads[0], _pair(kernel), _pair(stride))
            case "interpolate":
                mode = str(_argument(node, 3, "mode", "nearest"))
                return of("resize", reads[0], mode.removeprefix("bi"))
            case "cat":
                parts = cast(Sequence[Any], node.args[0])
                joined = [self.values[part] for part in parts if isinstance(part, fx.Node)]
                return of("concat", _argument(node, 1, "dim", 0) % 4, *joined)
            case "add" | "iadd":
                return of(
                    "add", *sorted(self.values[n] for n in node.args if isinstance(n, fx.Node))
                )
        if name not in _SIZES:
            self.foreign.add(name)
        return of(f"torch {name}", *reads)


# Of what is computed from sizes nothing has weights, and nothing that is numbered reads it.
_SIZES = {"getattr", "getitem", "size"}


def _argument(node: fx.Node, position: int, name: str, default: Any = None) -> Any:
    if len(node.args) > position:
        return node.args[position]
    return node.kwargs.get(name, default)


def _needed(graph: fx.Graph) -> set[fx.Node]:
    """What the first of a graph's outputs depends on."""
    first: Any = next(node for node in graph.nodes if node.op == "output").args[0]
    while isinstance(first, list | tuple | dict) and first:
        first = next(iter(first.values() if isinstance(first, dict) else first))
    found: set[fx.Node] = set()
    waiting = [first] if isinstance(first, fx.Node) else list(graph.nodes)
    while waiting:
        node = waiting.pop()
        if node not in found:
            found.add(node)
            waiting.extend(node.all_input_nodes)
    return found


def _pair(value: Any) -> tuple[int, int]:
    return (value, value) if isinstance(value, int) else (int(value[0]), int(value[1]))
