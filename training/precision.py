"""Which floating-point type the convolutions of a run compute in."""

from __future__ import annotations

import time

import torch
from torch.nn import functional as F

__all__ = ["bfloat16_is_faster"]

# Less is not worth its rounding.
WORTHWHILE = 1.25
ROUNDS = 4


def bfloat16_is_faster(device: str) -> bool:
    """Whether a device trains faster under bfloat16 autocast.

    GPUs say so themselves. CPUs with matrix units for it (AMX, and others) are about three times
    as fast, those without several times as slow, and PyTorch has no public question for that; so
    one of U²-Net's convolutions is timed both ways, which takes a fraction of a second.
    """
    if device.startswith("cuda"):
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    if not device.startswith("cpu"):
        return False
    return WORTHWHILE * _seconds(torch.bfloat16) < _seconds(torch.float32)


def _seconds(dtype: torch.dtype) -> float:
    """The fastest of a few forward and backward passes of one convolution."""
    layout = torch.channels_last
    x = torch.ones(4, 64, 72, 72, dtype=dtype).contiguous(memory_format=layout)
    weight = torch.ones(64, 64, 3, 3, dtype=dtype).contiguous(memory_format=layout)
    x.requires_grad_()
    weight.requires_grad_()
    taken = []
    for _ in range(ROUNDS):
        started = time.perf_counter()
        F.conv2d(x, weight, padding=1).sum().backward()
        taken.append(time.perf_counter() - started)
    return min(taken)
