"""The family of U²-Net and U²-Netp, from one table of stages.

Source: Qin et al., "U²-Net: Going Deeper with Nested U-Structure for Salient Object
Detection", Pattern Recognition 106 (2020) 107404, arXiv 2005.09007, section 3 and table 1.
Parameter names and shapes are those of the authors' published checkpoints, which load as they
are.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.fusion import fuse_conv_bn_eval

from ..specs import MaskSpec
from .families import Family, SupervisedNetwork
from .prepared import Activate

__all__ = [
    "FAMILY",
    "RSU",
    "RSU4F",
    "U2NET",
    "U2NETP",
    "ConvBlock",
    "NestedU",
    "Stage",
    "U2Net",
    "fold_blocks",
    "halve",
    "resize_to",
    "u2net",
    "u2netp",
]


class Stage(NamedTuple):
    """One row of the table: a nested U of ``depth`` levels, 0 for the flat RSU-4F."""

    name: str
    depth: int
    inputs: int
    middle: int
    outputs: int


FLAT = 0

# Channels in, within and out of each stage: of U²-Net, and of U²-Netp.
_TABLE = (
    ("stage1", 7, (3, 32, 64), (3, 16, 64)),
    ("stage2", 6, (64, 32, 128), (64, 16, 64)),
    ("stage3", 5, (128, 64, 256), (64, 16, 64)),
    ("stage4", 4, (256, 128, 512), (64, 16, 64)),
    ("stage5", FLAT, (512, 256, 512), (64, 16, 64)),
    ("stage6", FLAT, (512, 256, 512), (64, 16, 64)),
    ("stage5d", FLAT, (1024, 256, 512), (128, 16, 64)),
    ("stage4d", 4, (1024, 128, 256), (128, 16, 64)),
    ("stage3d", 5, (512, 64, 128), (128, 16, 64)),
    ("stage2d", 6, (256, 32, 64), (128, 16, 64)),
    ("stage1d", 7, (128, 16, 64), (128, 16, 64)),
)
U2NET = tuple(Stage(name, depth, *channels) for name, depth, channels, _ in _TABLE)
U2NETP = tuple(Stage(name, depth, *channels) for name, depth, _, channels in _TABLE)


def resize_to(x: Tensor, like: Tensor) -> Tensor:
    """``x`` of shape (N, C, h, w), bilinear, half-pixel centres, to ``like``'s (H, W)."""
    return F.interpolate(x, size=like.shape[2:], mode="bilinear", align_corners=False)


def halve(x: Tensor) -> Tensor:
    """``x`` of shape (N, C, H, W), max-pooled to (N, C, ceil(H / 2), ceil(W / 2))."""
    return F.max_pool2d(x, kernel_size=2, stride=2, ceil_mode=True)


class ConvBlock(nn.Module):
    """3x3 convolution, batch norm, ReLU: the paper's REBNCONV. Keeps height and width."""

    def __init__(self, inputs: int, outputs: int, dilation: int = 1) -> None:
        super().__init__()
        self.conv_s1 = nn.Conv2d(inputs, outputs, 3, padding=dilation, dilation=dilation)
        self.bn_s1: nn.Module = nn.BatchNorm2d(outputs)

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.bn_s1(self.conv_s1(x)))


class RSU(nn.Module):
    """RSU-L: a U of L levels inside one residual block (section 3.1, figure 2e).

    (N, inputs, H, W) to (N, outputs, H, W), at any H and W.
    """

    def __init__(self, depth: int, inputs: int, middle: int, outputs: int) -> None:
        super().__init__()
        self.depth = depth
        self.rebnconvin = ConvBlock(inputs, outputs)
        for level in range(1, depth):
            self.add_module(
                f"rebnconv{level}", ConvBlock(outputs if level == 1 else middle, middle)
            )
        self.add_module(f"rebnconv{depth}", ConvBlock(middle, middle, dilation=2))
        for level in range(depth - 1, 0, -1):
            self.add_module(
                f"rebnconv{level}d", ConvBlock(2 * middle, outputs if level == 1 else middle)
            )

    def forward(self, x: Tensor) -> Tensor:
        residual = self.rebnconvin(x)
        encoded = [self.get_submodule("rebnconv1")(residual)]
        for level in range(2, self.depth):
            encoded.append(self.get_submodule(f"rebnconv{level}")(halve(encoded[-1])))
        x = self.get_submodule(f"rebnconv{self.depth}")(encoded[-1])
        for level in range(self.depth - 1, 0, -1):
            twin = encoded[level - 1]
            if level < self.depth - 1:
                x = resize_to(x, twin)
            x = self.get_submodule(f"rebnconv{level}d")(torch.cat((x, twin), 1))
        fused: Tensor = x + residual
        return fused


