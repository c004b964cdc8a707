"""The result of quantising a network, of which `program` makes what integer formats start from.

It holds numbers only: float weights that already lie on their integer grids, the grids' scales,
and for each tensor its scale and zero point, by the node names of `graph.capture`. A converter
that takes a channel's scale from its largest weight would find other grids where rounding has
made that weight smaller; so exporters hand the scales over, too.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from .recipe import Recipe
from .weight_grids import across

__all__ = ["Encoding", "QuantizedNetwork", "QuantizedTensor"]


@dataclass(frozen=True, slots=True)
class Encoding:
    """Integers for real values: real = (integer - zero_point) * scale.

    Attributes:
        scale: Of one step.
        zero_point: The integer of the real value 0, of signed integers: -128 to 127 for 8 bits.
        bits: Of the integers.
    """

    scale: float
    zero_point: int
    bits: int = 8

    @property
    def lowest(self) -> int:
        """The smallest integer."""
        return -(1 << (self.bits - 1))

    @property
    def highest(self) -> int:
        """The largest integer."""
        return (1 << (self.bits - 1)) - 1

    @property
    def low(self) -> float:
        """Real value of the smallest integer."""
        return (self.lowest - self.zero_point) * self.scale

    @property
    def high(self) -> float:
        """Real value of the largest integer."""
        return (self.highest - self.zero_point) * self.scale

    @classmethod
    def of_range(cls, low: float, high: float, bits: int = 8) -> Encoding:
        """The encoding that covers [low, high] and 0, whose zero is exact.

        TFLite's quantisation specification; 16 bits are symmetric there.
        """
        low, high = min(low, 0.0), max(high, 0.0)
        if bits == 16:
            return cls(max(-low, high, 1e-9) / 32767, 0, 16)
        scale = max(high - low, 1e-9) / 255
        return cls(scale, int(min(max(round(-128 - low / scale), -128), 127)), bits)


@dataclass(frozen=True, slots=True)
class QuantizedTensor:
    """One tensor of the network.

    Attributes:
        name: Of its `graph.Point`.
        kind: Of the point.
        operation: ATen's name of what computes it, ``conv2d`` or ``cat``; of a convolution
            where a ReLU follows.
        module: Path of the module that computes it.
        shape: (N, C, H, W) for one photo.
        encoding: None where it stays in float (or as wide as the format can).
        weight: Path of the weight it is computed with, or empty.
        bias: Path of the bias, or empty.
        outputs: Dimension of the weight that its output channels lie along.
        sources: Names of the tensors that it is computed from.
        in_float: It is computed in float, and rounded only for what reads it in integers.
    """

    name: str
    kind: str
    operation: str
    module: str
    shape: tuple[int, ...]
    encoding: Encoding | None
    weight: str = ""
    bias: str = ""
    outputs: int = 0
    sources: tuple[str, ...] = ()
    in_float: bool = False


@dataclass(frozen=True)
class QuantizedNetwork:
    """A network, quantised by a recipe.

    Attributes:
        recipe: How.
        tensors: By name, in order of execution; the first is the photo, the last the mask.
        weights: The rewritten view's state dict. Quantised weights are whole multiples of their
            scale, at most 127 of them. Biases are not rounded; files store them in 32 bits, in
            steps of input scale times weight scale.
        weight_scales: By path, one scale for each output channel, float32; weights that are not
            here stay in float.
    """

    recipe: Recipe
    tensors: Mapping[str, QuantizedTensor]
    weights: Mapping[str, Tensor]
    weight_scales: Mapping[str, Tensor]

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """(1, 3, H, W) of the photo."""
        photo = next(iter(self.tensors.values()))
        n, channels, height, width = photo.shape
        return n, channels, height, width

    def integers(self, path: str) -> NDArray[np.int8]:
        """A weight as int8, in torch's layout."""
        weight, scales = self.weights[path], self.weight_scales[path]
        steps = weight / across(scales, weight, self.outputs(path))
        whole: NDArray[np.int8] = steps.round().to(torch.int8).numpy()
        return whole

    def outputs(self, path: str) -> int:
        """The dimension of a weight that its output channels lie along."""
        return next(t.outputs for t in self.tensors.values() if t.weight == path)
