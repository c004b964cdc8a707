"""A network as a recipe rewrites it, and the ranges of what its integers stand for."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import product
from typing import cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..errors import ExportError
from ..models.prepared import PreparedMask, copied
from .activation_encodings import activation_encodings
from .drawing import Watch, as_input, counting, draw
from .encodings import Encoding
from .equalization import equalize
from .float_parts import check_float_modules, in_float
from .graph import NetworkGraph, capture
from .photo_input import pass_bytes
from .ranges import RangeHistogram, histograms
from .recipe import Recipe
from .rounding import PatchCollector, compensated
from .simulation import Simulation
from .suitability import LIGHTS, VARIED, evenly_spaced
from .weight_grids import on_grid, weight_scale

__all__ = ["Measured", "measure"]

# Far from where 32 bits end, so that a convolution's sum has room beside it.
_LARGEST_BIAS = 2.0**26
# Photos that ranges are tried on; and the mean absolute error of a mask from which others are
# tried, too. U²-Net's is 0.001 by extremes (clipping loses, benchmarks/quantization.md), IS-Net's
# at 1024x1024 0.08 by extremes and 0.002 by a percentile.
_TRIED, _LITTLE = 4, 0.005


@dataclass(frozen=True)
class Measured:
    """A network in float, as a recipe rewrites it, and what its integers will stand for.

    Attributes:
        recipe: Which, ``auto`` ranges decided.
        view: The rewritten view; its own weights are older than ``weights``.
        graph: Of the view, for one photo.
        weights: By path in the view's state dict.
        encodings: By group of the graph.
        patches: What convolutions have read, where the rounding wants to know.
        relit: Its ranges are also those of photos in other light.
    """

    recipe: Recipe
    view: PreparedMask
    graph: NetworkGraph
    weights: dict[str, Tensor]
    encodings: dict[str, Encoding]
    patches: PatchCollector | None
    relit: bool

    @cached_property
    def floats(self) -> frozenset[str]:
        """Names of the points that are computed in float."""
        return in_float(self.graph, self.recipe)

    @cached_property
    def wide(self) -> frozenset[str]:
        """Names of the points that are not rounded."""
        return frozenset(name for name in self.graph.points if self._stays_wide(name))

    @cached_property
    def stored(self) -> dict[str, Encoding | None]:
        """What each point's integers stand for; None where it isn't rounded."""
        return {
            name: None if name in self.wide else self.encodings[point.group]
            for name, point in self.graph.points.items()
        }

    def _stays_wide(self, name: str) -> bool:
        # What is in float is rounded where something in integers reads it.
        readers = self.graph.readers[name]
        return self._in_wide_tail(name) or (
            name in self.floats
            and bool(readers)
            and all(r.name in self.floats or self._in_wide_tail(r.name) for r in readers)
        )

    def _in_wide_tail(self, name: str) -> bool:
        point = self.graph.points[name]
        behind = point.tail and point.kind != "conv" and name != self.graph.mask
        return self.recipe.wide_tail and behind

    def rounded(self, watch: Watch) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        """The weights, those of integer modules on their grids; and the grids' scales."""
        quantized = _quantized_weights(self.graph, self.recipe)
        weights = dict(self.weights)
        scales: dict[str, Tensor] = {}
        if self.patches is not None:
            found = {path: seen for path, seen in self.patches.found.items() if path in quantized}
            biases = {p.weight: p.bias for p in self.graph.points.values() if p.weight and p.bias}
            weights, scales = compensated(
                weights,
                found,
                biases,
                self.recipe.largest_pair,
                lambda i, n: watch("rounding weights", i, n),
            )
        scales = _settled(self, weights, quantized, scales)
        return weights, scales


def measure(
    view: PreparedMask,
    photos: NDArray[np.uint8],
    recipe: Recipe,
    watch: Watch = lambda text, done, total: None,
    device: str = "cpu",
) -> Measured:
    """Rewrite a copy of a view exactly, and find its ranges; as `quantize` begins.

    Raises:
        ExportError: There are no photos.
        NetworkError: The network's graph can't be captured.
        UsageError: The recipe names a module that is not there.
    """
    if recipe.ranges != "auto":
        return _measured(view, photos, recipe, watch, device)
    widest = _measured(view, photos, replace(recipe, ranges="min-max"), watch, device)
    few = photos[evenly_spaced(len(photos), _TRIED)]
    tell = counting(watch, "trying the ranges", len(few))
    truths = draw(lambda photo: widest.graph.run(photo, None, widest.weights), few, tell, device)
    lost = _lost(widest, few, truths, device)
    if lost <= _LITTLE:
        return widest
    clipping = replace(recipe, ranges="percentile", relit=False)
    clipped = _measured(view, photos, clipping, watch, device)
    return clipped if _lost(clipped, few, truths, device) < lost else widest


def _measured(
    view: PreparedMask, photos: NDArray[np.uint8], recipe: Recipe, watch: Watch, device: str
) -> Measured:
    """`measure` by a recipe whose ranges are decided."""
    if not len(photos):
        raise ExportError(
            "There are no calibration photos.", "Give a folder of them: --calibration DIR."
        )
    rewritten = cast("PreparedMask", copied(view))
    shape = (1, *photos.shape[1:])
    watch("capturing the graph", 0, 0)
    graph = capture(rewritten, shape)
    check_float_modules(graph, recipe)
    fixed: dict[str, Encoding] = {}
    if recipe.pass_bytes:
        encoding = pass_bytes(rewritten, graph)
        if encoding is not None:
            graph = capture(rewritten, shape)
            first = graph.readers[next(iter(graph.points))][0]
            fixed[first.group] = encoding
    weights = {name: value.detach().clone() for name, value in rewritten.state_dict().items()}
    held = [p.name for g in fixed for p in graph.groups[g]]
    batches = _Photos(photos, device, watch)
    survey = _Survey(graph, weights, recipe, len(photos))
    survey.watch(batches.telling("measuring"))
    relit = recipe.relit and len(photos) < VARIED
    if relit:
        survey.watch(batches.relit("measuring in other light"), ranges_only=True)
    if recipe.equalize > 0:
        weights, factors = equalize(graph, weights, survey.peaks(), recipe.equalize, held)
        survey.rescale(factors)
    seen = survey.ranges()
    if recipe.ranges != "min-max":
        seen = histograms(graph, weights, batches.telling("counting values"))
    encodings = {**activation_encodings(graph, seen, recipe), **fixed}
    return Measured(recipe, rewritten, graph, weights, encodings, survey.patches, relit)


