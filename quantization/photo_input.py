"""Letting the photo's bytes into the network without rounding them a second time.

An exported view begins with (x - mean) / std. Stored in 8 bits with one scale for all channels,
that rounds a photo which was in 8 bits already to another grid: on a trained U²-Netp it was the
largest single loss of all tensors, more than all others together on some photos.

Here the first convolution takes over the three factors, so that one step of the normalised
photo is exactly one step of a byte, and rounding finds every value unchanged. One zero point
must serve all channels, because it is what zero padding means: the padding stands for one grey
instead of the mean colour. What that changes is, inside, a constant; at the border, a constant
less what the padded taps see. Both are what a fourth channel gives that is constant in the
photo and 0 in the padding, so the rewrite is exact, borders included. Four channels cost what
three do: kernels work on whole words.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .encodings import Encoding
from .graph import NetworkGraph, Point

__all__ = ["ByteSteps", "pass_bytes"]

_LEVELS = 255


class ByteSteps(nn.Module):
    """(N, 3, H, W) in [0, 1] to (N, 4, H, W): a grey level less, and a constant plane."""

    def __init__(self, weight: Tensor, bias: Tensor) -> None:
        super().__init__()
        self.weight = nn.Parameter(weight, requires_grad=False)
        self.bias = nn.Parameter(bias, requires_grad=False)

    def forward(self, photos: Tensor) -> Tensor:
        return F.conv2d(photos, self.weight, self.bias)


@dataclass(frozen=True)
class _Beginning:
    normalized: Point
    readers: list[Point]
    mix: Tensor
    """(3, 3): normalised channel by photo channel."""
    mean: Tensor
    """(3,) in [0, 1], in the network's channel order."""


def pass_bytes(view: nn.Module, graph: NetworkGraph) -> Encoding | None:
    """Rewrite a view's normalisation and first convolutions in place.

    Args:
        view: A prepared view, with a sub-module ``normalize``.
        graph: Its graph, captured before.

    Returns:
        The encoding of the rewritten view's normalised photo, whose node keeps its name; None
        where the network doesn't begin in a way that can be rewritten, and was left as it is.
    """
    weights = {name: value.detach() for name, value in view.state_dict().items()}
    found = _beginning(view, graph, weights)
    if found is None:
        return None
    # Normalised channel c is gain_c * (byte_c - mean_c), in steps of a byte.
    gain = found.mix.sum(1) / _LEVELS
    mean = found.mean * _LEVELS
    gray = int(mean.mean().round().clamp(0, _LEVELS))
    step = float(gain.mean())
    encoding = Encoding(step, gray - 128)
    constant = encoding.high
    order = (found.mix != 0).double()
    weight = torch.cat((order * step * _LEVELS, torch.zeros(1, 3)))
    bias = torch.tensor([-gray * step] * 3 + [constant])
    view.set_submodule("normalize", ByteSteps(weight.reshape(4, 3, 1, 1).float(), bias.float()))
    for reader in found.readers:
        path = reader.weight.removesuffix(".weight")
        kernel = weights[reader.weight].double()
        difference = torch.einsum("oiyx,i->oyx", kernel, (gray - mean) * gain) / constant
        widened = torch.cat(
            (kernel * (gain / step)[None, :, None, None], difference[:, None]), 1
        ).float()
        conv = view.get_submodule(path)
        conv.weight = nn.Parameter(widened, requires_grad=False)
        conv.in_channels = 4  # type: ignore[assignment]
    return encoding


def _beginning(
    view: nn.Module, graph: NetworkGraph, weights: dict[str, Tensor]
) -> _Beginning | None:
    """The normalisation and the convolutions that read it, where they are of the right kind."""
    photo = next(iter(graph.points.values()))
    first = graph.readers[photo.name]
    if len(first) != 1 or (first[0].weight, first[0].bias) != (
        "normalize.weight",
        "normalize.bias",
    ):
        return None
    normalized = first[0]
    weight = weights[normalized.weight].double()
    mix = torch.diag(weight.reshape(3)) if weight.shape[1] == 1 else weight.reshape(3, 3)
    mean = -weights[normalized.bias].double() / mix.sum(1)
    one_each = bool(((mix != 0).sum(1) == 1).all() and (mix.sum(1) > 0).all())
    if not one_each or not bool(((mean > -0.5) & (mean < 1.5)).all()):
        return None
    readers = graph.readers[normalized.name]
    for reader in readers:
        conv = view.get_submodule(reader.weight.rpartition(".")[0]) if reader.weight else None
        # A subclass may do anything with its weight, and a shared one has other readers.
        if type(conv) is not nn.Conv2d or not graph.owns_weights(reader):
            return None
        if conv.groups != 1 or conv.padding_mode != "zeros" or conv.bias is None:
            return None
    return _Beginning(normalized, readers, mix, mean) if readers else None
