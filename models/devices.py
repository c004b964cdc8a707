"""Where the reference runs."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch

__all__ = ["best_device", "cpu_threads", "device_name", "full_precision"]


def best_device() -> str:
    """``"cuda"`` where there is one, else ``"mps"``, else ``"cpu"``."""
    if torch.cuda.is_available():
        return "cuda"
    return "mps" if torch.backends.mps.is_available() else "cpu"


def device_name(device: str) -> str:
    """What a device is called: the GPU's name; for the others, what they are."""
    if device == "cuda":
        return torch.cuda.get_device_name()
    return "Apple GPU" if device == "mps" else "CPU"


@contextmanager
def full_precision() -> Iterator[None]:
    """Convolutions and matrix products in whole float32 on NVIDIA GPUs.

    PyTorch lets convolutions round their inputs to TF32's 10 bits by default: an error of 1e-3,
    far above what a comparison is to find.
    """
    matmul, cudnn = torch.backends.cuda.matmul, torch.backends.cudnn
    before = matmul.allow_tf32, cudnn.allow_tf32
    matmul.allow_tf32 = cudnn.allow_tf32 = False
    try:
        yield
    finally:
        matmul.allow_tf32, cudnn.allow_tf32 = before


@contextmanager
def cpu_threads(count: int) -> Iterator[None]:
    """PyTorch draws on so many CPU threads meanwhile, in the whole process."""
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)
