"""Ranges come from all photos alike, in one pass, in any order."""

from __future__ import annotations

import pytest
import torch

from maskport.quantization.ranges import RangeHistogram, estimate


def histogram(parts: list[torch.Tensor]) -> RangeHistogram:
    found = RangeHistogram()
    for part in parts:
        found.add(part)
    return found


@pytest.fixture
def parts() -> list[torch.Tensor]:
    draw = torch.Generator().manual_seed(0)
    # Very different sizes, so that bins must merge on the way.
    return [torch.randn(5000, generator=draw) * size for size in (0.01, 3.0, 0.5, 40.0)]


@pytest.mark.parametrize("estimator", ["min-max", "percentile", "mse", "kl"])
def test_the_order_of_photos_does_not_matter(estimator: str, parts: list[torch.Tensor]) -> None:
    ranges = {
        estimate(histogram(order), estimator, 99.9)  # type: ignore[arg-type]
        for order in (parts, parts[::-1], [parts[i] for i in (2, 0, 3, 1)])
    }
    assert len(ranges) == 1


def test_nothing_is_lost_when_bins_merge(parts: list[torch.Tensor]) -> None:
    found = histogram(parts)
    assert int(found.counts.sum()) == sum(len(part) for part in parts)
    everything = torch.cat(parts).double()
    direct = torch.histogram(everything, found.edges).hist
    assert torch.equal(direct.long(), found.counts)


def test_extremes_are_exact(parts: list[torch.Tensor]) -> None:
    everything = torch.cat(parts)
    assert estimate(histogram(parts), "min-max", 100.0) == (
        float(everything.min()),
        float(everything.max()),
    )


@pytest.mark.parametrize("estimator", ["percentile", "mse", "kl"])
def test_a_rare_extreme_is_clipped(estimator: str) -> None:
    draw = torch.Generator().manual_seed(1)
    values = torch.cat((torch.rand(1_000_000, generator=draw), torch.tensor([30.0])))
    low, high = estimate(histogram([values]), estimator, 99.99)  # type: ignore[arg-type]
    assert low <= 0.0
    # One value in a million is 30 times the rest: 255 steps of 1/255 serve the rest better.
    assert 0.9 < high < 15.0


def test_a_tensor_that_is_always_empty_has_an_empty_range() -> None:
    assert estimate(histogram([torch.zeros(10)]), "mse", 99.99) == (0.0, 0.0)
