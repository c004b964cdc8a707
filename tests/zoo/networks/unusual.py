"""Operations that few networks have, and that converters stumble over."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .layers import block, conv, resized

__all__ = ["dense", "flow", "reflected", "scaled"]


class Reflected(nn.Module):
    """Reflection padding and instance norms, as networks that paint have them (Johnson et al.,
    ECCV 2016; Ulyanov et al., 2016)."""

    def __init__(self) -> None:
        super().__init__()
        self.down = nn.ModuleList(
            [self._layer(3, 16, 7, 1), self._layer(16, 32, 3, 2), self._layer(32, 48, 3, 2)]
        )
        self.blocks = nn.ModuleList(
            [
                nn.Sequential(self._layer(48, 48, 3, 1), *self._layer(48, 48, 3, 1)[:-1])
                for _ in range(2)
            ]
        )
        self.context = block(48, 48, dilation=4)
        self.up = nn.ModuleList([self._layer(48, 32, 3, 1), self._layer(32, 16, 3, 1)])
        self.last = nn.Sequential(nn.ReplicationPad2d(3), nn.Conv2d(16, 1, 7))

    @staticmethod
    def _layer(inputs: int, outputs: int, kernel: int, stride: int) -> nn.Sequential:
        return nn.Sequential(
            nn.ReflectionPad2d(kernel // 2),
            nn.Conv2d(inputs, outputs, kernel, stride),
            nn.InstanceNorm2d(outputs, affine=True),
            nn.ReLU(),
        )

    def forward(self, x: Tensor) -> Tensor:
        for layer in self.down:
            x = layer(x)
        for body in self.blocks:
            x = x + body(x)
        x = self.context(x)
        for layer in self.up:
            x = layer(F.interpolate(x, scale_factor=2, mode="nearest"))
        mask: Tensor = self.last(x)
        return mask


class Flow(nn.Module):
    """A deep map warped to a shallow one by a learned flow (Li et al., ECCV 2020)."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(block(3, 20, 3, 2), block(20, 24, 3, 2))
        self.deep = nn.Sequential(
            block(24, 40, 3, 2), block(40, 48, 3, 2), block(48, 48, dilation=2), block(48, 24, 1)
        )
        self.flow = conv(48, 2, 3)
        self.last = nn.Sequential(block(48, 24), conv(24, 1))

    def forward(self, x: Tensor) -> Tensor:
        low = self.stem(x)
        high = self.deep(low)
        flow = self.flow(torch.cat([low, resized(high, low)], 1))
        n, _, h, w = flow.shape
        rows = torch.linspace(-1.0, 1.0, h, device=x.device).view(-1, 1).repeat(1, w)
        columns = torch.linspace(-1.0, 1.0, w, device=x.device).repeat(h, 1)
        grid = torch.stack([columns, rows], -1)[None].repeat(n, 1, 1, 1)
        grid = grid + flow.permute(0, 2, 3, 1) / torch.tensor([w, h], dtype=x.dtype)
        warped = F.grid_sample(high, grid, align_corners=True)
        return resized(self.last(torch.cat([low, warped], 1)), x)


class Scaled(nn.Module):
    """Residuals and logits with constant factors, as super-resolution networks and calibrated
    ones have them (Wang et al., ECCV Workshops 2018; Guo et al., ICML 2017)."""

    def __init__(self, width: int = 32) -> None:
        super().__init__()
        self.stem = nn.Sequential(block(3, 20, 3, 2), block(20, width, 3, 2))
        self.blocks = nn.ModuleList(
            [
                nn.Sequential(conv(width, width, 3), nn.LeakyReLU(0.2), conv(width, width, 3))
                for _ in range(2)
            ]
        )
        self.deep = nn.Sequential(block(width, 48, 3, 2), block(48, width, dilation=2))
        self.last = nn.Sequential(block(width, 24), conv(24, 1))

    def forward(self, photo: Tensor) -> Tensor:
        x = self.stem(photo)
        for body in self.blocks:
            x = x + 0.2 * body(x)
        x = 0.5 * (x + resized(self.deep(x), x))
        return resized(self.last(x), photo) / 1.5


class DenseUnit(nn.Module):
    """Norm and activation before each convolution; all that came before is read."""

    def __init__(self, inputs: int, growth: int) -> None:
        super().__init__()
        self.norm, self.conv = nn.BatchNorm2d(inputs), conv(inputs, growth, 3)

    def forward(self, x: Tensor) -> Tensor:
        y = self.conv(F.elu(self.norm(x)))
        return torch.cat([x, y], 1)


class Dense(nn.Module):
    """Dense blocks with ELU, softplus attention, Mish and average pools (Jégou et al., CVPR
    Workshops 2017)."""

    def __init__(self, growth: int = 10) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 20, 3, 2, 1)
        self.first = nn.Sequential(*(DenseUnit(20 + i * growth, growth) for i in range(2)))
        self.down = nn.Sequential(block(40, 32, 1, act=nn.Mish), nn.AvgPool2d(2))
        self.second = nn.Sequential(*(DenseUnit(32 + i * growth, growth) for i in range(2)))
        self.third = nn.Sequential(
            nn.AvgPool2d(3, 2, 1), nn.BatchNorm2d(52), conv(52, 48, 3), nn.ELU(), conv(48, 48, 3)
        )
        self.weigh = conv(52, 1)
        self.up = block(48 + 52, 32, 3, act=nn.Mish)
        self.last = nn.Sequential(block(32 + 40, 24), conv(24, 1))

    def forward(self, photo: Tensor) -> Tensor:
        first = self.first(self.stem(photo))
        second = self.second(self.down(first))
        second = second * F.softplus(self.weigh(second))
        x = self.up(torch.cat([resized(self.third(second), second), second], 1))
        return resized(self.last(torch.cat([resized(x, first), first], 1)), photo)


def reflected() -> nn.Module:
    """Reflection padding and instance norms."""
    return Reflected()


def flow() -> nn.Module:
    """A warp by grid_sample."""
    return Flow()


def scaled() -> nn.Module:
    """Constant factors."""
    return Scaled()


def dense() -> nn.Module:
    """Pre-activation norms, ELU, Mish, softplus."""
    return Dense()
