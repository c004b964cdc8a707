"""The family of BASNet: a ResNet-34 encoder, a bridge, a decoder, and a U-Net that refines.

Source: Qin et al., "BASNet: Boundary-Aware Salient Object Detection", CVPR 2019, section 3 and
figure 2; the encoder's blocks are He et al., "Deep Residual Learning for Image Recognition", CVPR
2016, table 1. Parameter names and shapes are those of the authors' published checkpoint
(xuebinqin/BASNet), which loads as it is.

Until September 2019 the authors' code had stage 6d's last batch norm written as stage 5d's
(xuebinqin/BASNet#12), so that checkpoints of that time hold one that was never trained, `bn6d_2`.
It is given the other's values when they are loaded, as the author advises there: then the network
computes what it was trained to.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..specs import MaskSpec
from .families import Family, SupervisedNetwork
from .prepared import Activate, fold_batch_norms
from .u2net import halve, resize_to

__all__ = ["BASNET", "FAMILY", "BASNet", "ResidualBlock", "Widths", "basnet"]


class Widths(NamedTuple):
    """Channels: of the encoder's four ResNet stages and their blocks, and of the refinement."""

    encoder: Sequence[int]
    blocks: Sequence[int]
    refinement: int


BASNET = Widths((64, 128, 256, 512), (3, 4, 6, 3), 64)


class ResidualBlock(nn.Module):
    """Two 3x3 convolutions with batch norms beside an identity: ResNet's basic block.

    (N, inputs, H, W) to (N, outputs, ceil(H / stride), ceil(W / stride)).
    """

    def __init__(self, inputs: int, outputs: int, stride: int = 1) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride=stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(outputs)
        self.downsample: nn.Module = nn.Identity()
        if stride != 1 or inputs != outputs:
            self.downsample = nn.Sequential(
                nn.Conv2d(inputs, outputs, 1, stride=stride, bias=False), nn.BatchNorm2d(outputs)
            )

    def forward(self, x: Tensor) -> Tensor:
        inner = self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x)))))
        return F.relu(inner + self.downsample(x))


