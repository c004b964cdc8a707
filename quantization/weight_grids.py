"""The integers that weights may be: symmetric, one scale for each output channel.

Where unsigned bytes are multiplied by signed ones, x86 processors without VNNI add each two
neighbouring products in 16 bits and saturate (the instruction ``vpmaddubsw``; ONNX Runtime,
"Quantize ONNX models", section "When and why do I need to try U8U8?"; oneDNN, "Nuances of int8
computations"). Which two are neighbours is the kernel's choice. They can't saturate, in any order,
where the two largest weights of one sign in an output channel add up to 128 steps at most: 255 x
128 = 32,640. So a grid has two bounds, of one weight and of a pair, and a channel's scale is the
smallest that holds both: one that has a single large weight keeps nearly eight bits, one whose
largest two are alike has seven.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

__all__ = [
    "ANY_PAIR",
    "LARGEST_WEIGHT",
    "SAFE_PAIR",
    "across",
    "by_output",
    "on_grid",
    "pair_bounds",
    "weight_scale",
]

LARGEST_WEIGHT = 127
# Of two weights of one sign, in steps: what two may be anyway, and what 16 bits hold.
ANY_PAIR = 2 * LARGEST_WEIGHT
SAFE_PAIR = 128


def weight_scale(weight: Tensor, outputs: int, largest_pair: int) -> Tensor:
    """The smallest scale (O,) with which each output channel's weights are on a grid.

    Args:
        weight: Of a convolution or matrix product.
        outputs: Its dimension of output channels.
        largest_pair: What two weights of one sign may add up to, in steps.
    """
    channels = by_output(weight.detach(), outputs)
    pairs = _top_two(channels).sum(2).amax(0)
    largest = channels.abs().amax(1)
    return (largest / LARGEST_WEIGHT).maximum(pairs / largest_pair).clamp(min=1e-11)


def on_grid(weight: Tensor, scale: Tensor, outputs: int, largest_pair: int) -> Tensor:
    """A weight, each value at the nearest step of its channel's scale (O,) that is allowed."""
    around = across(scale, weight, outputs)
    steps = (weight.detach() / around).round_()
    low, high = pair_bounds(steps, outputs, largest_pair)
    return steps.minimum(high).maximum(low).mul_(around)


def pair_bounds(steps: Tensor, outputs: int, largest_pair: int) -> tuple[Tensor, Tensor]:
    """The least and the largest integer that each output channel's weights may be.

    Args:
        steps: Integers of a weight.
        outputs: Its dimension of output channels.
        largest_pair: What two of one sign may add up to. Where the two largest add up to more,
            the larger gives way to the second, down to half of it.

    Returns:
        Both of the shape that broadcasts with ``steps``.
    """
    second = _top_two(by_output(steps, outputs))[:, :, 1]
    high, low = (largest_pair - second).clamp(largest_pair // 2, LARGEST_WEIGHT)
    return across(-low, steps, outputs), across(high, steps, outputs)


def across(values: Tensor, weight: Tensor, outputs: int) -> Tensor:
    """Values of output channels (O,), in the shape that broadcasts with a weight."""
    return values.reshape([-1 if d == outputs else 1 for d in range(weight.ndim)])


def by_output(weight: Tensor, outputs: int) -> Tensor:
    """(O, ...) flat: all that one output channel is summed with."""
    return weight.movedim(outputs, 0).flatten(1)


def _top_two(channels: Tensor) -> Tensor:
    """(2, O, 2): the largest and the second largest of each channel (O, D), of its positive values
    and, as magnitudes, of its negative ones; 0 where there are none."""
    import torch

    signs = torch.stack((channels, -channels)).clamp_(min=0)
    return torch.nn.functional.pad(signs, (0, 1)).topk(2, 2).values