class RSU4F(nn.Module):
    """RSU-4F: the same with dilations in place of pooling, for maps too small to halve.

    (N, inputs, H, W) to (N, outputs, H, W).
    """

    def __init__(self, inputs: int, middle: int, outputs: int) -> None:
        super().__init__()
        self.rebnconvin = ConvBlock(inputs, outputs)
        self.rebnconv1 = ConvBlock(outputs, middle, dilation=1)
        self.rebnconv2 = ConvBlock(middle, middle, dilation=2)
        self.rebnconv3 = ConvBlock(middle, middle, dilation=4)
        self.rebnconv4 = ConvBlock(middle, middle, dilation=8)
        self.rebnconv3d = ConvBlock(2 * middle, middle, dilation=4)
        self.rebnconv2d = ConvBlock(2 * middle, middle, dilation=2)
        self.rebnconv1d = ConvBlock(2 * middle, outputs, dilation=1)

    def forward(self, x: Tensor) -> Tensor:
        residual = self.rebnconvin(x)
        first = self.rebnconv1(residual)
        second = self.rebnconv2(first)
        third = self.rebnconv3(second)
        x = self.rebnconv4(third)
        x = self.rebnconv3d(torch.cat((x, third), 1))
        x = self.rebnconv2d(torch.cat((x, second), 1))
        x = self.rebnconv1d(torch.cat((x, first), 1))
        fused: Tensor = x + residual
        return fused


class NestedU(SupervisedNetwork):
    """Encoder, decoder and side outputs, which U²-Net and IS-Net share.

    Args:
        stages: The table: encoder stages from the top down, then decoder stages from the
            bottom up; one decoder stage fewer than encoder stages.
        outputs: Channels of each side output.
        sigmoid: The forward pass ends in a sigmoid.
    """

    def __init__(self, stages: Sequence[Stage], outputs: int, *, sigmoid: bool) -> None:
        super().__init__()
        self.stages = tuple(stages)
        self.levels = (len(stages) + 1) // 2
        self.outputs, self.sigmoid = outputs, sigmoid
        for stage in stages:
            block = (
                RSU4F(stage.inputs, stage.middle, stage.outputs)
                if stage.depth == FLAT
                else RSU(stage.depth, stage.inputs, stage.middle, stage.outputs)
            )
            self.add_module(stage.name, block)
        # side1 reads the last decoder stage, ..., the deepest side the deepest encoder stage.
        supervised = [*reversed(stages[self.levels :]), stages[self.levels - 1]]
        for level, stage in enumerate(supervised, 1):
            self.add_module(f"side{level}", nn.Conv2d(stage.outputs, outputs, 3, padding=1))

    def side(self, level: int) -> nn.Conv2d:
        """The convolution of a side output, from 1."""
        return cast("nn.Conv2d", self.get_submodule(f"side{level}"))

    def features(self, x: Tensor) -> list[Tensor]:
        """The maps that the side outputs read: stage1d, stage2d, ..., deepest encoder stage."""
        encoded = [self.get_submodule("stage1")(x)]
        for level in range(2, self.levels + 1):
            encoded.append(self.get_submodule(f"stage{level}")(halve(encoded[-1])))
        decoded = [encoded[-1]]
        for level in range(self.levels - 1, 0, -1):
            twin = encoded[level - 1]
            up = resize_to(decoded[-1], twin)
            decoded.append(self.get_submodule(f"stage{level}d")(torch.cat((up, twin), 1)))
        return decoded[::-1]


class U2Net(NestedU):
    """A network of the U²-Net family.

    Args:
        stages: As `NestedU`.
        outputs: Channels of each map (1; cloth segmentation has 4).
        sigmoid: The forward pass ends in a sigmoid, as the authors' does. Networks that were
            trained with a softmax over classes (cloth) give their logits instead.
    """

    def __init__(
        self, stages: Sequence[Stage] = U2NET, outputs: int = 1, *, sigmoid: bool = True
    ) -> None:
        super().__init__(stages, outputs, sigmoid=sigmoid)
        self.outconv = nn.Conv2d(self.levels * outputs, outputs, 1)

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        """Normalised photos (N, 3, H, W) to maps (N, outputs, H, W).

        Returns:
            The fused map, then one map per side output; seven for U²-Net and U²-Netp. In
            [0, 1] after the sigmoid, real-valued logits without.
        """
        sides: list[Tensor] = []
        for level, feature in enumerate(self.features(x), 1):
            side = self.side(level)(feature)
            sides.append(side if level == 1 else resize_to(side, sides[0]))
        maps = (self.outconv(torch.cat(sides, 1)), *sides)
        return tuple(torch.sigmoid(m) for m in maps) if self.sigmoid else maps


