"""Drawing masks of photos one by one, and telling how far that is."""

from __future__ import annotations

from collections.abc import Callable
from itertools import count

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

__all__ = ["Watch", "as_input", "counting", "draw"]

# What is being done, and how much of how much is done.
Watch = Callable[[str, int, int], None]


def as_input(photo: NDArray[np.uint8], device: str) -> Tensor:
    """A photo (3, H, W) in bytes as a network takes it: (1, 3, H, W) in [0, 1]."""
    pixels = torch.from_numpy(np.ascontiguousarray(photo))[None].to(device).float()
    return (pixels / 255).contiguous(memory_format=torch.channels_last)


def draw(
    network: Callable[[Tensor], Tensor],
    photos: NDArray[np.uint8],
    tell: Callable[[], None] = lambda: None,
    device: str = "cpu",
) -> Tensor:
    """The masks (N, C, H, W), on the CPU, of photos (N, 3, H, W) in bytes, one by one."""
    masks = []
    with torch.no_grad():
        for photo in photos:
            masks.append(network(as_input(photo, device)).cpu())
            tell()
    return torch.cat(masks)


def counting(watch: Watch, text: str, total: int) -> Callable[[], None]:
    """To be called after each of so many masks."""
    done = count(1)
    watch(text, 0, total)
    return lambda: watch(text, next(done), total)