class RefUnet(nn.Module):
    """The refinement (section 3.3): what a small U-Net adds to a map of logits (N, 1, H, W)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv0 = nn.Conv2d(1, width, 3, padding=1)
        for level in ("1", "2", "3", "4", "5", "_d4", "_d3", "_d2", "_d1"):
            inputs = 2 * width if level.startswith("_d") else width
            self.add_module(f"conv{level}", nn.Conv2d(inputs, width, 3, padding=1))
            self.add_module(f"bn{level}", nn.BatchNorm2d(width))
        self.conv_d0 = nn.Conv2d(width, 1, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        encoded = [_block(self, "1", self.conv0(x))]
        for level in ("2", "3", "4"):
            encoded.append(_block(self, level, halve(encoded[-1])))
        inner = _block(self, "5", halve(encoded[-1]))
        for level, twin in zip("4321", reversed(encoded), strict=True):
            inner = _block(self, f"_d{level}", torch.cat((resize_to(inner, twin), twin), 1))
        refined: Tensor = x + self.conv_d0(inner)
        return refined


class BASNet(SupervisedNetwork):
    """A network of the BASNet family, of one mask.

    Args:
        widths: BASNet's own, or smaller ones.
        sigmoid: The forward pass ends in a sigmoid, as the authors' does.
    """

    outputs = 1

    def __init__(self, widths: Widths = BASNET, *, sigmoid: bool = True) -> None:
        super().__init__()
        self.sigmoid = sigmoid
        first, *_, deep = widths.encoder
        self.inconv = nn.Conv2d(3, first, 3, padding=1)
        self.inbn = nn.BatchNorm2d(first)
        inputs = first
        for stage, (outputs, blocks) in enumerate(
            zip(widths.encoder, widths.blocks, strict=True), 1
        ):
            # ResNet's stem would halve the photo twice; here the first stage has its size.
            start = ResidualBlock(inputs, outputs, stride=1 if stage == 1 else 2)
            rest = (ResidualBlock(outputs, outputs) for _ in range(blocks - 1))
            self.add_module(f"encoder{stage}", nn.Sequential(start, *rest))
            inputs = outputs
        for stage in (5, 6):
            for block in (1, 2, 3):
                self.add_module(f"resb{stage}_{block}", ResidualBlock(deep, deep))
        # Channels that a level of the decoder reads, between its convolutions, and that it gives.
        self._add_level("bg", (deep, deep, deep, deep), (2, 2, 2))
        self._add_level("6d", (2 * deep, deep, deep, deep), (1, 2, 2))
        self._add_level("5d", (2 * deep, deep, deep, deep), (1, 1, 1))
        given = (first, *widths.encoder)
        for level in (4, 3, 2, 1):
            width = widths.encoder[level - 1]
            self._add_level(f"{level}d", (2 * width, width, width, given[level - 1]), (1, 1, 1))
        for name, width in zip("b654321", (deep, deep, deep, *given[3::-1]), strict=True):
            self.add_module(f"outconv{name}", nn.Conv2d(width, 1, 3, padding=1))
        self.refunet = RefUnet(widths.refinement)

    def _add_level(self, name: str, widths: Sequence[int], dilations: Sequence[int]) -> None:
        for part, inputs, outputs, dilation in zip(
            "1m2", widths[:-1], widths[1:], dilations, strict=True
        ):
            conv = nn.Conv2d(inputs, outputs, 3, padding=dilation, dilation=dilation)
            self.add_module(f"conv{name}_{part}", conv)
            self.add_module(f"bn{name}_{part}", nn.BatchNorm2d(outputs))

    def _level(self, name: str, x: Tensor) -> Tensor:
        for part in "1m2":
            x = _block(self, f"{name}_{part}", x)
        return x

    def features(self, x: Tensor) -> list[Tensor]:
        """The maps that the side outputs read: 1d, 2d, ..., 6d, the bridge."""
        x = F.relu(self.inbn(self.inconv(x)))
        encoded: list[Tensor] = []
        for stage in (1, 2, 3, 4):
            x = self.get_submodule(f"encoder{stage}")(x)
            encoded.append(x)
        for stage in (5, 6):
            x = halve(x)
            for block in (1, 2, 3):
                x = self.get_submodule(f"resb{stage}_{block}")(x)
            encoded.append(x)
        decoded = [self._level("bg", x)]
        for level in range(6, 0, -1):
            twin = encoded[level - 1]
            up = resize_to(decoded[-1], twin) if level < 6 else decoded[-1]
            decoded.append(self._level(f"{level}d", torch.cat((up, twin), 1)))
        return decoded[::-1]

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        """Normalised photos (N, 3, H, W) to eight maps (N, 1, H, W).

        Returns:
            The refined map, then those of 1d, 2d, ..., 6d and of the bridge. In [0, 1] after
            the sigmoid, real-valued logits without.
        """
        features = self.features(x)
        sides = [
            resize_to(self.get_submodule(f"outconv{name}")(feature), x)
            for name, feature in zip("123456b", features, strict=True)
        ]
        maps = (self.refunet(sides[0]), *sides)
        return tuple(torch.sigmoid(m) for m in maps) if self.sigmoid else maps


class _Refined(nn.Module):
    """A BASNet whose other sides, which only training needs, are gone."""

    def __init__(self, network: BASNet, spec: MaskSpec) -> None:
        super().__init__()
        for name in "23456b":
            delattr(network, f"outconv{name}")
        self.network = network
        self.activate = nn.Sequential(
            nn.Sigmoid() if network.sigmoid else nn.Identity(), Activate(spec)
        )

    def forward(self, x: Tensor) -> Tensor:
        network = self.network
        first = network.get_submodule("outconv1")(network.features(x)[0])
        mask: Tensor = self.activate(network.refunet(first))
        return mask


def basnet() -> BASNet:
    """BASNet: 87,060,360 parameters."""
    return BASNet()


def _block(owner: nn.Module, name: str, x: Tensor) -> Tensor:
    """A convolution, its batch norm and a ReLU, by the authors' names."""
    return F.relu(owner.get_submodule(f"bn{name}")(owner.get_submodule(f"conv{name}")(x)))


def _rewritten(network: BASNet, spec: MaskSpec) -> nn.Module:
    return fold_batch_norms(_Refined(network, spec))


def _with_its_batch_norm(network: BASNet) -> str:
    """Give `bn6d_2` the values of `bn5d_2` where it was never trained."""
    mine, others = (network.get_submodule(f"bn{level}_2").state_dict() for level in ("6d", "5d"))
    untouched = (mine["running_mean"] == 0).all() and (mine["running_var"] == 1).all()
    if not untouched:
        return ""
    network.get_submodule("bn6d_2").load_state_dict(others)
    return "bn6d_2, never trained, is given bn5d_2's values (xuebinqin/BASNet#12)"


def _variants(outputs: int) -> Iterator[tuple[str, nn.Module]]:
    if outputs == 1:
        yield "BASNet: name basnet", basnet()


FAMILY = Family(
    rewritten=_rewritten,
    variants=_variants,
    # The refinement corrects the map, and is small beside it.
    logits={"outconv1": 4.0, "refunet.conv_d0": 1.0},
    loaded=_with_its_batch_norm,
)
