"""The family of IS-Net: U²-Net's stages behind a strided convolution.

Source: Qin et al., "Highly Accurate Dichotomous Image Segmentation", ECCV 2022, arXiv 2203.03041,
section 4.1. Parameter names and shapes are those of the authors' published checkpoints (class
`ISNetDIS` of xuebinqin/DIS), which load as they are. The network that the authors train first, on
ground truth alone, and whose features then supervise this one's, is not part of it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor, nn

from ..specs import MaskSpec
from .families import Family
from .prepared import Activate
from .u2net import U2NET, NestedU, Stage, fold_blocks, resize_to

__all__ = ["FAMILY", "ISNET", "ISNet", "isnet"]

ISNET = (Stage("stage1", 7, 64, 32, 64), *U2NET[1:])


class ISNet(NestedU):
    """A network of the IS-Net family.

    Args:
        stages: As `NestedU`; the first one's inputs are what the strided convolution gives.
        outputs: Channels of each map.
        sigmoid: The forward pass ends in a sigmoid, as the authors' does.
    """

    def __init__(
        self, stages: Sequence[Stage] = ISNET, outputs: int = 1, *, sigmoid: bool = True
    ) -> None:
        super().__init__(stages, outputs, sigmoid=sigmoid)
        self.conv_in = nn.Conv2d(3, stages[0].inputs, 3, stride=2, padding=1)

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        """Normalised photos (N, 3, H, W) to maps (N, outputs, H, W).

        Returns:
            One map per side output, the mask first; six for IS-Net. In [0, 1] after the
            sigmoid, real-valued logits without. The authors' class gives the features that the
            sides read beside them.
        """
        features = self.features(self.conv_in(x))
        maps = (self.side(level)(feature) for level, feature in enumerate(features, 1))
        full = tuple(resize_to(m, x) for m in maps)
        return tuple(torch.sigmoid(m) for m in full) if self.sigmoid else full


class _FirstSide(nn.Module):
    """An IS-Net whose other sides, which only training needs, are gone."""

    def __init__(self, network: ISNet, spec: MaskSpec) -> None:
        super().__init__()
        fold_blocks(network)
        for level in range(2, network.levels + 1):
            delattr(network, f"side{level}")
        self.network = network
        self.activate = nn.Sequential(
            nn.Sigmoid() if network.sigmoid else nn.Identity(), Activate(spec)
        )

    def forward(self, x: Tensor) -> Tensor:
        network = self.network
        first = network.features(network.conv_in(x))[0]
        mask: Tensor = self.activate(resize_to(network.side(1)(first), x))
        return mask


def isnet(outputs: int = 1, *, sigmoid: bool = True) -> ISNet:
    """IS-Net: 44,046,790 parameters with one output channel."""
    return ISNet(ISNET, outputs, sigmoid=sigmoid)


def _variants(outputs: int) -> Iterator[tuple[str, nn.Module]]:
    if outputs == 1:
        yield "IS-Net: name isnet", isnet()
    else:
        yield (
            f"IS-Net with {outputs} output channels: give a factory that returns "
            f"maskport.models.isnet.isnet({outputs})",
            isnet(outputs),
        )


FAMILY = Family(rewritten=_FirstSide, variants=_variants, logits={"side1": 4.0})
