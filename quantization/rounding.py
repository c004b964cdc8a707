"""Rounding weights so that a convolution's result changes least, and biases by what is left.

Rounding each weight to the nearest integer is the best choice for each weight, and far from it
for their sum: neighbouring pixels and channels of a feature map are alike, so an error made at
one tap can be taken back at another. Frantar et al. ("GPTQ: Accurate post-training quantization
for generative pre-trained transformers", ICLR 2023, section 3; after LeCun's Optimal Brain
Surgeon) round one input after the other and let the remaining ones make up for the error, in the
metric of the inputs' covariance on calibration photos. Here for convolutions: an input is a tap
of a channel, and the covariance is of patches at random positions.

The mean of what is left goes into the bias (Nagel et al., ICCV 2019, section 4.2).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from .graph import NetworkGraph, Point
from .weight_grids import LARGEST_WEIGHT, weight_scale

__all__ = ["PatchCollector", "PatchStatistics", "compensated"]

# Inputs of one convolution that are rounded together; more are split by channels.
_MOST_INPUTS = 1600
# So many patches tell a covariance of that size well enough.
_PATCHES = 8192
_DAMPING = 0.01
_ATTEMPTS = 20


@dataclass
class PatchStatistics:
    """What a convolution sees, over all calibration photos.

    Attributes:
        count: Patches.
        total: (D,) their sum, D = channels x taps.
        products: For each chunk of channels, (d, d) sum of outer products.
    """

    count: int
    total: Tensor
    products: list[Tensor]

    @property
    def mean(self) -> Tensor:
        """(D,) mean patch."""
        return self.total / max(self.count, 1)


class PatchCollector:
    """Gathers statistics for each dense convolution that owns its weights, in one pass.

    Args:
        graph: The network.
        weights: Values by path.
        count: How many photos there will be.
        seed: Of the positions.
    """

    def __init__(
        self, graph: NetworkGraph, weights: Mapping[str, Tensor], count: int, seed: int
    ) -> None:
        self.graph, self.weights = graph, weights
        self.found: dict[str, PatchStatistics] = {}
        self._draw = np.random.default_rng(seed)
        self._each = max(32, _PATCHES // max(count, 1))
        self._wanted: dict[str, list[Point]] = {}
        for point in graph.points.values():
            if point.weight and _is_dense(graph, weights, point):
                self._wanted.setdefault(graph.sources(point.name)[0], []).append(point)

    def collect(self, name: str, value: Tensor) -> None:
        """Take in one photo's value (1, C, H, W) of a point."""
        for point in self._wanted.get(name, ()):
            weight = self.weights[point.weight]
            patches = _patches(self.graph, point, weight, value, self._each, self._draw)
            _add(self.found, point.weight, patches, weight)

    def rescale(self, factors: Mapping[str, Tensor]) -> None:
        """As if the channels of each point had been multiplied by factors (C,)."""
        for name, points in self._wanted.items():
            for point in points:
                seen, weight = self.found[point.weight], self.weights[point.weight]
                by_input = factors[name].repeat_interleave(weight.shape[2] * weight.shape[3])
                seen.total *= by_input
                sizes = [len(product) for product in seen.products]
                pieces = by_input.split(sizes)
                seen.products = [
                    product * piece[:, None] * piece[None]
                    for product, piece in zip(seen.products, pieces, strict=True)
                ]


def compensated(
    weights: Mapping[str, Tensor],
    statistics: Mapping[str, PatchStatistics],
    biases: Mapping[str, str],
    largest_pair: int,
    watch: Callable[[int, int], None],
) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """Weights on their grids, and biases that make up for what is left.

    Args:
        weights: Values by path.
        statistics: Of a `PatchCollector`.
        biases: For a weight's path, its bias's.
        largest_pair: What two weights of one sign in an output channel may add up to, in steps.
        watch: Told how many of how many are done.

    Returns:
        The changed values, and by path the (O,) scales of the grids. A channel's largest weight
        may have become smaller than 127 steps, so its scale can't be told from it any more.
    """
    changed, scales = dict(weights), {}
    for position, (path, seen) in enumerate(statistics.items()):
        watch(position, len(statistics))
        weight = weights[path]
        flat = weight.flatten(1).double()
        scale = weight_scale(weight, 0, largest_pair).double()
        bounds = _Bounds(largest_pair, torch.zeros_like(scale), torch.zeros_like(scale))
        parts = []
        start = 0
        mean = seen.mean.double()
        for products in seen.products:
            stop = start + len(products)
            center = mean[start:stop]
            covariance = products.double() / seen.count - torch.outer(center, center)
            parts.append(_round_in_turn(flat[:, start:stop], scale, covariance, bounds))
            start = stop
        grid = torch.cat(parts, 1)
        scales[path] = scale.float()
        changed[path] = grid.reshape(weight.shape).float()
        if path in biases:
            left = (flat - grid) @ mean
            changed[biases[path]] = (weights[biases[path]].double() + left).float()
    return changed, scales


