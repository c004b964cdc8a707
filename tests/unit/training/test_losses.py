"""Losses against formulas written out in NumPy and SciPy."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from scipy.ndimage import correlate
from torch.nn import functional as F

from maskport.training.losses import LOSSES, bce, deep_supervision, iou, ssim

Array = NDArray[np.float64]


def maps(seed: int) -> tuple[torch.Tensor, torch.Tensor, Array, Array]:
    """Logits and truth of two photos, and their mask and truth in NumPy."""
    rng = np.random.default_rng(seed)
    logits = 4 * rng.standard_normal((2, 1, 20, 23))
    truth = (rng.random((2, 1, 20, 23)) > 0.6).astype(np.float64)
    mask = 1 / (1 + np.exp(-logits))
    return torch.from_numpy(logits).float(), torch.from_numpy(truth).float(), mask, truth


def cross_entropy(p: Array, t: Array) -> float:
    return float(-(t * np.log(p) + (1 - t) * np.log(1 - p)).mean())


def lost_iou(p: Array, t: Array) -> float:
    return float(
        np.mean([1 - (a * b).sum() / (a + b - a * b).sum() for a, b in zip(p, t, strict=True)])
    )


def lost_ssim(p: Array, t: Array) -> float:
    """Wang et al. 2004, equation 13, the window as a full 11 x 11 array."""
    offsets = np.arange(11) - 5
    window = np.exp(-(offsets[:, None] ** 2 + offsets[None] ** 2) / (2 * 1.5**2))
    window /= window.sum()
    values = []
    for x, y in zip(p[:, 0], t[:, 0], strict=True):

        def mean(z: Array) -> Array:
            return np.asarray(correlate(z, window, mode="constant"))

        mx, my = mean(x), mean(y)
        vx, vy, cov = mean(x * x) - mx**2, mean(y * y) - my**2, mean(x * y) - mx * my
        c1, c2 = 0.01**2, 0.03**2
        values.append((2 * mx * my + c1) * (2 * cov + c2) / ((mx**2 + my**2 + c1) * (vx + vy + c2)))
    return float(1 - np.mean(values))


@pytest.mark.parametrize(
    ("loss", "formula"), [(bce, cross_entropy), (iou, lost_iou), (ssim, lost_ssim)]
)
def test_each_term_is_its_formula(
    loss: Callable[..., torch.Tensor], formula: Callable[..., float]
) -> None:
    for seed in range(3):
        logits, truth, p, t = maps(seed)
        assert loss(logits, truth).item() == pytest.approx(formula(p, t), abs=1e-5)


@pytest.mark.parametrize("loss", [iou, ssim, bce])
def test_a_perfect_mask_costs_nothing(loss: Callable[..., torch.Tensor]) -> None:
    truth = maps(0)[1]
    assert loss(100 * (truth - 0.5), truth).item() == pytest.approx(0, abs=1e-4)


def test_an_empty_mask_of_an_empty_truth_costs_nothing() -> None:
    logits, truth = torch.full((1, 1, 8, 8), -60.0), torch.zeros(1, 1, 8, 8)
    assert iou(logits, truth).item() == pytest.approx(0, abs=1e-4)


def test_bce_is_the_authors_on_probabilities() -> None:
    logits, truth = (tensor.double() for tensor in maps(1)[:2])
    authors = F.binary_cross_entropy(torch.sigmoid(logits), truth)
    assert bce(logits, truth).item() == pytest.approx(authors.item(), abs=1e-9)


def test_a_pixel_that_is_sure_and_wrong_still_has_its_gradient() -> None:
    logits, truth = torch.full((1, 1, 1, 1), 40.0, requires_grad=True), torch.zeros(1, 1, 1, 1)
    bce(logits, truth).backward()
    assert logits.grad is not None
    assert logits.grad.item() == 1  # sigmoid(40) - 0


@pytest.mark.parametrize("name", LOSSES)
def test_all_maps_count_and_the_first_is_told_apart(name: str) -> None:
    several = [maps(seed)[0] for seed in range(7)]
    truth = maps(0)[1]
    loss = deep_supervision(several, truth, name)
    each = [sum(term(logits, truth) for term in LOSSES[name]) for logits in several]
    assert loss.total.item() == pytest.approx(float(sum(each)), rel=1e-6)
    assert loss.fused.item() == pytest.approx(float(each[0]), rel=1e-6)


def test_bfloat16_maps_are_summed_in_float32() -> None:
    logits, truth, _, _ = maps(0)
    coarse = logits.bfloat16()
    loss = deep_supervision([coarse], truth, "bce+iou+ssim")
    assert loss.total.dtype == torch.float32
    assert loss.total.item() == deep_supervision([coarse.float()], truth, "bce+iou+ssim")[0].item()
