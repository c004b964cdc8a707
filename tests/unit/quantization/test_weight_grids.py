"""No two weights of one sign in an output channel are a larger pair than their grid allows."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from maskport.models.prepared import PreparedMask
from maskport.quantization.quantize import quantize
from maskport.quantization.recipe import RECIPES, Recipe
from maskport.quantization.weight_grids import (
    ANY_PAIR,
    LARGEST_WEIGHT,
    SAFE_PAIR,
    across,
    by_output,
    on_grid,
    pair_bounds,
    weight_scale,
)


def pairs(steps: Tensor, outputs: int) -> Tensor:
    """(O,) largest sum of two weights of one sign, by sorting."""
    channels = by_output(steps, outputs)
    if channels.shape[1] == 1:
        return channels[:, 0].abs()
    ascending = channels.sort(1).values
    return torch.maximum(
        ascending[:, -2:].clamp(min=0).sum(1), -ascending[:, :2].clamp(max=0).sum(1)
    )


def spread(seed: int) -> Tensor:
    """Weights of a few large and many small values, channels of different sizes."""
    generator = torch.Generator().manual_seed(seed)
    weight = torch.randn(6, 5, 3, 3, generator=generator) ** (1 + 2 * (seed % 2))
    return weight * torch.rand(6, 1, 1, 1, generator=generator)


def test_unsigned_bytes_times_a_safe_pair_fit_in_16_bits() -> None:
    limits = np.iinfo(np.int16)
    assert limits.min <= -255 * SAFE_PAIR
    assert limits.max >= 255 * SAFE_PAIR
    assert limits.max < 255 * (SAFE_PAIR + 1)


@pytest.mark.parametrize("outputs", [0, 1])
@pytest.mark.parametrize("pair", [SAFE_PAIR, 200, ANY_PAIR])
def test_weights_on_a_grid_hold_its_bounds(outputs: int, pair: int) -> None:
    for seed in range(50):
        weight = spread(seed)
        scale = weight_scale(weight, outputs, pair)
        steps = on_grid(weight, scale, outputs, pair) / across(scale, weight, outputs)
        assert torch.allclose(steps, steps.round(), atol=1e-3)
        assert steps.round().abs().max() <= LARGEST_WEIGHT
        assert pairs(steps.round(), outputs).max() <= pair
        # The smallest scale: each channel reaches one of the bounds, but for a rounding of two.
        largest = by_output(steps.round(), outputs).abs().amax(1)
        reached = (largest == LARGEST_WEIGHT) | (pairs(steps.round(), outputs) >= pair - 1)
        assert reached.all()


def test_without_a_bound_of_pairs_the_largest_weight_is_127_steps() -> None:
    weight = spread(0)
    expected = weight.abs().flatten(1).amax(1) / LARGEST_WEIGHT
    assert torch.allclose(weight_scale(weight, 0, ANY_PAIR), expected)


def test_one_large_weight_beside_small_ones_keeps_nearly_eight_bits() -> None:
    weight = torch.tensor([[[[1.0, 0.02, -1.0, -0.01]]]])
    scale = weight_scale(weight, 0, SAFE_PAIR)
    assert scale.item() == pytest.approx(1.02 / SAFE_PAIR)
    steps = on_grid(weight, scale, 0, SAFE_PAIR) / scale
    assert steps.round().flatten().tolist() == [125, 3, -125, -1]


def test_bounds_cut_the_larger_of_a_pair_first() -> None:
    steps = torch.tensor([[100.0, 40.0, -90.0, -80.0]])
    low, high = pair_bounds(steps, 0, SAFE_PAIR)
    assert torch.minimum(torch.maximum(steps, low), high).tolist() == [[88.0, 40.0, -64.0, -64.0]]


@pytest.mark.parametrize(
    "recipe",
    [
        RECIPES["best"],
        RECIPES["plain"],
        replace(RECIPES["best"], name="tuned", finetune=2),
        Recipe("nearest", equalize=0.4),
    ],
    ids=lambda recipe: recipe.name,
)
def test_every_recipe_gives_weights_that_cannot_saturate(
    recipe: Recipe,
    view: PreparedMask,
    photos: np.ndarray,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: pytest.TempPathFactory,
) -> None:
    monkeypatch.setenv("MASKPORT_CACHE", str(tmp_path))
    numbers, _ = quantize(view, photos[:3], recipe)
    assert numbers.weight_scales
    for path in numbers.weight_scales:
        steps = torch.from_numpy(numbers.integers(path)).int()
        assert pairs(steps, numbers.outputs(path)).max() <= SAFE_PAIR, path


class Odd(nn.Module):
    """Depthwise, transposed and linear: what no covariance rounds."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, 6, 3, padding=1)
        self.depthwise = nn.Conv2d(6, 6, 3, padding=1, groups=6)
        self.up = nn.ConvTranspose2d(6, 4, 2, stride=2)
        self.linear = nn.Linear(4, 1)

    def forward(self, x: Tensor) -> Tensor:
        x = torch.relu(self.depthwise(torch.relu(self.first(x))))
        x = nn.functional.max_pool2d(torch.relu(self.up(x)), 2)
        return torch.sigmoid(self.linear(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2))


def test_any_operation_has_a_scale_for_each_output_channel(photos: np.ndarray) -> None:
    torch.manual_seed(0)
    view = PreparedMask(nn.Identity(), Odd())
    numbers, _ = quantize(view, photos[:2], RECIPES["best"])
    sizes = {path: len(scales) for path, scales in numbers.weight_scales.items()}
    assert sizes == {
        "body.first.weight": 6,
        "body.depthwise.weight": 6,
        "body.up.weight": 4,
        "body.linear.weight": 1,
    }
    for path, scales in numbers.weight_scales.items():
        outputs = numbers.outputs(path)
        steps = torch.from_numpy(numbers.integers(path)).int()
        assert pairs(steps, outputs).max() <= SAFE_PAIR
        kept = steps * across(scales, steps, outputs)
        assert torch.allclose(kept, numbers.weights[path], atol=1e-6)
