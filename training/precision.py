"""Which floating-point type the convolutions of a run compute in."""

from __future__ import annotations

from typing import Any

import torch

__all__ = ["bfloat16_is_faster"]


def bfloat16_is_faster(device: str) -> bool:
    """Whether a device trains faster under bfloat16 autocast, by what it says of itself.

    On CPUs that is asked for bfloat16 arithmetic: with matrix units (AMX) U²-Netp trains 2.5
    times as fast (`benchmarks/train.py`), with vector units (AVX512_BF16, an AMD EPYC) a bare step
    of twelve 160x160 squares is twice as fast; without either, bfloat16 convolutions are slower
    than float32 ones or were not measured. A trial would be as true and not always give the same
    answer, and a run that is begun twice shall be the same twice.
    """
    if device.startswith("cuda"):
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    if not device.startswith("cpu"):
        return False
    # Older versions of PyTorch have no such question; float32 is never wrong.
    ask: Any = getattr(torch.cpu, "get_capabilities", dict)
    known = ask()
    return any(known.get(name, False) for name in ("amx_bf16", "avx512_bf16"))
