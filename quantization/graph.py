"""The graph of an exported view, as a quantiser sees it: which tensors are rounded, and which
of them must share one scale.

The view is captured by `torch.export`, so any network that can be exported has one. Its nodes
keep the names that torch gives them (``conv2d_12``, ``relu_11``), which depend on nothing but
the order of operations: the same network captured at another size has the same names.

What integer runtimes have in common (TFLite's quantisation specification, XNNPACK, QNNPACK):

* a convolution and the ReLU behind it are one operation, which rounds once;
* resizing, pooling, joining and moving values keep their scale, so a joined tensor and all
  that it is joined from, and what those are pooled or resized from, share one;
* sigmoid and softmax have fixed output scales;
* everything else has a scale of its own.
"""

from __future__ import annotations

import operator
import warnings
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, cast

import torch
from torch import Tensor, fx, nn

from ..errors import NetworkError
from ..models.devices import full_precision
from .operations import (
    BOUNDED,
    Kind,
    functional,
    is_float_tensor,
    is_rectified,
    is_rectifier,
    kind_of,
    merges_into_reader,
    module_path,
    operation,
    weights,
)

__all__ = ["Kind", "NetworkGraph", "Point", "capture", "captured"]

Hook = Callable[[str, Tensor], Tensor]


@dataclass(frozen=True, slots=True)
class Point:
    """A tensor that an integer runtime stores.

    Attributes:
        name: Of the node that gives it (of the ReLU, where one follows a convolution).
        kind: ``input``; ``conv``: of a convolution or matrix product; ``sum``: of an addition;
            ``kept``: pooled, resized, joined or moved values; ``bounded``: of a sigmoid, softmax
            or tanh; ``other``.
        group: Name of a point: those with the same group share one scale.
        module: Path of the module that computes it, ``""`` for the input.
        rectified: It has no negative values, by construction.
        weight: Path of the weight in the view's state dict, ``""`` where it has none.
        bias: Path of the bias, likewise.
        outputs: Dimension of the weight that its output channels lie along.
        fixed: Scale and zero point that runtimes demand, where they do.
        tail: It lies between the last convolutions and the mask.
    """

    name: str
    kind: Kind
    group: str
    module: str
    rectified: bool = False
    weight: str = ""
    bias: str = ""
    outputs: int = 0
    fixed: tuple[float, int] | None = None
    tail: bool = False


