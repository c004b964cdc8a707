"""What the zoo's networks are built of."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional as F

__all__ = ["Residual", "SqueezeExcite", "block", "conv", "depthwise", "resized"]

Layer = Callable[..., nn.Module]


def block(
    inputs: int,
    outputs: int,
    kernel: int = 3,
    stride: int = 1,
    *,
    dilation: int = 1,
    groups: int = 1,
    norm: Layer = nn.BatchNorm2d,
    act: Layer = nn.ReLU,
) -> nn.Sequential:
    """Convolution, norm, activation."""
    padding = dilation * (kernel - 1) // 2
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, kernel, stride, padding, dilation, groups, bias=False),
        norm(outputs),
        act(),
    )


def conv(inputs: int, outputs: int, kernel: int = 1) -> nn.Conv2d:
    """A convolution that keeps the size, with bias."""
    return nn.Conv2d(inputs, outputs, kernel, padding=kernel // 2)


def depthwise(inputs: int, outputs: int, stride: int = 1, *, act: Layer = nn.ReLU) -> nn.Module:
    """A depthwise separable convolution."""
    return nn.Sequential(
        block(inputs, inputs, 3, stride, groups=inputs, act=act), block(inputs, outputs, 1, act=act)
    )


def resized(x: Tensor, like: Tensor, align_corners: bool = False) -> Tensor:
    """Bilinear, to another map's height and width."""
    return F.interpolate(x, like.shape[2:], mode="bilinear", align_corners=align_corners)


class Residual(nn.Module):
    """Two convolutions and a shortcut (He et al., CVPR 2016)."""

    def __init__(self, inputs: int, outputs: int, stride: int = 1, dilation: int = 1) -> None:
        super().__init__()
        self.first = block(inputs, outputs, 3, stride, dilation=dilation)
        self.second = block(outputs, outputs, 3, dilation=dilation, act=nn.Identity)
        self.shortcut: nn.Module = nn.Identity()
        if stride > 1 or inputs != outputs:
            self.shortcut = block(inputs, outputs, 1, stride, act=nn.Identity)

    def forward(self, x: Tensor) -> Tensor:
        return torch.relu(self.second(self.first(x)) + self.shortcut(x))


class SqueezeExcite(nn.Module):
    """A gate for each channel, by 1x1 convolutions (Hu et al., CVPR 2018)."""

    def __init__(self, channels: int, squeezed: int, act: Layer, gate: Layer) -> None:
        super().__init__()
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.down, self.act = conv(channels, squeezed), act()
        self.up, self.gate = conv(squeezed, channels), gate()

    def forward(self, x: Tensor) -> Tensor:
        weights: Tensor = self.gate(self.up(self.act(self.down(self.pool(x)))))
        return x * weights