def _lost(measured: Measured, photos: NDArray[np.uint8], truths: Tensor, device: str) -> float:
    """The mean absolute error of photos' masks, in [0, 1], weights each to the nearest."""
    weights = dict(measured.weights)
    _settled(measured, weights, _quantized_weights(measured.graph, measured.recipe), {})
    rounding = Simulation(measured.graph, weights, measured.stored)
    return float((draw(rounding, photos, device=device) - truths).abs().mean())


@dataclass(frozen=True)
class _Photos:
    pixels: NDArray[np.uint8]
    device: str
    watch: Watch

    def telling(self, text: str) -> Iterator[Tensor]:
        """Each photo (1, 3, H, W) in [0, 1], while ``watch`` is told how far it is."""
        for number in range(len(self.pixels)):
            self.watch(text, number, len(self.pixels))
            yield as_input(self.pixels[number], self.device)

    def relit(self, text: str) -> Iterator[Tensor]:
        """Each photo, darker and brighter, while ``watch`` is told how far it is."""
        numbers = range(len(self.pixels))
        total = len(numbers) * len(LIGHTS)
        for done, (number, light) in enumerate(product(numbers, LIGHTS)):
            self.watch(text, done, total)
            yield (as_input(self.pixels[number], self.device) * light).clamp_(0, 1)


class _Survey:
    """What one pass over the photos tells of the float network."""

    def __init__(
        self, graph: NetworkGraph, weights: dict[str, Tensor], recipe: Recipe, count: int
    ) -> None:
        self.graph, self.weights = graph, weights
        self.patches = (
            PatchCollector(graph, weights, count, recipe.seed)
            if recipe.rounding == "compensated"
            else None
        )
        # For each point, the smallest and the largest value of each channel.
        self._ends: dict[str, tuple[Tensor, Tensor]] = {}

    def watch(self, photos: Iterator[Tensor], ranges_only: bool = False) -> None:
        """Take in the ranges of photos, and unless ``ranges_only`` what convolutions read."""
        with torch.no_grad():
            for photo in photos:
                self.graph.run(photo, self._measure if ranges_only else self._take, self.weights)

    def _take(self, name: str, value: Tensor) -> Tensor:
        if self.patches is not None:
            self.patches.collect(name, value)
        return self._measure(name, value)

    def _measure(self, name: str, value: Tensor) -> Tensor:
        others = [d for d in range(value.ndim) if d != 1] if value.ndim > 1 else [0]
        low, high = value.amin(others).cpu(), value.amax(others).cpu()
        if name in self._ends:
            known = self._ends[name]
            low, high = torch.minimum(low, known[0]), torch.maximum(high, known[1])
        self._ends[name] = (low, high)
        return value

    def peaks(self) -> dict[str, Tensor]:
        """For each point, the largest magnitude of each channel."""
        return {k: torch.maximum(-low, high).clamp(min=0) for k, (low, high) in self._ends.items()}

    def rescale(self, factors: dict[str, Tensor]) -> None:
        """As if each channel had been multiplied by its factor from the beginning."""
        self._ends = {k: (a * factors[k], b * factors[k]) for k, (a, b) in self._ends.items()}
        if self.patches is not None:
            self.patches.rescale(factors)

    def ranges(self) -> dict[str, RangeHistogram]:
        """For each group, its extremes."""
        found = {group: RangeHistogram() for group in self.graph.groups}
        for name, (low, high) in self._ends.items():
            histogram = found[self.graph.points[name].group]
            histogram.widen_to(torch.stack((low.min(), high.max())))
        return found


def _quantized_weights(graph: NetworkGraph, recipe: Recipe) -> set[str]:
    return {p.weight for p in graph.points.values() if p.weight and not recipe.is_float(p.module)}


def _settled(
    network: Measured,
    weights: dict[str, Tensor],
    quantized: set[str],
    known: dict[str, Tensor],
) -> dict[str, Tensor]:
    """Put weights on their grids, in place; the grids' scales by path.

    Args:
        network: Whose weights they are.
        weights: By path; changed.
        quantised: Paths of the weights that have a grid.
        known: Grids that weights lie on already.
    """
    graph, pair = network.graph, network.recipe.largest_pair
    scales: dict[str, Tensor] = {}
    for point in graph.points.values():
        path = point.weight
        if path not in quantized or path in scales:
            continue
        scale = known.get(path)
        if scale is None:
            scale = weight_scale(weights[path], point.outputs, pair)
        if point.bias and len(weights[point.bias]) == len(scale):
            # A bias is stored in 32 bits, in steps of input scale times weight scale. Where
            # weights are all but 0, that grid would be too fine for it.
            source = network.encodings[graph.points[graph.sources(point.name)[0]].group].scale
            scale = torch.maximum(scale, weights[point.bias].abs() / (source * _LARGEST_BIAS))
        weights[path] = on_grid(weights[path], scale, point.outputs, pair)
        scales[path] = scale
    return scales
