"""Tokens, attention, and convolutions in their manner."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .layers import block, conv, resized

__all__ = ["convnext", "mobilevit", "segformer", "vit"]


class Attention(nn.Module):
    """Over tokens, written out; keys and values from a map that is ``smaller`` times smaller."""

    def __init__(self, width: int, heads: int, smaller: int = 1) -> None:
        super().__init__()
        self.heads, self.smaller = heads, smaller
        self.query, self.keys = nn.Linear(width, width), nn.Linear(width, 2 * width)
        self.last = nn.Linear(width, width)
        if smaller > 1:
            self.reduce = nn.Conv2d(width, width, smaller, smaller)
            self.norm = nn.LayerNorm(width)

    def forward(self, x: Tensor, height: int, width: int) -> Tensor:
        n, count, c = x.shape
        query = self.query(x).reshape(n, count, self.heads, -1).permute(0, 2, 1, 3)
        if self.smaller > 1:
            x = self.reduce(x.transpose(1, 2).reshape(n, c, height, width))
            x = self.norm(x.flatten(2).transpose(1, 2))
        keys = self.keys(x).reshape(n, -1, 2, self.heads, c // self.heads)
        key, value = keys.permute(2, 0, 3, 1, 4)
        weights = (query @ key.transpose(-2, -1) * (c // self.heads) ** -0.5).softmax(-1)
        mixed: Tensor = self.last((weights @ value).transpose(1, 2).reshape(n, count, c))
        return mixed


class MixBlock(nn.Module):
    """Attention, and a feed-forward network with a depthwise convolution in it."""

    def __init__(self, width: int, heads: int, smaller: int) -> None:
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.attention = Attention(width, heads, smaller)
        self.grow, self.shrink = nn.Linear(width, 3 * width), nn.Linear(3 * width, width)
        self.depthwise = nn.Conv2d(3 * width, 3 * width, 3, padding=1, groups=3 * width)

    def forward(self, x: Tensor, height: int, width: int) -> Tensor:
        x = x + self.attention(self.norm1(x), height, width)
        grown = self.grow(self.norm2(x)).transpose(1, 2).view(x.size(0), -1, height, width)
        return x + self.shrink(F.gelu(self.depthwise(grown).flatten(2).transpose(1, 2)))


class SegFormer(nn.Module):
    """Hierarchical tokens and a head of linear layers (Xie et al., NeurIPS 2021)."""

    def __init__(self, widths: tuple[int, ...] = (24, 40, 64)) -> None:
        super().__init__()
        before, kernels = (3, *widths[:-1]), ((7, 4, 3), (3, 2, 1), (3, 2, 1))
        self.embed = nn.ModuleList(
            [nn.Conv2d(a, b, *k) for a, b, k in zip(before, widths, kernels, strict=True)]
        )
        self.enter = nn.ModuleList([nn.LayerNorm(w) for w in widths])
        self.blocks = nn.ModuleList(
            [
                MixBlock(w, heads, smaller)
                for w, heads, smaller in zip(widths, (1, 2, 4), (4, 2, 1), strict=True)
            ]
        )
        self.leave = nn.ModuleList([nn.LayerNorm(w) for w in widths])
        self.project = nn.ModuleList([nn.Linear(w, 24) for w in widths])
        self.fuse, self.last = block(24 * 3, 24, 1), nn.Conv2d(24, 1, 1)

    def forward(self, photo: Tensor) -> Tensor:
        x, maps = photo, []
        stages = (self.embed, self.enter, self.blocks, self.leave, self.project)
        for embed, enter, mix, leave, project in zip(*stages, strict=True):
            x = embed(x)
            n, _, h, w = x.shape
            tokens = leave(mix(enter(x.flatten(2).transpose(1, 2)), h, w))
            x = tokens.reshape(n, h, w, -1).permute(0, 3, 1, 2).contiguous()
            maps.append(project(tokens).permute(0, 2, 1).reshape(n, -1, h, w))
        together = torch.cat([resized(m, maps[0]) for m in maps[::-1]], 1)
        return resized(self.last(self.fuse(together)), photo)


class MobileViTBlock(nn.Module):
    """A map unfolded into patches, whose pixels of one place attend to each other (Mehta and
    Rastegari, ICLR 2022)."""

    def __init__(self, channels: int, width: int) -> None:
        super().__init__()
        self.local = nn.Sequential(
            block(channels, channels, act=nn.SiLU), nn.Conv2d(channels, width, 1, bias=False)
        )
        self.layer = nn.TransformerEncoderLayer(
            width, 4, 2 * width, dropout=0.0, activation=F.silu, batch_first=True, norm_first=True
        )
        self.norm = nn.LayerNorm(width)
        self.back = block(width, channels, 1, act=nn.SiLU)
        self.fuse = block(2 * channels, channels, act=nn.SiLU)

    def forward(self, x: Tensor) -> Tensor:
        y = self.local(x)
        n, c, h, w = y.shape
        y = y.reshape(n * c * (h // 2), 2, w // 2, 2).transpose(1, 2)
        y = y.reshape(n, c, (h // 2) * (w // 2), 4).transpose(1, 3)
        y = y.reshape(n * 4, (h // 2) * (w // 2), c)
        y = self.norm(self.layer(y))
        y = y.reshape(n, 4, (h // 2) * (w // 2), c).transpose(1, 3)
        y = y.reshape(n * c * (h // 2), w // 2, 2, 2).transpose(1, 2).reshape(n, c, h, w)
        return self.fuse(torch.cat([x, self.back(y)], 1))  # type: ignore[no-any-return]


class MobileViT(nn.Module):
    """MobileViT's blocks at an eighth and a sixteenth."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(block(3, 16, 3, 2, act=nn.SiLU), block(16, 24, 3, 2, act=nn.SiLU))
        self.down8, self.vit8 = block(24, 32, 3, 2, act=nn.SiLU), MobileViTBlock(32, 40)
        self.down16, self.vit16 = block(32, 48, 3, 2, act=nn.SiLU), MobileViTBlock(48, 56)
        self.lateral = nn.ModuleList([conv(c, 24) for c in (24, 32, 48)])
        self.last = nn.Sequential(block(24, 24, act=nn.SiLU), conv(24, 1))

    def forward(self, photo: Tensor) -> Tensor:
        quarter = self.stem(photo)
        eighth = self.vit8(self.down8(quarter))
        sixteenth = self.vit16(self.down16(eighth))
        x = self.lateral[2](sixteenth)
        x = resized(x, eighth) + self.lateral[1](eighth)
        x = resized(x, quarter) + self.lateral[0](quarter)
        return resized(self.last(x), photo)


