"""MIL's `pad_type`, as convolutions and pools use it."""

from __future__ import annotations

import math
from collections.abc import Sequence

from .arguments import Uncovered

__all__ = ["explicit_padding", "reversed_pairs", "symmetric"]

Pairs = list[tuple[int, int]]


def explicit_padding(
    pad_type: str,
    pad: Sequence[int],
    sizes: Sequence[int],
    kernel: Sequence[int],
    strides: Sequence[int],
) -> Pairs:
    """Elements before and after each spatial dimension.

    Args:
        pad_type: ``valid``, ``custom``, ``same`` or ``same_lower``.
        pad: Before and after each dimension, in turn; used by ``custom`` only.
        sizes: The input's spatial sizes.
        kernel: The window's sizes, dilation included.
        strides: Steps of the window.
    """
    match pad_type:
        case "valid":
            return [(0, 0)] * len(sizes)
        case "custom":
            return list(zip(pad[::2], pad[1::2], strict=True))
        case "same" | "same_lower":
            totals = [
                max(0, (math.ceil(size / stride) - 1) * stride + window - size)
                for size, window, stride in zip(sizes, kernel, strides, strict=True)
            ]
            # The odd element goes after, in same_lower before.
            small = [(total // 2, total - total // 2) for total in totals]
            return small if pad_type == "same" else [(after, before) for before, after in small]
    raise Uncovered(f"pad_type {pad_type!r}")


def symmetric(pairs: Pairs) -> bool:
    """Each dimension has as many elements before as after."""
    return all(before == after for before, after in pairs)


def reversed_pairs(pairs: Pairs) -> list[int]:
    """The order of `torch.nn.functional.pad`: last dimension first."""
    return [amount for pair in reversed(pairs) for amount in pair]
