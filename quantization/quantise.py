"""Quantising a network by a recipe: exact rewrites, ranges, rounding, and what came of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from ..errors import ExportError
from ..models.prepared import PreparedMask, copied
from .encodings import Encoding, QuantizedNetwork, QuantizedTensor, Statistics, statistics_of
from .equalisation import equalise
from .graph import NetworkGraph, capture
from .photo_input import pass_bytes
from .ranges import RangeHistogram, estimate, histograms
from .recipe import Recipe
from .rounding import compensated, patch_statistics
from .simulation import Simulation, weight_scale

__all__ = ["Watch", "quantise", "simulated"]

# What is being done, and how much of how much is done.
Watch = Callable[[str, int, int], None]
# sigmoid(+-8) is 0.99966 and 0.00034: the bytes 255 and 0.
_SATURATION = 8.0
# Far from where 32 bits end, so that a convolution's sum has room beside it.
_LARGEST_BIAS = 2.0**26
# A pixel's byte is its real value times 255, on both sides of a file.
_BYTE = Encoding(1 / 255, -128)


def quantise(
    view: PreparedMask,
    photos: NDArray[np.uint8],
    calibration: str,
    recipe: Recipe,
    watch: Watch = lambda text, done, total: None,
    device: str = "cpu",
) -> tuple[QuantizedNetwork, nn.Module]:
    """Quantise a prepared view, which is left as it is.

    Args:
        view: The exported view of a network.
        photos: (N, 3, H, W) RGB bytes of the calibration set, at least one.
        calibration: SHA-256 of the photos, for the record.
        recipe: How.
        watch: Told what is being done.
        device: Where the network runs.

    Returns:
        The numbers, and the rewritten view in float, whose state dict is the numbers' weights:
        the graph that every format is made from.

    Raises:
        ExportError: There are no photos.
        NetworkError: The network's graph can't be captured.
    """
    if not len(photos):
        raise ExportError(
            "There are no calibration photos.", "Give a folder of them: --calibration DIR."
        )
    rewritten = copied(view).to(device)
    shape = (1, *photos.shape[1:])
    watch("capturing the graph", 0, 0)
    graph = capture(rewritten, shape)
    fixed: dict[str, Encoding] = {}
    if recipe.pass_bytes:
        encoding = pass_bytes(rewritten, graph)
        if encoding is not None:
            graph = capture(rewritten, shape)
            first = graph.readers[next(iter(graph.points))][0]
            fixed[first.group] = encoding
    weights = _weights(rewritten)
    held = [p.name for g in fixed for p in graph.groups[g]]
    batches = _Photos(photos, device, watch)
    if recipe.equalise > 0:
        peaks = _peaks(graph, weights, batches.telling("evening out channels"))
        weights = equalise(graph, weights, peaks, recipe.equalise, held)
    seen = histograms(graph, weights, batches.telling("measuring ranges"), recipe.ranges)
    encodings = {**_encodings(graph, seen, recipe), **fixed}
    quantised = _quantised_weights(graph, recipe)
    if recipe.rounding == "compensated":
        statistics = patch_statistics(
            graph, weights, batches.telling("measuring patches"), len(photos), recipe.seed
        )
        statistics = {path: seen for path, seen in statistics.items() if path in quantised}
        biases = {p.weight: p.bias for p in graph.points.values() if p.weight and p.bias}
        weights = compensated(
            weights, statistics, biases, lambda i, n: watch("rounding weights", i, n)
        )
    scales = _settled(graph, weights, encodings, quantised)
    rewritten.load_state_dict(weights)
    rewritten.to("cpu")
    network = QuantizedNetwork(
        recipe=recipe,
        calibration=calibration,
        tensors=_tensors(graph, weights, encodings, recipe, batches.first()),
        weights={path: value.cpu() for path, value in weights.items()},
        weight_scales=scales,
        logits=graph.logits,
        probe=photos[0],
        report={},
    )
    return network, rewritten


def simulated(network: QuantizedNetwork, view: nn.Module, shape: tuple[int, ...]) -> Simulation:
    """A network that rounds as the files will.

    Args:
        network: The numbers.
        view: The rewritten view that came with them.
        shape: (N, 3, H, W) of the photos that it will be given.
    """
    batch, channels, height, width = shape
    graph = capture(view, (batch, channels, height, width))
    encodings, in_float = {}, set()
    for name, tensor in network.tensors.items():
        if tensor.encoding is None:
            in_float.add(name)
        else:
            encodings[graph.points[name].group] = tensor.encoding
    return Simulation(
        graph,
        network.weights,
        encodings,
        frozenset(network.weight_scales),
        frozenset(in_float),
    )


@dataclass(frozen=True)
class _Photos:
    pixels: NDArray[np.uint8]
    device: str
    watch: Watch

    def telling(self, text: str) -> Iterator[Tensor]:
        """Each photo (1, 3, H, W) in [0, 1], while ``watch`` is told how far it is."""
        for number in range(len(self.pixels)):
            self.watch(text, number, len(self.pixels))
            yield self._photo(number)

    def first(self) -> Tensor:
        return self._photo(0)

    def _photo(self, number: int) -> Tensor:
        pixels = torch.from_numpy(np.ascontiguousarray(self.pixels[number]))[None]
        photo = pixels.to(self.device).float() / 255
        return photo.to(memory_format=torch.channels_last)


def _weights(view: nn.Module) -> dict[str, Tensor]:
    return {name: value.detach().clone() for name, value in view.state_dict().items()}


def _peaks(
    graph: NetworkGraph, weights: dict[str, Tensor], photos: Iterator[Tensor]
) -> dict[str, Tensor]:
    """For each point, the largest magnitude of each channel."""
    found: dict[str, Tensor] = {}

    def keep(name: str, value: Tensor) -> Tensor:
        kept = [d for d in range(value.ndim) if d != 1]
        peak = value.abs().amax(kept).cpu() if value.ndim > 1 else value.abs().amax()[None].cpu()
        found[name] = torch.maximum(found[name], peak) if name in found else peak
        return value

    with torch.no_grad():
        for photo in photos:
            graph.run(photo, keep, weights)
    return found


def _encodings(
    graph: NetworkGraph, seen: dict[str, RangeHistogram], recipe: Recipe
) -> dict[str, Encoding]:
    """By group."""
    found = {}
    for group, points in graph.groups.items():
        low, high = estimate(seen[group], recipe.ranges, recipe.percentile)
        found[group] = Encoding.of_range(low, high, recipe.activation_bits)
        demanded = [p.fixed for p in points if p.fixed is not None]
        if demanded:
            found[group] = Encoding(*demanded[0])
    for name in (next(iter(graph.points)), graph.mask):
        found[graph.points[name].group] = _BYTE
    if recipe.wide_tail and graph.operation(graph.mask) == "sigmoid":
        found.update(_clipped_ends(graph, seen, recipe))
    return found


def _clipped_ends(
    graph: NetworkGraph, seen: dict[str, RangeHistogram], recipe: Recipe
) -> dict[str, Encoding]:
    """The last convolutions' ranges, without what the sigmoid can't show.

    Where logits are a sum of several, one of them may be clipped where all others together
    can't bring the sum back to where the sigmoid moves.
    """
    ends = [p for p in graph.points.values() if p.tail and p.kind == "conv"]
    others_pass = all(
        p.kind in {"conv", "sum"} or graph.operation(p.name).startswith("upsample")
        for p in graph.points.values()
        if p.tail and p.name != graph.mask
    )
    if not others_pass:
        return {}
    found = {}
    reach = {p.name: max(-seen[p.group].minimum, seen[p.group].maximum) for p in ends}
    for end in ends:
        low, high = estimate(seen[end.group], recipe.ranges, recipe.percentile)
        limit = _SATURATION + sum(reach.values()) - reach[end.name]
        found[end.group] = Encoding.of_range(
            max(low, -limit), min(high, limit), recipe.activation_bits
        )
    return found


def _quantised_weights(graph: NetworkGraph, recipe: Recipe) -> set[str]:
    return {p.weight for p in graph.points.values() if p.weight and not recipe.is_float(p.module)}


def _settled(
    graph: NetworkGraph,
    weights: dict[str, Tensor],
    encodings: dict[str, Encoding],
    quantised: set[str],
) -> dict[str, Tensor]:
    """Put weights on their grids, in place; the grids' scales by path."""
    scales = {}
    for point in graph.points.values():
        path = point.weight
        if path not in quantised or path in scales:
            continue
        scale = weight_scale(weights[path])
        if point.bias and len(weights[point.bias]) == len(scale):
            # A bias is stored in 32 bits, in steps of input scale times weight scale. Where
            # weights are all but 0, that grid would be too fine for it.
            source = encodings[graph.points[graph.sources(point.name)[0]].group].scale
            scale = torch.maximum(scale, weights[point.bias].abs() / (source * _LARGEST_BIAS))
        around = scale.reshape(-1, *[1] * (weights[path].ndim - 1))
        weights[path] = (weights[path] / around).round() * around
        scales[path] = scale.cpu()
    return scales


