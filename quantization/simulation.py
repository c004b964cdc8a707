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

__all__ = ["Simulation", "rounded"]


def rounded(values: Tensor, encoding: Encoding) -> Tensor:
    """``values`` as they are after being stored in ``encoding``; float, same shape.

    A gradient passes as if nothing had been rounded, where values are within the encoding's range.
    """
    lowest, highest = encoding.lowest, encoding.highest
    return torch.fake_quantize_per_tensor_affine(
        values, encoding.scale, encoding.zero_point, lowest, highest
    )


class Simulation(nn.Module):
    """A captured network with rounded activations.

    Args:
        graph: The network, at the size that photos will have.
        weights: Values by path, of everything that the graph reads; what is to be integers is on
            its grid already.
        encodings: By point; None where it isn't rounded.
    """

    def __init__(
        self,
        graph: NetworkGraph,
        weights: Mapping[str, Tensor],
        encodings: Mapping[str, Encoding | None],
    ) -> None:
        super().__init__()
        self.graph, self.weights, self.encodings = graph, weights, encodings

    def forward(self, photos: Tensor) -> Tensor:
        """The mask (N, C, H, W) of photos (N, 3, H, W), RGB in [0, 1]."""

        def stored(name: str, value: Tensor) -> Tensor:
            encoding = self.encodings[name]
            return value if encoding is None else rounded(value, encoding)

        return self.graph.run(photos, stored, self.weights)