class NetworkGraph:
    """A captured view: an ordered set of points, and a way to run it with a hook at each.

    Attributes:
        shape: (N, 3, H, W) that it was captured for, and runs at.
        points: By name, in order of execution.
        logits: Name of the point that the last sigmoid or softmax reads; the mask's own point
            where there is no such end.
        mask: Name of the point that is returned.
    """

    def __init__(self, module: fx.GraphModule, shape: tuple[int, int, int, int]) -> None:
        self.shape = shape
        self._nodes = [node for node in module.graph.nodes if node.op != "output"]
        (self._result,) = module.graph.output_node().all_input_nodes
        self._constants = {
            str(node.target): _attribute(module, str(node.target))
            for node in self._nodes
            if node.op == "get_attr"
        }
        self._merged = {n.name for n in self._nodes if merges_into_reader(n)}
        self._last_use = _last_uses(self._nodes, self._result)
        self.points: dict[str, Point] = {p.name: p for p in self._find_points()}
        self.mask = self._result.name
        self.logits = self._logits()

    @cached_property
    def groups(self) -> dict[str, list[Point]]:
        """Points by group, in order of execution."""
        found: dict[str, list[Point]] = {}
        for point in self.points.values():
            found.setdefault(point.group, []).append(point)
        return found

    @cached_property
    def readers(self) -> dict[str, list[Point]]:
        """For each point, the points that are computed from it."""
        found: dict[str, list[Point]] = {name: [] for name in self.points}
        for node in self._nodes:
            if node.name in self.points:
                for source in self.sources(node.name):
                    found[source].append(self.points[node.name])
        return found

    def sources(self, name: str) -> list[str]:
        """The points that a point is computed from; weights left out."""
        found: list[str] = []
        waiting = list(self._by_name[name].all_input_nodes)
        while waiting:
            node = waiting.pop(0)
            if node.name in self.points:
                found.append(node.name)
            elif node.op == "call_function":
                waiting.extend(node.all_input_nodes)
        return found

    def operation(self, name: str) -> str:
        """ATen's name of what gives a point: ``relu``, ``cat``, ``upsample_bilinear2d``."""
        return operation(self._by_name[name])

    def operation_of_maker(self, name: str) -> str:
        """ATen's name of what a point is computed by; of the convolution before a ReLU."""
        return operation(self._maker(name))

    def owns_weights(self, point: Point) -> bool:
        """Nothing else reads its weight or its bias, and no batch norm follows."""
        mine = {point.weight, point.bias} - {""}
        shared = [p for p in self.points.values() if mine & {p.weight, p.bias}]
        return len(shared) == 1 and not any(
            operation(n) == "batch_norm" for n in self._maker(point.name).users
        )

    def window(self, name: str) -> tuple[tuple[int, int], tuple[int, int], tuple[int, int]] | None:
        """Stride, padding and dilation of the conv2d that computes a point, each two numbers.

        None where the two sides of a row or column are padded differently, as ``same`` does for
        kernels of even size.
        """
        node = self._maker(name)
        args = [*node.args, *[None] * 7]

        def pair(value: Any, default: int) -> tuple[int, int]:
            values = list(value) if isinstance(value, list | tuple) else [value]
            first, second = (values * 2)[:2] if value is not None else (default, default)
            return int(first), int(second)

        stride, dilation = pair(args[3], 1), pair(args[5], 1)
        if args[4] == "valid":
            return stride, (0, 0), dilation
        if args[4] != "same":
            return stride, pair(args[4], 0), dilation
        sides = node.args[1].meta["val"].shape[2:]  # type: ignore[union-attr]
        rows, columns = (d * (k - 1) for d, k in zip(dilation, sides, strict=True))
        return None if rows % 2 or columns % 2 else (stride, (rows // 2, columns // 2), dilation)

    def groups_of_channels(self, name: str) -> int:
        """Into how many groups the convolution that computes a point divides its channels."""
        args = self._maker(name).args
        grouped = self.operation_of_maker(name) in {"conv2d", "conv_transpose2d"} and len(args) > 6
        return int(cast("int", args[6])) if grouped else 1

    def channels(self, name: str) -> int:
        """Channels of a point's value: its second dimension."""
        shape = self._by_name[name].meta["val"].shape
        return int(shape[1]) if len(shape) > 1 else 1

    def shape_of(self, name: str) -> tuple[int, ...]:
        """Shape of a point's value."""
        return tuple(int(side) for side in self._by_name[name].meta["val"].shape)

    def arguments(self, name: str) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """What that operation is called with; tensors as torch.fx nodes."""
        node = self._by_name[name]
        return node.args, dict(node.kwargs)

    def run(
        self,
        photos: Tensor,
        hook: Hook | None = None,
        values: Mapping[str, Tensor] | None = None,
    ) -> Tensor:
        """The mask of photos, drawn where they are; weights and constants come there.

        Args:
            photos: Of `shape`, RGB in [0, 1].
            hook: Given each point's name and value as it is computed; what it returns takes the
                value's place.
            values: Weights, by path in the view's state dict, in place of the captured ones.
        """
        with full_precision():
            return self._run(photos, hook, values or {})

    def _run(self, photos: Tensor, hook: Hook | None, values: Mapping[str, Tensor]) -> Tensor:
        memory: dict[fx.Node, Any] = {}
        for position, node in enumerate(self._nodes):
            if node.op == "get_attr":
                path = str(node.target)
                memory[node] = values.get(path, self._constants[path]).to(photos.device)
                continue
            if node.op == "placeholder":
                value: Any = photos
            else:
                args, kwargs = fx.node.map_arg((node.args, node.kwargs), memory.__getitem__)
                value = functional(node.target)(*args, **kwargs)
            if hook is not None and node.name in self.points:
                value = hook(node.name, value)
            memory[node] = value
            for spent in self._last_use.get(position, ()):
                del memory[spent]
        result: Tensor = memory[self._result]
        return result

    def _maker(self, name: str) -> fx.Node:
        node = self._by_name[name]
        while node.all_input_nodes and node.all_input_nodes[0].name in self._merged:
            node = node.all_input_nodes[0]
        return node

    @cached_property
    def _by_name(self) -> dict[str, fx.Node]:
        return {node.name: node for node in self._nodes}

    def _find_points(self) -> Iterable[Point]:
        kept = [n for n in self._nodes if is_float_tensor(n) and n.name not in self._merged]
        parent: dict[fx.Node, fx.Node] = {node: node for node in kept}

        def root(node: fx.Node) -> fx.Node:
            while parent[node] is not node:
                node = parent[node]
            return node

        for node in kept:
            if kind_of(node) == "kept":
                for source in node.all_input_nodes:
                    if source in parent:
                        parent[root(source)] = root(node)
        tail = _tail(self._result)
        for node in kept:
            merged = [n for n in node.all_input_nodes[:1] if n.name in self._merged]
            maker = merged[0] if merged else node
            weight, bias, outputs = weights(maker)
            yield Point(
                node.name,
                kind_of(maker),
                root(node).name,
                module_path(maker),
                is_rectified(node),
                weight,
                bias,
                outputs,
                BOUNDED.get(operation(node)),
                node in tail,
            )

    def _logits(self) -> str:
        node = self._result
        while operation(node) not in BOUNDED:
            tensors = [n for n in node.all_input_nodes if n.op == "call_function"]
            if len(tensors) != 1 or kind_of(node) == "conv":
                return self._result.name
            (node,) = tensors
        return node.all_input_nodes[0].name


def capture(view: nn.Module, shape: tuple[int, int, int, int]) -> NetworkGraph:
    """The graph of a prepared view at a batch size and photo size.

    Raises:
        NetworkError: `torch.export` can't capture it.
    """
    return NetworkGraph(captured(view, torch.full(shape, 0.5)), shape)


def captured(view: nn.Module, example: Tensor) -> Any:
    """A prepared view as a torch.fx.GraphModule of ATen's operations.

    Raises:
        NetworkError: `torch.export` can't capture it.
    """
    try:
        with warnings.catch_warnings(), torch.no_grad():
            warnings.simplefilter("ignore")
            program = torch.export.export(view, (example,), strict=False)
            module: Any = program.module(check_guards=False)
            # Heads that only training reads are in no file: converters leave them out.
            module.graph.eliminate_dead_code()
    except Exception as exc:  # torch raises many kinds, some of them private
        raise NetworkError(
            f"The network's graph can't be captured: {str(exc).strip().splitlines()[0]}",
            "Its forward must not depend on what the photo shows; targets that are not INT8 "
            "don't need its graph.",
        ) from exc
    return module


def _attribute(module: nn.Module, path: str) -> Tensor:
    value: Any = operator.attrgetter(path)(module)
    return value.detach() if isinstance(value, Tensor) else value


def _tail(result: fx.Node) -> set[fx.Node]:
    """What lies behind the last convolutions, their results included."""
    found: set[fx.Node] = set()
    waiting = [result]
    while waiting:
        node = waiting.pop()
        if node in found or node.op != "call_function":
            continue
        found.add(node)
        merged = is_rectifier(node) and merges_into_reader(node.all_input_nodes[0])
        if kind_of(node) != "conv" and not merged:
            waiting.extend(node.all_input_nodes)
    return found


def _last_uses(nodes: list[fx.Node], result: fx.Node) -> dict[int, list[fx.Node]]:
    """At which position each value is read for the last time, to free its memory there."""
    last: dict[fx.Node, int] = {}
    for position, node in enumerate(nodes):
        last.setdefault(node, position)
        for source in node.all_input_nodes:
            last[source] = position
    last.pop(result, None)
    found: dict[int, list[fx.Node]] = {}
    for node, position in last.items():
        found.setdefault(position, []).append(node)
    return found