class ViTLayer(nn.Module):
    """torch's own attention on tokens, and a feed-forward network."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(width, eps=1e-6), nn.LayerNorm(width, eps=1e-6)
        self.qkv, self.project = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.mlp = nn.Sequential(
            nn.Linear(width, 2 * width), nn.GELU(), nn.Linear(2 * width, width)
        )
        self.heads = heads

    def forward(self, x: Tensor) -> Tensor:
        n, count, c = x.shape
        qkv = self.qkv(self.norm1(x)).reshape(n, count, 3, self.heads, c // self.heads)
        query, key, value = qkv.permute(2, 0, 3, 1, 4).unbind(0)
        mixed = F.scaled_dot_product_attention(query, key, value)
        x = x + self.project(mixed.transpose(1, 2).reshape(n, count, c))
        return x + self.mlp(self.norm2(x))


class ViT(nn.Module):
    """A plain vision transformer with deconvolutions (Dosovitskiy et al., ICLR 2021; Xu et al.,
    NeurIPS 2022): learned positions, so one size only."""

    def __init__(self, size: int = 96, patch: int = 8, width: int = 64) -> None:
        super().__init__()
        self.side = size // patch
        self.embed = nn.Conv2d(3, width, patch, patch)
        self.positions = nn.Parameter(torch.zeros(1, self.side**2 + 1, width))
        self.extra = nn.Parameter(torch.zeros(1, 1, width))
        self.layers = nn.ModuleList([ViTLayer(width, 4) for _ in range(3)])
        self.norm = nn.LayerNorm(width)
        self.up = nn.Sequential(
            *(
                layer
                for a, b in ((width, 48), (48, 32), (32, 16))
                for layer in (
                    nn.ConvTranspose2d(a, b, 4, 2, 1, bias=False),
                    nn.BatchNorm2d(b),
                    nn.ReLU(),
                )
            )
        )
        self.last = conv(16, 1)

    def forward(self, photo: Tensor) -> Tensor:
        x = self.embed(photo).flatten(2).transpose(1, 2)
        x = torch.cat([self.extra.expand(x.size(0), -1, -1), x], 1) + self.positions
        for layer in self.layers:
            x = layer(x)
        x = self.norm(x)[:, 1:].transpose(1, 2).reshape(x.size(0), -1, self.side, self.side)
        mask: Tensor = self.last(self.up(x))
        return mask


class LayerNorm2d(nn.Module):
    """Over the channels of each pixel, as ConvNeXt and SAM write it."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(channels))
        self.bias = nn.Parameter(torch.zeros(channels))

    def forward(self, x: Tensor) -> Tensor:
        mean = x.mean(1, keepdim=True)
        variance = (x - mean).pow(2).mean(1, keepdim=True)
        x = (x - mean) / torch.sqrt(variance + 1e-6)
        return self.weight[:, None, None] * x + self.bias[:, None, None]


