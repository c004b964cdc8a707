"""What training makes small: the sum over a network's maps, each held against the same mask.

* BCE: Qin et al., U²-Net (2020), equations 1 and 2, all weights 1.
* IoU and SSIM: Qin et al., "BASNet: Boundary-Aware Salient Object Detection", CVPR 2019,
  section 3.4 (equations 5 and 7), added to the BCE with weight 1. SSIM is Wang et al., "Image
  Quality Assessment: From Error Visibility to Structural Similarity", IEEE TIP 2004, with an
  11x11 Gaussian window of σ = 1.5 and zeros beyond the border, as in BASNet's code.

They take logits, where the authors take probabilities: the same values, but the sigmoid and the
logarithm in one, so that a saturated pixel still has its gradient (1 - p is exactly 0 from a
logit of 17 in float32 and of 7 in bfloat16, where PyTorch's BCE on probabilities stops at 100).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

__all__ = ["LOSSES", "Loss", "bce", "deep_supervision", "iou", "ssim"]

WINDOW, SIGMA = 11, 1.5
C1, C2 = 0.01**2, 0.03**2


class Loss(NamedTuple):
    """Of one batch.

    Attributes:
        total: What is differentiated: the sum over all maps and terms.
        fused: Of that, the first map's part, detached: the one that inference uses, which in U²-Net
            is the fused one.
    """

    total: Tensor
    fused: Tensor


def deep_supervision(maps: Sequence[Tensor], truth: Tensor, name: str) -> Loss:
    """The loss of a batch over all of a network's maps.

    Args:
        maps: Logits (N, 1, H, W), the mask's first; of any floating-point type, computed
            with in float32.
        truth: (N, 1, H, W), real values in [0, 1].
        name: Of `LOSSES`.
    """
    terms = LOSSES[name]
    parts = [torch.stack([term(logits.float(), truth) for term in terms]).sum() for logits in maps]
    return Loss(torch.stack(parts).sum(), parts[0].detach())


def bce(logits: Tensor, truth: Tensor) -> Tensor:
    """Binary cross-entropy, the mean over all pixels; (N, 1, H, W) each, logits real-valued."""
    return F.binary_cross_entropy_with_logits(logits, truth)


def iou(logits: Tensor, truth: Tensor) -> Tensor:
    """1 - soft IoU of each mask, the mean over the batch; (N, 1, H, W) each, in [0, 1].

    A pair that is empty on both sides has IoU 1.
    """
    mask = torch.sigmoid(logits)
    both = (mask * truth).sum((1, 2, 3))
    either = mask.sum((1, 2, 3)) + truth.sum((1, 2, 3)) - both
    tiny = 1e-6
    return (1 - (both + tiny) / (either + tiny)).mean()


def ssim(logits: Tensor, truth: Tensor) -> Tensor:
    """1 - SSIM, the mean over all pixels; (N, 1, H, W) each, in [0, 2]."""
    mask = torch.sigmoid(logits)
    mean_m, mean_t, square_m, square_t, product = (
        _windowed(torch.cat((mask, truth, mask * mask, truth * truth, mask * truth), 1))
    ).unbind(1)
    variance_m, variance_t = square_m - mean_m**2, square_t - mean_t**2
    covariance = product - mean_m * mean_t
    similarity = ((2 * mean_m * mean_t + C1) * (2 * covariance + C2)) / (
        (mean_m**2 + mean_t**2 + C1) * (variance_m + variance_t + C2)
    )
    return 1 - similarity.mean()


LOSSES: Mapping[str, tuple[Callable[[Tensor, Tensor], Tensor], ...]] = MappingProxyType(
    {"bce": (bce,), "bce+iou": (bce, iou), "bce+iou+ssim": (bce, iou, ssim)}
)
"""Name of each choice and its terms."""


def _windowed(planes: Tensor) -> Tensor:
    """(N, C, H, W) weighted by the window around each pixel, as two passes of eleven weights."""
    offsets = torch.arange(WINDOW, device=planes.device, dtype=torch.float32) - WINDOW // 2
    weights = torch.exp(-(offsets**2) / (2 * SIGMA**2))
    weights = (weights / weights.sum()).to(planes.dtype)
    channels, side = planes.shape[1], WINDOW // 2
    column = weights.reshape(1, 1, -1, 1).expand(channels, 1, -1, 1)
    row = weights.reshape(1, 1, 1, -1).expand(channels, 1, 1, -1)
    down = F.conv2d(planes, column, padding=(side, 0), groups=channels)
    return F.conv2d(down, row, padding=(0, side), groups=channels)