def _tensors(
    graph: NetworkGraph,
    weights: dict[str, Tensor],
    encodings: dict[str, Encoding],
    recipe: Recipe,
    probe: Tensor,
) -> dict[str, QuantizedTensor]:
    measured: dict[str, Statistics] = {}

    def measure(name: str, value: Tensor) -> Tensor:
        measured[name] = statistics_of(value)
        return value

    with torch.no_grad():
        graph.run(probe, measure, weights)
    return {
        point.name: QuantizedTensor(
            name=point.name,
            kind=point.kind,
            operation=graph.operation_of_maker(point.name),
            module=point.module,
            shape=graph.shape_of(point.name),
            encoding=None if _stays_wide(graph, recipe, point.name) else encodings[point.group],
            statistics=measured[point.name],
            weight=point.weight,
            bias=point.bias,
            sources=tuple(graph.sources(point.name)),
            tail=point.tail,
            rectified=point.rectified,
        )
        for point in graph.points.values()
    }


def _stays_wide(graph: NetworkGraph, recipe: Recipe, name: str) -> bool:
    point = graph.points[name]
    if recipe.wide_tail and point.tail and point.kind != "conv" and name != graph.mask:
        return True
    readers: Sequence[Any] = graph.readers[name]
    # A float module's result is rounded where a quantised one reads it.
    return (
        recipe.is_float(point.module)
        and bool(readers)
        and all(recipe.is_float(reader.module) for reader in readers)
    )