class ConvNeXtBlock(nn.Module):
    """Depthwise 7x7, norm, two linear layers with GELU between, a learned scale."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.depthwise = nn.Conv2d(width, width, 7, padding=3, groups=width)
        self.norm = nn.LayerNorm(width, eps=1e-6)
        self.grow, self.shrink = nn.Linear(width, 3 * width), nn.Linear(3 * width, width)
        self.gamma = nn.Parameter(0.1 * torch.ones(width))

    def forward(self, x: Tensor) -> Tensor:
        y = self.norm(self.depthwise(x).permute(0, 2, 3, 1))
        y = self.gamma * self.shrink(F.gelu(self.grow(y)))
        return x + y.permute(0, 3, 1, 2)


class ConvNeXt(nn.Module):
    """ConvNeXt's stages, a decoder with group norms, bicubic resizing (Liu et al., CVPR 2022)."""

    def __init__(self, widths: tuple[int, ...] = (32, 48, 64)) -> None:
        super().__init__()
        before, kernels = (3, *widths[:-1]), (4, 2, 2)
        self.enter = nn.ModuleList(
            [
                nn.Sequential(nn.Conv2d(a, b, k, k), LayerNorm2d(b))
                for a, b, k in zip(before, widths, kernels, strict=True)
            ]
        )
        self.blocks = nn.ModuleList([ConvNeXtBlock(w) for w in widths])
        self.lateral = nn.ModuleList(
            [nn.Sequential(conv(w, 32), nn.GroupNorm(4, 32), nn.GELU()) for w in widths]
        )
        self.last = nn.Sequential(
            conv(32, 24, 3), nn.GroupNorm(4, 24), nn.GELU(approximate="tanh"), conv(24, 1)
        )

    def forward(self, photo: Tensor) -> Tensor:
        x, maps = photo, []
        for enter, body, lateral in zip(self.enter, self.blocks, self.lateral, strict=True):
            x = body(enter(x))
            maps.append(lateral(x))
        y = maps[2]
        for level in (1, 0):
            y = maps[level] + F.interpolate(
                y, maps[level].shape[2:], mode="bicubic", align_corners=False
            )
        return F.interpolate(self.last(y), photo.shape[2:], mode="bicubic", align_corners=False)


def segformer() -> nn.Module:
    """SegFormer."""
    return SegFormer()


def mobilevit() -> nn.Module:
    """MobileViT."""
    return MobileViT()


def vit() -> nn.Module:
    """ViT with deconvolutions, for 96x96."""
    return ViT()


def convnext() -> nn.Module:
    """ConvNeXt with group norms and bicubic resizing."""
    return ConvNeXt()
