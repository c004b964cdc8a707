"""Networks that draw soft masks of people."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .layers import block, conv, depthwise, resized

__all__ = ["convgru", "modnet", "rvm", "senet"]


class IBNorm(nn.Module):
    """Batch norm for half of the channels, instance norm for the others."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.half = channels // 2
        self.batch = nn.BatchNorm2d(self.half)
        self.instance = nn.InstanceNorm2d(channels - self.half, affine=False)

    def forward(self, x: Tensor) -> Tensor:
        batch = self.batch(x[:, : self.half].contiguous())
        instance = self.instance(x[:, self.half :].contiguous())
        return torch.cat((batch, instance), 1)


class LinearGate(nn.Module):
    """Squeeze and excite by linear layers, with `expand_as`."""

    def __init__(self, channels: int, squeezed: int) -> None:
        super().__init__()
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Sequential(
            nn.Linear(channels, squeezed, bias=False),
            nn.ReLU(),
            nn.Linear(squeezed, channels, bias=False),
            nn.Sigmoid(),
        )

    def forward(self, x: Tensor) -> Tensor:
        n, c, _, _ = x.size()
        weights: Tensor = self.fc(self.pool(x).view(n, c)).view(n, c, 1, 1)
        return x * weights.expand_as(x)


class MODNet(nn.Module):
    """Semantics from a small map, detail from a large one, fused (Ke et al., AAAI 2022).

    In training it gives three maps, in evaluation only the matte, by its own sigmoid.
    """

    def __init__(self) -> None:
        super().__init__()
        self.stem = block(3, 16, 3, 2, act=nn.ReLU6)
        self.down = nn.ModuleList(
            [depthwise(a, b, 2, act=nn.ReLU6) for a, b in ((16, 24), (24, 40), (40, 64))]
        )
        self.gate = LinearGate(64, 16)
        self.low = nn.ModuleList([block(a, b, 5, norm=IBNorm) for a, b in ((64, 40), (40, 24))])
        self.enhance = nn.Sequential(
            block(24 + 24 + 3, 32, norm=IBNorm), block(32, 24, norm=IBNorm)
        )
        self.fuse = nn.Sequential(
            block(24 + 16, 24, norm=IBNorm), nn.Conv2d(24, 12, 1), nn.ReLU(), conv(12, 1)
        )

    def logits(self, photo: Tensor) -> Tensor:
        """What it is trained by."""
        half = self.stem(photo)
        quarter = self.down[0](half)
        deep = self.gate(self.down[2](self.down[1](quarter)))
        for own in self.low:
            deep = own(F.interpolate(deep, scale_factor=2, mode="bilinear", align_corners=False))
        small = F.interpolate(photo, scale_factor=0.25, mode="bilinear", align_corners=False)
        detail = self.enhance(torch.cat((deep, quarter, small), 1))
        detail = F.interpolate(detail, scale_factor=2, mode="bilinear", align_corners=False)
        fused: Tensor = self.fuse(torch.cat((detail, half), 1))
        return F.interpolate(fused, scale_factor=2, mode="bilinear", align_corners=False)

    def forward(self, photo: Tensor) -> Tensor:
        return torch.sigmoid(self.logits(photo))


