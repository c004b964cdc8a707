"""Ranges of activations from what calibration photos show.

One pass over the photos, bounded memory, and the same result in any order of the photos: a
histogram's bins are multiples of a power of two, and when a value lies beyond the last bin, pairs
of bins merge exactly into bins of twice the width.

Estimators: the extremes; a percentile of the values; the range of least mean squared error
(clipping against rounding, as in Banner et al., NeurIPS 2019, but by search instead of a fitted
distribution); the range of least Kullback-Leibler divergence (Migacz, "8-bit inference with
TensorRT", GTC 2017).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable

import torch
from torch import Tensor

from .graph import NetworkGraph
from .recipe import Ranges

__all__ = ["RangeHistogram", "estimate", "histograms"]

# Bins on each side of 0. A range of 255 steps then has at least 8 bins a step.
_BINS = 4096
_STEPS = 255


class RangeHistogram:
    """How often values occur.

    Attributes:
        minimum: Smallest value, 0 where none is below.
        maximum: Largest value, 0 where none is above.
    """

    def __init__(self) -> None:
        self.minimum = 0.0
        self.maximum = 0.0
        self._exponent: int | None = None
        self._counts = torch.zeros(2 * _BINS, dtype=torch.int64)

    @property
    def counts(self) -> Tensor:
        """(B,) values in each bin, the bins around 0."""
        return self._counts

    @property
    def edges(self) -> Tensor:
        """(B + 1,) where bins begin and end."""
        width = 2.0 ** (self._exponent or 0)
        return torch.arange(-_BINS, _BINS + 1, dtype=torch.float64) * width

    def widen_to(self, values: Tensor) -> None:
        """Take in the extremes of a tensor of any shape, without counting it."""
        low, high = (float(end) for end in torch.aminmax(values.detach()))
        self.minimum, self.maximum = min(self.minimum, low), max(self.maximum, high)

    def add(self, values: Tensor) -> None:
        """Count the values of a tensor of any shape."""
        self.widen_to(values)
        peak = float(values.detach().abs().max())
        if peak == 0.0:
            return
        # The smallest power of two with which the peak lies inside the last bin.
        needed = math.floor(math.log2(peak / _BINS)) + 1
        if self._exponent is None:
            self._exponent = needed
        while self._exponent < needed:
            self._widen()
        reach = _BINS * 2.0**self._exponent
        flat = values.detach().float().reshape(-1)
        # A power of two divides exactly, so bins are the same however often they were merged.
        # histc counts in float32, which is exact up to 2^24 values.
        for part in flat.split(1 << 24):
            counts = torch.histc(part, 2 * _BINS, -reach, reach)
            self._counts += counts.to("cpu", torch.int64)

    def _widen(self) -> None:
        pairs = self._counts.reshape(_BINS, 2).sum(1)
        self._counts = torch.zeros_like(self._counts)
        self._counts[_BINS // 2 : _BINS // 2 + _BINS] = pairs
        assert self._exponent is not None  # noqa: S101  # only called with one
        self._exponent += 1


def histograms(
    graph: NetworkGraph, weights: dict[str, Tensor], photos: Iterable[Tensor]
) -> dict[str, RangeHistogram]:
    """The values of each group of a graph, over photos of its shape.

    Values that are only moved, pooled or resized are not counted again.
    """
    found = {name: RangeHistogram() for name in graph.groups}

    def count(name: str, value: Tensor) -> Tensor:
        point = graph.points[name]
        if point.kind != "kept":
            found[point.group].add(value)
        return value

    with torch.no_grad():
        for photo in photos:
            graph.run(photo, count, weights)
    return found


def estimate(
    histogram: RangeHistogram, estimator: Ranges, percentile: float
) -> tuple[float, float]:
    """The range, lower and upper end, that an estimator gives."""
    if estimator == "min-max" or histogram.minimum == histogram.maximum:
        return histogram.minimum, histogram.maximum
    if estimator == "percentile":
        return _percentile(histogram, percentile)
    return _least(histogram, _COSTS[estimator])


def _percentile(histogram: RangeHistogram, percentile: float) -> tuple[float, float]:
    outside = (1 - percentile / 100) / 2
    share = histogram.counts.double().cumsum(0) / histogram.counts.sum()
    first = int((share > outside).nonzero()[0])
    last = int((share >= 1 - outside).nonzero()[0])
    low, high = float(histogram.edges[first]), float(histogram.edges[last + 1])
    return max(min(low, 0.0), histogram.minimum), min(max(high, 0.0), histogram.maximum)


def _least(
    histogram: RangeHistogram, cost: Callable[[Tensor, Tensor, float, float], float]
) -> tuple[float, float]:
    """The shrunk range of least cost; ends shrink one after the other."""
    centers = (histogram.edges[1:] + histogram.edges[:-1]) / 2
    share = histogram.counts.double() / histogram.counts.sum()
    low, high = histogram.minimum, histogram.maximum
    for _ in range(2):
        for end in (0, 1):
            options = [
                (low * k, high) if end == 0 else (low, high * k)
                for k in (1 - 0.02 * step for step in range(40))
            ]
            low, high = min(options, key=lambda r: cost(centers, share, *r))
    return low, high


def _squared_error(centers: Tensor, share: Tensor, low: float, high: float) -> float:
    clipped = ((centers - centers.clamp(low, high)) ** 2 * share).sum()
    inside = share[(centers >= low) & (centers <= high)].sum()
    return float(clipped + inside * ((high - low) / _STEPS) ** 2 / 12)


def _divergence(centers: Tensor, share: Tensor, low: float, high: float) -> float:
    step = max(high - low, 1e-12) / _STEPS
    codes = ((centers.clamp(low, high) - low) / step).round().long()
    mass = torch.zeros(_STEPS + 1, dtype=torch.float64).index_add_(0, codes, share)
    lit = (share > 0).double()
    bins = torch.zeros(_STEPS + 1, dtype=torch.float64).index_add_(0, codes, lit)
    # Each step's mass, spread evenly over the bins that it stands for.
    spread = (mass / bins.clamp(min=1))[codes] * lit
    inside = (centers >= low) & (centers <= high)
    spread = torch.where(inside, spread, torch.full_like(spread, 1e-12))
    seen = share > 0
    return float((share[seen] * (share[seen] / spread[seen].clamp(min=1e-12)).log()).sum())


_COSTS = {"mse": _squared_error, "kl": _divergence}