def _inverse_factor(covariance: Tensor, damping: float) -> Tensor:
    """The upper Cholesky factor of the inverse of a damped (d, d) covariance.

    Where inputs hardly vary (a map of a few pixels), the rounding of float32 sums is larger than
    their variance, and the matrix not positive definite: then the damping grows until it is.
    """
    same = torch.eye(len(covariance), dtype=covariance.dtype)
    for _ in range(_ATTEMPTS):
        lower, failed = torch.linalg.cholesky_ex(covariance + damping * same)
        if not failed:
            factor: Tensor
            factor, failed = torch.linalg.cholesky_ex(torch.cholesky_inverse(lower), upper=True)
            if not failed:
                return factor
        damping *= 10
    return same  # rounded to the nearest, one by one


@dataclass
class _Bounds:
    """What the next weight of each output channel may be: of two of one sign that would be too
    large a pair, the later one gives way, and those behind it make up for that, too.

    Attributes:
        pair: What two may add up to, in steps.
        highest: (O,) the largest weight so far, or 0.
        lowest: (O,) the smallest so far, or 0.
    """

    pair: int
    highest: Tensor
    lowest: Tensor

    def hold(self, steps: Tensor) -> Tensor:
        """Steps (O,), cut off where they must be, and remembered."""
        most = (self.pair - self.highest).clamp_(max=LARGEST_WEIGHT)
        least = (-self.pair - self.lowest).clamp_(min=-LARGEST_WEIGHT)
        held = torch.maximum(torch.minimum(steps, most), least)
        self.highest = torch.maximum(self.highest, held)
        self.lowest = torch.minimum(self.lowest, held)
        return held


def _round_in_turn(weight: Tensor, scale: Tensor, covariance: Tensor, bounds: _Bounds) -> Tensor:
    """(O, d) on the grid of (O,) scales, for inputs of that (d, d) covariance."""
    count = len(covariance)
    power = covariance.diagonal().clamp(min=0)
    damping = _DAMPING * float(power.mean()) + 1e-12
    # What varies most is rounded first, while the most can still make up for it.
    order = power.argsort(descending=True, stable=True)
    factor = _inverse_factor(covariance[order][:, order], damping)
    open_weights = weight[:, order].t().contiguous()  # (d, O): rows are contiguous
    rounded = torch.empty_like(open_weights)
    block = 64
    for start in range(0, count, block):
        stop = min(start + block, count)
        errors = torch.empty(stop - start, weight.shape[0], dtype=torch.float64)
        for i in range(start, stop):
            now = open_weights[i]
            steps = bounds.hold((now / scale).round_())
            rounded[i] = steps * scale
            error = (now - rounded[i]) / factor[i, i]
            errors[i - start] = error
            if i + 1 < stop:
                open_weights[i + 1 : stop] -= factor[i, i + 1 : stop, None] * error
        open_weights[stop:] -= factor[start:stop, stop:].t() @ errors
    result = torch.empty_like(rounded)
    result[order] = rounded
    return result.t()


def _is_dense(graph: NetworkGraph, weights: Mapping[str, Tensor], point: Point) -> bool:
    if graph.operation_of_maker(point.name) != "conv2d" or not graph.owns_weights(point):
        return False
    sources = graph.sources(point.name)
    if len(sources) != 1 or graph.window(point.name) is None:
        return False
    return weights[point.weight].shape[1] == graph.channels(sources[0])


def _patches(
    graph: NetworkGraph,
    point: Point,
    weight: Tensor,
    value: Tensor,
    each: int,
    draw: np.random.Generator,
) -> Tensor:
    """(each, D) patches of a feature map (1, C, H, W), as the convolution sees them."""
    window = graph.window(point.name)
    assert window is not None  # noqa: S101  # `_is_dense` leaves out those that have none
    stride, padding, dilation = window
    rows, columns = weight.shape[2:]
    padded = F.pad(value[0], (padding[1], padding[1], padding[0], padding[0]))
    tall = (padded.shape[1] - dilation[0] * (rows - 1) - 1) // stride[0] + 1
    wide = (padded.shape[2] - dilation[1] * (columns - 1) - 1) // stride[1] + 1
    top = torch.from_numpy(draw.integers(tall, size=each)) * stride[0]
    left = torch.from_numpy(draw.integers(wide, size=each)) * stride[1]
    y = top[:, None, None] + torch.arange(rows)[None, :, None] * dilation[0]
    x = left[:, None, None] + torch.arange(columns)[None, None, :] * dilation[1]
    taken = padded[:, y.to(padded.device), x.to(padded.device)]  # (C, each, rows, columns)
    return taken.permute(1, 0, 2, 3).reshape(each, -1).float().cpu()


def _add(found: dict[str, PatchStatistics], path: str, patches: Tensor, weight: Tensor) -> None:
    taps = weight.shape[2] * weight.shape[3]
    size = max(1, _MOST_INPUTS // taps) * taps
    chunks = patches.split(size, 1)
    products = [chunk.t() @ chunk for chunk in chunks]
    if path not in found:
        found[path] = PatchStatistics(len(patches), patches.sum(0), products)
        return
    seen = found[path]
    seen.count += len(patches)
    seen.total += patches.sum(0)
    seen.products = [old + new for old, new in zip(seen.products, products, strict=True)]
