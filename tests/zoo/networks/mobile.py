"""Networks made for phones and for speed."""

from __future__ import annotations

import itertools

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .layers import Residual, SqueezeExcite, block, conv, depthwise, resized

__all__ = [
    "bisenet",
    "efficient_unet",
    "espnet",
    "fast_scnn",
    "lraspp",
    "pidnet",
    "shufflenet",
]


class Inverted(nn.Module):
    """Grow, filter depthwise, gate, shrink (Howard et al., ICCV 2019)."""

    def __init__(
        self,
        inputs: int,
        outputs: int,
        stride: int = 1,
        *,
        kernel: int = 3,
        dilation: int = 1,
        act: type[nn.Module] = nn.Hardswish,
        gate: tuple[type[nn.Module], type[nn.Module]] | None = (nn.ReLU, nn.Hardsigmoid),
        grow: int = 3,
    ) -> None:
        super().__init__()
        wide = grow * inputs
        layers: list[nn.Module] = [block(inputs, wide, 1, act=act)]
        layers += [block(wide, wide, kernel, stride, dilation=dilation, groups=wide, act=act)]
        if gate is not None:
            layers += [SqueezeExcite(wide, max(4, wide // 4), *gate)]
        layers += [block(wide, outputs, 1, act=nn.Identity)]
        self.body = nn.Sequential(*layers)
        self.shortcut = stride == 1 and inputs == outputs

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.body(x)
        return x + y if self.shortcut else y


class LRASPP(nn.Module):
    """MobileNetV3 with its light head: hard swish, hard sigmoid, squeeze and excite."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = block(3, 16, 3, 2, act=nn.Hardswish)
        self.low = nn.Sequential(
            Inverted(16, 16, act=nn.ReLU), Inverted(16, 24, 2, act=nn.ReLU, gate=None)
        )
        self.high = nn.Sequential(
            Inverted(24, 40, 2, kernel=5),
            Inverted(40, 48, 2, kernel=5),
            Inverted(48, 48, kernel=5, dilation=2),
        )
        self.cbr = block(48, 32, 1)
        self.scale = nn.Sequential(
            nn.AdaptiveAvgPool2d(1), nn.Conv2d(48, 32, 1, bias=False), nn.Sigmoid()
        )
        self.low_classifier, self.high_classifier = conv(24, 1), conv(32, 1)

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        low = self.low(self.stem(x))
        high = self.high(low)
        high = resized(self.cbr(high) * self.scale(high), low)
        return {"out": resized(self.low_classifier(low) + self.high_classifier(high), x)}


class EfficientUNet(nn.Module):
    """EfficientNet's blocks (swish, gates) under a U-Net's decoder (Tan and Le, ICML 2019)."""

    def __init__(self) -> None:
        super().__init__()
        widths = (12, 16, 24, 40)
        self.stem = block(3, widths[0], 3, 2, act=nn.SiLU)
        gate = (nn.SiLU, nn.Sigmoid)
        self.down = nn.ModuleList(
            [
                nn.Sequential(
                    Inverted(a, b, 2, act=nn.SiLU, gate=gate),
                    Inverted(b, b, act=nn.SiLU, gate=gate),
                )
                for a, b in itertools.pairwise(widths)
            ]
        )
        self.up = nn.ModuleList(
            [block(a + b, b) for a, b in zip(widths[:0:-1], widths[-2::-1], strict=True)]
        )
        self.last = nn.Sequential(block(widths[0], widths[0]), conv(widths[0], 1))

    def forward(self, photo: Tensor) -> Tensor:
        skips = [self.stem(photo)]
        for stage in self.down:
            skips.append(stage(skips[-1]))
        x = skips.pop()
        for stage in self.up:
            skip = skips.pop()
            x = stage(torch.cat([F.interpolate(x, scale_factor=2.0), skip], 1))
        mask: Tensor = self.last(F.interpolate(x, scale_factor=2.0))
        return mask


class FastSCNN(nn.Module):
    """Learning to downsample, pyramid pooling with bins of 1, 2, 3 and 6, one fusion (Poudel et
    al., BMVC 2019)."""

    def __init__(self) -> None:
        super().__init__()
        self.learn = nn.Sequential(block(3, 16, 3, 2), depthwise(16, 24, 2), depthwise(24, 32, 2))
        relu = nn.ReLU6
        self.features = nn.Sequential(
            Inverted(32, 40, 2, act=relu, gate=None),
            Inverted(40, 48, act=relu, gate=None),
            Inverted(48, 48, act=relu, gate=None),
        )
        self.bins = nn.ModuleList([block(48, 12, 1) for _ in range(4)])
        self.fuse = block(96, 48, 1)
        self.deep = nn.Sequential(block(48, 48, groups=48), nn.Conv2d(48, 48, 1))
        self.fine = nn.Conv2d(32, 48, 1)
        self.classify = nn.Sequential(depthwise(48, 48), nn.Dropout(0.1), conv(48, 1))

    def forward(self, photo: Tensor) -> tuple[Tensor]:
        fine = self.learn(photo)
        x = self.features(fine)
        bins = zip((1, 2, 3, 6), self.bins, strict=True)
        pooled = [resized(own(F.adaptive_avg_pool2d(x, n)), x, True) for n, own in bins]
        x = self.deep(resized(self.fuse(torch.cat([x, *pooled], 1)), fine, True))
        return (resized(self.classify(torch.relu(x + self.fine(fine))), photo, True),)


class Refine(nn.Module):
    """A map gated by its own average (BiSeNet's attention refinement)."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.conv, self.gate = block(inputs, outputs), nn.Conv2d(outputs, outputs, 1, bias=False)
        self.norm = nn.BatchNorm2d(outputs)

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv(x)
        return x * torch.sigmoid(self.norm(self.gate(x.mean((2, 3), keepdim=True))))


class BiSeNet(nn.Module):
    """A path for detail and one for context, fused; two classes, and two auxiliary outputs (Yu
    et al., ECCV 2018)."""

    def __init__(self, width: int = 20) -> None:
        super().__init__()
        self.detail = nn.Sequential(
            block(3, width, 7, 2), block(width, width, 3, 2), block(width, 32, 1)
        )
        self.stem = nn.Sequential(block(3, width, 3, 2), nn.MaxPool2d(3, 2, 1))
        self.stage8, self.stage16 = Residual(width, 32, 2), Residual(32, 48, 2)
        self.refine8, self.refine16 = Refine(32, 32), Refine(48, 32)
        self.whole = block(48, 32, 1)
        self.fuse = block(64, 48, 1)
        self.squeeze, self.excite = conv(48, 12), conv(12, 48)
        self.last = nn.ModuleList([nn.Sequential(block(c, 24), conv(24, 2)) for c in (48, 32, 32)])

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        detail = self.detail(x)
        eighth = self.stage8(self.stem(x))
        sixteenth = self.stage16(eighth)
        whole = self.whole(F.adaptive_avg_pool2d(sixteenth, 1))
        deep = resized(self.refine16(sixteenth) + whole, eighth)
        context = resized(self.refine8(eighth) + deep, detail)
        fused = self.fuse(torch.cat([detail, context], 1))
        gate = torch.sigmoid(self.excite(torch.relu(self.squeeze(F.adaptive_avg_pool2d(fused, 1)))))
        fused = fused + fused * gate
        given = zip(self.last, (fused, context, deep), strict=True)
        final, aux8, aux16 = (resized(own(m), x, True) for own, m in given)
        return final, aux8, aux16


class PIDNet(nn.Module):
    """Three branches, detail and context mixed by what the boundary's says (Xu et al., CVPR
    2023)."""

    def __init__(self, width: int = 18) -> None:
        super().__init__()
        self.stem = nn.Sequential(block(3, width, 3, 2), block(width, width, 3, 2))
        self.detail = nn.Sequential(Residual(width, width), Residual(width, width))
        self.context1, self.context2 = Residual(width, 2 * width, 2), Residual(2 * width, 48, 2)
        self.edge = Residual(width, width)
        self.compress1, self.compress2 = block(2 * width, width, 1), block(48, width, 1)
        self.key, self.query = block(width, 8, 1), block(2 * width, 8, 1)
        self.scales = nn.ModuleList(
            [
                nn.Sequential(nn.AvgPool2d(k, s, p), nn.BatchNorm2d(48), nn.ReLU(), conv(48, 12))
                for k, s, p in ((5, 2, 2), (9, 4, 4))
            ]
        )
        self.pyramid = block(48 + 24, width, 1)
        self.mix = block(width, width)
        self.last, self.boundary = nn.Sequential(block(width, 24), conv(24, 1)), conv(width, 1)

    def forward(self, x: Tensor) -> list[Tensor]:
        stem = self.stem(x)
        context = self.context1(stem)
        detail = self.detail(stem)
        # Pixel attention: what both paths agree on is taken from the context.
        alike = (self.key(detail) * resized(self.query(context), detail)).sum(1, keepdim=True)
        gate = torch.sigmoid(alike)
        detail = (1 - gate) * detail + gate * resized(self.compress1(context), detail)
        edge = self.edge(stem)
        context = self.context2(context)
        pooled = [resized(scale(context), context) for scale in self.scales]
        context = resized(self.pyramid(torch.cat([context, *pooled], 1)), detail)
        inside = torch.sigmoid(edge)
        mixed = self.mix(inside * detail + (1 - inside) * context)
        return [resized(self.boundary(edge), x), resized(self.last(mixed), x)]


class ESPNet(nn.Module):
    """Grouped and dilated convolutions summed up in a hierarchy, PReLU, pixel shuffle at the end
    (Mehta et al., ECCV 2018; Shi et al., CVPR 2016)."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(conv(3, 16, 3), nn.PReLU(16), nn.Conv2d(16, 32, 3, 2, 1))
        self.act = nn.PReLU()
        self.down = nn.Conv2d(32, 48, 3, 2, 1, groups=4)
        self.reduce = nn.ModuleList([conv(48, 12) for _ in range(3)])
        self.branches = nn.ModuleList(
            [
                nn.ModuleList(
                    [nn.Conv2d(12, 12, 3, padding=d, dilation=d, groups=2) for d in (1, 2, 4, 6)]
                )
                for _ in range(3)
            ]
        )
        self.norms = nn.ModuleList([nn.BatchNorm2d(48) for _ in range(3)])
        self.acts = nn.ModuleList([nn.PReLU(48) for _ in range(3)])
        self.last = conv(48, 16, 3)
        self.shuffle = nn.PixelShuffle(4)

    def forward(self, x: Tensor) -> Tensor:
        x = self.down(self.act(self.stem(x)))
        parts = zip(self.reduce, self.branches, self.norms, self.acts, strict=True)
        for reduce, branches, norm, act in parts:
            low = reduce(x)
            first, *others = (branch(low) for branch in branches)  # type: ignore[union-attr]
            sums = [first]
            for other in others:
                sums.append(sums[-1] + other)
            x = act(norm(torch.cat(sums, 1) + x))
        mask: Tensor = self.shuffle(self.last(x))
        return mask


class Shuffled(nn.Module):
    """Half of the channels pass, the others are filtered, then all are shuffled (Ma et al., ECCV
    2018)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        half = width // 2
        self.body = nn.Sequential(
            block(half, half, 1),
            block(half, half, groups=half, act=nn.Identity),
            block(half, half, 1),
        )

    def forward(self, x: Tensor) -> Tensor:
        kept, filtered = x.chunk(2, 1)
        x = torch.cat([kept, self.body(filtered)], 1)
        n, c, h, w = x.shape
        return x.view(n, 2, c // 2, h, w).transpose(1, 2).reshape(n, c, h, w)


class ShuffleNet(nn.Module):
    """ShuffleNet's units at four scales, added up on the way back."""

    def __init__(self, widths: tuple[int, ...] = (24, 32, 48, 64)) -> None:
        super().__init__()
        before = (3, *widths[:-1])
        self.down = nn.ModuleList(
            [
                nn.Sequential(block(a, b, 3, 2), Shuffled(b), Shuffled(b))
                for a, b in zip(before, widths, strict=True)
            ]
        )
        self.heads = nn.ModuleList([conv(w, 16) for w in widths])
        self.last = nn.Sequential(block(16, 16), conv(16, 1))

    def forward(self, photo: Tensor) -> Tensor:
        x, maps = photo, []
        for stage in self.down:
            x = stage(x)
            maps.append(x)
        y = self.heads[3](maps[3])
        for level in (2, 1, 0):
            y = F.leaky_relu(resized(y, maps[level]) + self.heads[level](maps[level]), 0.1)
        return resized(self.last(y), photo)


def lraspp() -> nn.Module:
    """MobileNetV3 with LR-ASPP; output ``out``."""
    return LRASPP()


def efficient_unet() -> nn.Module:
    """U-Net on EfficientNet's blocks."""
    return EfficientUNet()


def fast_scnn() -> nn.Module:
    """Fast-SCNN, one mask in a tuple."""
    return FastSCNN()


def bisenet() -> nn.Module:
    """BiSeNet, two classes; output 0."""
    return BiSeNet()


def pidnet() -> nn.Module:
    """PIDNet; output 1."""
    return PIDNet()


def espnet() -> nn.Module:
    """ESPNet with pixel shuffle."""
    return ESPNet()


def shufflenet() -> nn.Module:
    """ShuffleNetV2 units."""
    return ShuffleNet()
