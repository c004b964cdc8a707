"""A network that rounds as an integer runtime does, in PyTorch, on any device.

The arithmetic is that of TFLite's int8 (its quantisation specification; Jacob et al.,
"Quantization and Training of Neural Networks for Efficient Integer-Arithmetic-Only Inference",
CVPR 2018, section 2): activations asymmetric per tensor, weights symmetric per output channel
and within [-127, 127], sums exact, one rounding where a tensor is stored. Runtimes round their
multipliers to some 31 bits and bilinear weights to 11, so a file may be one step off.

Rounding has no gradient; the straight-through estimator passes it on where nothing was clipped,
and a range's ends learn from what they clip and from the rounding errors, as in LSQ+ (Bhalgat
et al., "LSQ+: Improving low-bit quantization through learnable offsets and better
initialization", CVPR-W 2020, section 3).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from .encodings import Encoding
from .graph import NetworkGraph

__all__ = ["Simulation", "rounded", "rounded_weight", "weight_scale"]

LARGEST_WEIGHT = 127


def rounded(values: Tensor, encoding: Encoding) -> Tensor:
    """``values`` as they are after being stored in ``encoding``; float, same shape."""
    scale, zero = encoding.scale, encoding.zero_point
    if encoding.bits == 8:
        return torch.fake_quantize_per_tensor_affine(values, scale, zero, -128, 127)
    steps = (values / scale).round_().add_(zero).clamp_(encoding.lowest, encoding.highest)
    return steps.sub_(zero).mul_(scale)


def weight_scale(weight: Tensor) -> Tensor:
    """(O,) scale of each output channel of a weight (O, ...): its largest value is 127 steps."""
    largest = weight.detach().abs().flatten(1).amax(1)
    return largest.clamp(min=1e-9) / LARGEST_WEIGHT


def rounded_weight(weight: Tensor) -> Tensor:
    """A weight (O, ...) on its integer grid; the gradient passes straight through."""
    scale = weight_scale(weight).reshape(-1, *[1] * (weight.ndim - 1))
    grid = (weight.detach() / scale).round_().mul_(scale)
    return grid if not weight.requires_grad else weight + (grid - weight.detach())


class _Round(torch.autograd.Function):
    """Round to integers of a learned range; gradients for values, scale and zero point."""

    @staticmethod
    def forward(ctx: Any, values: Tensor, scale: Tensor, zero: Tensor) -> Tensor:
        steps = values / scale + zero
        whole = steps.round().clamp_(-128, 127)
        # What rounding moved, in steps: bounded by 1/2 where nothing was clipped.
        ctx.save_for_backward(whole - steps, whole, scale, zero)
        result: Tensor = whole.sub(zero).mul_(scale)
        return result

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        moved, whole, scale, zero = ctx.saved_tensors
        (grad,) = grads
        inside = moved.abs() <= 0.5
        passed = grad * inside
        clipped = grad - passed
        to_scale = (passed * moved).sum() + (clipped * (whole - zero)).sum()
        to_zero = -clipped.sum() * scale
        return passed, to_scale, to_zero


class Simulation(nn.Module):
    """A captured network with rounded weights and activations.

    Args:
        graph: The network, at the size that photos will have.
        weights: Values by path, of everything that the graph reads.
        encodings: By the name of a graph's group; groups that are missing stay in float.
        quantised: Paths of the weights that are rounded.
        kept_in_float: Names of points that are not rounded though their group is.
    """

    def __init__(
        self,
        graph: NetworkGraph,
        weights: Mapping[str, Tensor],
        encodings: Mapping[str, Encoding],
        quantised: frozenset[str],
        kept_in_float: frozenset[str] = frozenset(),
    ) -> None:
        super().__init__()
        self.graph = graph
        self.weights = dict(weights)
        self.encodings = dict(encodings)
        self.quantised = quantised
        self.kept_in_float = kept_in_float
        self._scales: dict[str, Tensor] = {}
        self._zeros: dict[str, Tensor] = {}

    def learn(self) -> tuple[list[Tensor], list[Tensor], list[Tensor]]:
        """Make weights, biases and ranges learnable.

        Returns:
            Weights, biases, and what ranges are made of: the logarithm of each scale.
        """
        learnt: dict[str, Tensor] = {}
        for point in self.graph.points.values():
            for path in (point.weight, point.bias):
                if point.weight in self.quantised and path and path not in learnt:
                    learnt[path] = self.weights[path].detach().clone().requires_grad_()
        self.weights.update(learnt)
        for group, encoding in self.encodings.items():
            if encoding.bits == 8 and all(p.fixed is None for p in self.graph.groups[group]):
                self._scales[group] = torch.tensor(encoding.scale).log2_().requires_grad_()
                self._zeros[group] = torch.tensor(float(encoding.zero_point))
        weights = [v for k, v in learnt.items() if k in self.quantised]
        biases = [v for k, v in learnt.items() if k not in self.quantised]
        return weights, biases, list(self._scales.values())

    def learned_encodings(self) -> dict[str, Encoding]:
        """The encodings, with what was learned."""
        found = dict(self.encodings)
        for group, logarithm in self._scales.items():
            zero = round(float(self._zeros[group]))
            found[group] = Encoding(float(logarithm.detach().exp2()), zero)
        return found

    def forward(self, photos: Tensor, watched: dict[str, Tensor] | None = None) -> Tensor:
        """The mask (N, C, H, W) of photos (N, 3, H, W).

        Args:
            photos: RGB in [0, 1].
            watched: Its keys are names of points; filled with their values.
        """

        def hook(name: str, value: Tensor) -> Tensor:
            value = self._round(name, value)
            if watched is not None and name in watched:
                watched[name] = value
            return value

        values = {
            path: rounded_weight(value) if path in self.quantised else value
            for path, value in self.weights.items()
        }
        return self.graph.run(photos, hook, values)

    def _round(self, name: str, value: Tensor) -> Tensor:
        group = self.graph.points[name].group
        encoding = self.encodings.get(group)
        if encoding is None or name in self.kept_in_float:
            return value
        if group in self._scales and torch.is_grad_enabled():
            scale = self._scales[group].exp2()
            result: Tensor = _Round.apply(value, scale, self._zeros[group])
            return result
        if group in self._scales:
            scale = self._scales[group].detach().exp2()
            encoding = Encoding(float(scale), round(float(self._zeros[group])))
        return rounded(value, encoding)