class ConvGRU(nn.Module):
    """A gated recurrent unit of convolutions, from a state of zeros unless one is given (Ballas
    et al., ICLR 2016)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.channels = channels
        self.gates = nn.Sequential(conv(2 * channels, 2 * channels, 3), nn.Sigmoid())
        self.candidate = nn.Sequential(conv(2 * channels, channels, 3), nn.Tanh())

    def forward(self, x: Tensor, state: Tensor | None = None) -> tuple[Tensor, Tensor]:
        if state is None:
            state = torch.zeros_like(x)
        reset, update = self.gates(torch.cat([x, state], 1)).split(self.channels, 1)
        candidate = self.candidate(torch.cat([x, reset * state], 1))
        state = (1 - update) * state + update * candidate
        return state, state


class RVM(nn.Module):
    """Foreground and matte from a pyramid of the photo's averages (Lin et al., WACV 2022), here
    without its recurrence."""

    def __init__(self) -> None:
        super().__init__()
        widths = (16, 24, 40, 56)
        before = (3, *widths[:-1])
        self.down = nn.ModuleList(
            [
                nn.Sequential(block(a, b, 3, 2, act=nn.Hardswish), block(b, b, act=nn.Hardswish))
                for a, b in zip(before, widths, strict=True)
            ]
        )
        self.attend = nn.Sequential(
            nn.AdaptiveAvgPool2d(1), nn.Conv2d(56, 40, 1, bias=False), nn.Sigmoid()
        )
        self.squeeze = block(56, 40, 1)
        self.up = nn.ModuleList(
            [block(40 + 40 + 3, 32), block(32 + 24 + 3, 24), block(24 + 16 + 3, 16)]
        )
        self.out = nn.Sequential(block(16 + 3, 16), block(16, 16))
        self.project = conv(16, 4)

    def forward(self, photo: Tensor) -> tuple[Tensor, Tensor]:
        small, maps, x = [photo], [], photo
        for stage in self.down:
            x = stage(x)
            maps.append(x)
            small.append(F.avg_pool2d(small[-1], 2, 2, count_include_pad=False, ceil_mode=True))
        x = self.squeeze(x) * self.attend(x)
        for stage, level in zip(self.up, (2, 1, 0), strict=True):
            x = F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False)
            x = x[:, :, : maps[level].size(2), : maps[level].size(3)]
            x = stage(torch.cat([x, maps[level], small[level + 1]], 1))
        x = F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False)
        foreground, matte = self.project(self.out(torch.cat([x, photo], 1))).split([3, 1], 1)
        return (foreground + photo).clamp(0.0, 1.0), matte.clamp(0.0, 1.0)


class Recurrent(nn.Module):
    """A U-shaped network whose middle is a ConvGRU; its state comes out beside the mask."""

    def __init__(self) -> None:
        super().__init__()
        self.down = nn.ModuleList([block(3, 16, 3, 2), block(16, 32, 3, 2), block(32, 48, 3, 2)])
        self.deep = nn.Sequential(block(48, 48), block(48, 48, dilation=2))
        self.gru = ConvGRU(24)
        self.up = nn.ModuleList([block(48 + 32, 32), block(32 + 16, 16)])
        self.last = conv(16, 1)

    def forward(self, photo: Tensor, state: Tensor | None = None) -> tuple[Tensor, Tensor]:
        first = self.down[0](photo)
        second = self.down[1](first)
        a, b = self.deep(self.down[2](second)).chunk(2, 1)
        b, state = self.gru(b, state)
        x = self.up[0](torch.cat([resized(torch.cat([a, b], 1), second), second], 1))
        x = self.up[1](torch.cat([resized(x, first), first], 1))
        return resized(self.last(x), photo), state


class SENet(nn.Module):
    """Residual blocks gated by linear layers, and a decoder by transposed convolutions of stride
    2 and kernel 4 (Hu et al., CVPR 2018)."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(block(3, 24, 5, 2), block(24, 32, 3, 2))
        self.blocks = nn.ModuleList(
            [nn.Sequential(block(32, 32), block(32, 32, act=nn.Identity)) for _ in range(3)]
        )
        self.down = block(32, 32, 3, 2)
        self.gates = nn.ModuleList([LinearGate(32, 8) for _ in range(3)])
        self.up = nn.ModuleList(
            [nn.ConvTranspose2d(a, b, 4, 2, 1) for a, b in ((32, 32), (32, 16), (16, 12))]
        )
        self.last = conv(12, 1)

    def forward(self, x: Tensor) -> Tensor:
        early = self.stem(x)
        x = self.down(early)
        for body, gate in zip(self.blocks, self.gates, strict=True):
            x = F.relu(x + gate(body(x)))
        x = torch.relu(self.up[0](x)) + early
        mask: Tensor = self.last(torch.relu(self.up[2](torch.relu(self.up[1](x)))))
        return mask


def modnet() -> nn.Module:
    """MODNet, with its own sigmoid."""
    return MODNet()


def rvm() -> nn.Module:
    """Robust Video Matting without states: (foreground, matte); output 1."""
    return RVM()


def convgru() -> nn.Module:
    """A ConvGRU's mask and state; output 0."""
    return Recurrent()


def senet() -> nn.Module:
    """Squeeze-and-excite by linear layers."""
    return SENet()
