"""Cross-layer equalisation: evening out channels, exactly.

A convolution's output channel may be multiplied by any positive factor if everything that reads
it divides its weights by the same: ReLU, max-pooling, resizing, joining and adding pass positive
factors on (Nagel et al., "Data-Free Quantization Through Weight Equalization and Bias
Correction", ICCV 2019, section 4.1, here for whole graphs instead of chains of two). Channels
that are added share their factor. With one scale for a tensor, channels that are much smaller
than the largest lose most of their bits; with factors they keep them.

How far to go is a balance: what a channel gains in activations its readers may lose in weights,
whose scale is shared over all they read. The exponent ``strength`` is between none (0) and
channels of equal range (1).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from .graph import NetworkGraph, Point

__all__ = ["ChannelClasses", "channel_classes", "equalize"]

# Beyond it a channel is as good as dead, and its factor would only amplify rounding.
_LARGEST_FACTOR = 64.0


@dataclass(frozen=True)
class ChannelClasses:
    """Channels that must share their factor.

    Attributes:
        of: For each point, the class (a number) of each of its channels.
        free: For each class, whether its factor may be other than 1.
    """

    of: Mapping[str, Tensor]
    free: Tensor


def equalize(
    graph: NetworkGraph,
    weights: Mapping[str, Tensor],
    peaks: Mapping[str, Tensor],
    strength: float,
    fixed: Collection[str] = (),
) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """The same network with evened-out channels.

    Args:
        graph: The network.
        weights: Values by path.
        peaks: For each point, the largest magnitude of each channel (C,) over calibration photos.
        strength: From 0 to 1.
        fixed: Names of points whose channels keep their factor.

    Returns:
        The rewritten weights, and for each point the factor of each of its channels (C,).
    """
    classes = channel_classes(graph, weights, fixed)
    count = len(classes.free)
    largest = torch.zeros(count)
    wanted = torch.zeros(count)
    for group in graph.groups.values():
        top = max(float(peaks[p.name].max()) for p in group)
        for point in group:
            owners = classes.of[point.name]
            largest.scatter_reduce_(0, owners, peaks[point.name], "amax")
            wanted.scatter_reduce_(0, owners, torch.full(owners.shape, top), "amax")
    ratio = wanted / largest.clamp(min=1e-12)
    factor = ratio.clamp(1.0, _LARGEST_FACTOR) ** strength
    # A channel that is never lit has nothing to even out.
    factor = torch.where(classes.free & (largest > 1e-6), factor, torch.ones(count))
    changed = dict(weights)
    for point in graph.points.values():
        if not _passes_any(graph, weights, point):
            continue
        made = factor[classes.of[point.name]]
        read = factor[classes.of[graph.sources(point.name)[0]]]
        changed[point.weight] = _rescaled(
            changed[point.weight], made, read, point.outputs, graph.groups_of_channels(point.name)
        )
        if point.bias:
            changed[point.bias] = changed[point.bias] * made
    return changed, {name: factor[owners] for name, owners in classes.of.items()}


def channel_classes(
    graph: NetworkGraph, weights: Mapping[str, Tensor], fixed: Collection[str] = ()
) -> ChannelClasses:
    """Which channels of which points hang together, and which of them can be rescaled."""
    start: dict[str, int] = {}
    total = 0
    for point in graph.points.values():
        start[point.name] = total
        total += graph.channels(point.name)
    parent = list(range(total))
    bound = [False] * total

    def root(index: int) -> int:
        while parent[index] != index:
            parent[index] = parent[parent[index]]
            index = parent[index]
        return index

    def channels(name: str) -> range:
        return range(start[name], start[name] + graph.channels(name))

    def tie(first: range, second: range) -> None:
        for a, b in zip(first, second, strict=True):
            parent[root(a)] = root(b)

    def bind(name: str) -> None:
        for index in channels(name):
            bound[index] = True

    for point in graph.points.values():
        sources = graph.sources(point.name)
        if _passes_any(graph, weights, point):
            continue
        how = _passing(graph, point)
        if how == "same" and all(graph.channels(s) == graph.channels(point.name) for s in sources):
            for source in sources:
                tie(channels(source), channels(point.name))
        elif how == "joined":
            position = start[point.name]
            for source in sources:
                size = graph.channels(source)
                tie(channels(source), range(position, position + size))
                position += size
        else:
            for name in (point.name, *sources):
                bind(name)
    for name in (next(iter(graph.points)), graph.logits, graph.mask, *fixed):
        bind(name)
    roots = [root(index) for index in range(total)]
    stuck = {roots[index] for index in range(total) if bound[index]}
    numbers = {r: n for n, r in enumerate(dict.fromkeys(roots))}
    of = {name: torch.tensor([numbers[roots[i]] for i in channels(name)]) for name in graph.points}
    free = torch.tensor([r not in stuck for r in numbers])
    return ChannelClasses(of, free)


def _rescaled(weight: Tensor, made: Tensor, read: Tensor, outputs: int, groups: int) -> Tensor:
    """A weight that gives each output channel times its factor, of inputs times theirs.

    Args:
        weight: (O, I / groups, ...), or transposed (I, O / groups, ...).
        made: (O,) factors of the outputs.
        read: (I,) factors of the inputs.
        outputs: 0, or 1 where it is transposed.
        groups: Of channels that don't see each other.
    """
    parts = weight.reshape(groups, weight.shape[0] // groups, weight.shape[1], -1)
    into, out = read.reshape(groups, -1), made.reshape(groups, -1)
    if outputs == 0:
        parts = parts * out[:, :, None, None] / into[:, None, :, None]
    else:
        parts = parts * out[:, None, :, None] / into[:, :, None, None]
    return parts.reshape(weight.shape)


def _passes_any(graph: NetworkGraph, weights: Mapping[str, Tensor], point: Point) -> bool:
    """A convolution of its own weights, a ReLU behind it or nothing: it takes any factors of its
    inputs' channels, and gives any to its outputs'.

    Linear layers and matrix products do the same along the last dimension, so only where that is
    the channels'.
    """
    operation = graph.operation_of_maker(point.name)
    if operation not in {"conv2d", "conv_transpose2d", "linear"} or not graph.owns_weights(point):
        return False
    if point.weight not in weights or graph.operation(point.name) not in {operation, "relu"}:
        return False
    sources = graph.sources(point.name)
    return len(sources) == 1 and (operation != "linear" or len(graph.shape_of(point.name)) == 2)


def _passing(graph: NetworkGraph, point: Point) -> str:
    """How factors go from a point's sources to it: along dimension 1, where channels are."""
    operation = graph.operation(point.name)
    sources = graph.sources(point.name)
    rank = len(graph.shape_of(point.name))
    if point.kind == "conv" or any(len(graph.shape_of(s)) != rank for s in sources):
        return "stuck"
    if operation in {"cat", "concat"}:
        args, kwargs = graph.arguments(point.name)
        dimension = args[1] if len(args) > 1 else kwargs.get("dim", 0)
        return "joined" if dimension % rank == 1 else "stuck"
    if point.kind == "sum":
        # A constant that is added has no factor.
        return "same" if len(sources) == 2 and operation in {"add", "sub", "relu"} else "stuck"
    homogeneous = {"max_pool2d", "avg_pool2d", "upsample_bilinear2d", "upsample_nearest2d"}
    passed = {"dropout", "clone", "contiguous", "alias", "detach", "relu"}
    return "same" if operation in homogeneous | passed and len(sources) == 1 else "stuck"