def u2net(outputs: int = 1, *, sigmoid: bool = True) -> U2Net:
    """The full U²-Net: 44,009,869 parameters with one output channel."""
    return U2Net(U2NET, outputs, sigmoid=sigmoid)


def u2netp(outputs: int = 1, *, sigmoid: bool = True) -> U2Net:
    """U²-Netp, the small one: 1,131,181 parameters with one output channel."""
    return U2Net(U2NETP, outputs, sigmoid=sigmoid)


def fold_blocks(network: nn.Module) -> None:
    """Fold the batch norms of all `ConvBlock` into their convolutions, in place.

    ``network`` is in evaluation mode.
    """
    for block in network.modules():
        if isinstance(block, ConvBlock) and isinstance(block.bn_s1, nn.BatchNorm2d):
            block.conv_s1 = fuse_conv_bn_eval(block.conv_s1, block.bn_s1)
            block.bn_s1 = nn.Identity()


class _SummedSides(nn.Module):
    """A U²-Net whose six-way concat and 1x1 `outconv` have become a sum.

    outconv(concat(up(side1), ..., up(side6))) is a sum over the sides of a 1x1 convolution of
    each. A 1x1 convolution is linear and bilinear weights add up to 1, so it commutes with the
    resize and multiplies into the side's own 3x3 convolution. What is left is six small maps,
    resized and added: exact, and no six-input concat, which XNNPACK would not take.
    """

    def __init__(self, network: U2Net, spec: MaskSpec) -> None:
        super().__init__()
        fold_blocks(network)
        self.network = network
        outputs = network.outconv.out_channels
        mix = network.outconv.get_parameter("weight").detach().double()
        mix = mix.reshape(outputs, network.levels, outputs)
        bias = network.outconv.get_parameter("bias").detach().double()
        # 1 - sigmoid(x) is sigmoid(-x): an inversion is a sign of the convolutions.
        inverted = spec.inverted and network.sigmoid
        sign = -1.0 if inverted else 1.0
        for level in range(1, network.levels + 1):
            weight = network.side(level).get_parameter("weight")
            weights = sign * mix[:, level - 1]
            weight.data = torch.einsum("oi,icyx->ocyx", weights, weight.detach().double()).float()
            own = network.side(level).get_parameter("bias")
            bias = bias + mix[:, level - 1] @ own.detach().double()
            own.data = torch.zeros_like(own)
        # All biases go into the side that has full size: resizing keeps constants.
        network.side(1).get_parameter("bias").data = (sign * bias).float()
        del network.outconv
        self.activate = nn.Sequential(
            nn.Sigmoid() if network.sigmoid else nn.Identity(),
            nn.Identity() if inverted else Activate(spec),
        )

    def forward(self, x: Tensor) -> Tensor:
        network = self.network
        fused: Tensor | None = None
        for level, feature in enumerate(network.features(x), 1):
            side = network.side(level)(feature)
            fused = side if fused is None else fused + resize_to(side, fused)
        mask: Tensor = self.activate(fused)
        return mask


def _variants(outputs: int) -> Iterator[tuple[str, nn.Module]]:
    large, small = "U²-Net: name u2net or one of its kind", "U²-Netp: name u2netp"
    if outputs > 1:
        large = f"U²-Net with {outputs} output channels"
        large += ": name u2net_cloth_seg" if outputs == 4 else ""
        small = (
            f"U²-Netp with {outputs} output channels: give a factory that returns "
            f"maskport.models.u2net.u2netp({outputs})"
        )
    yield large, u2net(outputs)
    yield small, u2netp(outputs)


FAMILY = Family(
    rewritten=_SummedSides,
    variants=_variants,
    # Most of a normal distribution of logits with this deviation is clearly inside or outside
    # (beyond 0.1 and 0.9 after the sigmoid), as a trained network's are, and some is not.
    logits={"outconv": 4.0},
)
