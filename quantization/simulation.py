"""A network that rounds as an integer runtime does, in PyTorch, on any device.

The arithmetic is that of TFLite's int8 (its quantisation specification; Jacob et al.,
"Quantization and Training of Neural Networks for Efficient Integer-Arithmetic-Only Inference",
CVPR 2018, section 2): activations asymmetric per tensor, weights symmetric per output channel
and within [-127, 127], sums exact, one rounding where a tensor is stored. Runtimes round their
multipliers to some 31 bits and bilinear weights to 11, so a file may be one step off.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from .encodings import Encoding
from .graph import NetworkGraph
from .weight_grids import SAFE_PAIR, on_grid, weight_scale

__all__ = ["Simulation", "rounded", "simulation"]


def rounded(values: Tensor, encoding: Encoding) -> Tensor:
    """``values`` as they are after being stored in ``encoding``; float, same shape.

    A gradient passes as if nothing had been rounded, where values are within the encoding's range.
    """
    lowest, highest = encoding.lowest, encoding.highest
    return torch.fake_quantize_per_tensor_affine(
        values, encoding.scale, encoding.zero_point, lowest, highest
    )


class Simulation(nn.Module):
    """A captured network with rounded weights and activations.

    Args:
        graph: The network, at the size that photos will have.
        weights: Values by path, of everything that the graph reads.
        encodings: By the name of a graph's group; groups that are missing stay in float.
        quantised: Paths of the weights that are rounded, each to the nearest on the grid that no
            16-bit sum leaves (`weight_grids`).
        kept_in_float: Names of points that are not rounded though their group is.
    """

    def __init__(
        self,
        graph: NetworkGraph,
        weights: Mapping[str, Tensor],
        encodings: Mapping[str, Encoding],
        quantized: frozenset[str],
        kept_in_float: frozenset[str] = frozenset(),
    ) -> None:
        super().__init__()
        self.graph = graph
        self.weights = dict(weights)
        self.encodings = dict(encodings)
        self.quantized = quantized
        self.kept_in_float = kept_in_float

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

        values = dict(self.weights)
        for point in self.graph.points.values():
            if point.weight in self.quantized:
                weight = self.weights[point.weight]
                how = point.outputs, SAFE_PAIR
                values[point.weight] = on_grid(weight, weight_scale(weight, *how), *how)
        return self.graph.run(photos, hook, values)

    def _round(self, name: str, value: Tensor) -> Tensor:
        group = self.graph.points[name].group
        encoding = self.encodings.get(group)
        if encoding is None or name in self.kept_in_float:
            return value
        return rounded(value, encoding)


def simulation(
    graph: NetworkGraph,
    weights: Mapping[str, Tensor],
    encodings: Mapping[str, Encoding | None],
) -> Simulation:
    """A network that rounds, of what a recipe gives.

    Args:
        graph: Of the rewritten view.
        weights: By path, on their grids already.
        encodings: By point; None where it isn't rounded.
    """
    rounded = {graph.points[name].group: e for name, e in encodings.items() if e is not None}
    in_float = frozenset(name for name, e in encodings.items() if e is None)
    return Simulation(graph, weights, rounded, frozenset(), in_float)
