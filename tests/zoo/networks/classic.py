"""Encoders with residual blocks or plain convolutions, and what decodes them."""

from __future__ import annotations

import itertools

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .layers import Residual, block, conv, resized

__all__ = ["deeplab", "fcn", "fcn_argmax", "fpn", "hrnet", "pspnet", "segnet", "unet"]

CLASSES = 21


class Backbone(nn.Module):
    """A residual network of four stages: maps at a quarter, an eighth, a sixteenth, and below.

    Its last ``dilated`` stages keep the size, by dilation.
    """

    def __init__(self, width: int, dilated: int) -> None:
        super().__init__()
        self.stem = nn.Sequential(block(3, width, 7, 2), nn.MaxPool2d(3, 2, 1))
        self.stage1 = Residual(width, width)
        self.stage2 = Residual(width, 2 * width, 2)
        strides = (2, 2, 1, 1)[dilated : dilated + 2]
        self.stage3 = Residual(2 * width, 3 * width, strides[0])
        self.stage4 = Residual(3 * width, 3 * width, strides[1], 2 * dilated or 1)

    def forward(self, x: Tensor) -> list[Tensor]:
        maps = [self.stage1(self.stem(x))]
        for stage in (self.stage2, self.stage3, self.stage4):
            maps.append(stage(maps[-1]))
        return maps


class FCN(nn.Module):
    """Logits of 21 classes in a dict, with those of an auxiliary head (Long et al., CVPR 2015)."""

    def __init__(self) -> None:
        super().__init__()
        self.backbone = Backbone(24, dilated=2)
        self.classifier = nn.Sequential(block(72, 24), nn.Dropout(0.1), nn.Conv2d(24, CLASSES, 1))
        self.aux_classifier = nn.Sequential(block(48, 24), nn.Conv2d(24, CLASSES, 1))

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        _, early, _, deep = self.backbone(x)
        return {
            "out": resized(self.classifier(deep), x),
            "aux": resized(self.aux_classifier(early), x),
        }


class Argmax(nn.Module):
    """The same, but what comes out are class numbers (N, H, W)."""

    def __init__(self) -> None:
        super().__init__()
        self.net = FCN()

    def logits(self, x: Tensor) -> Tensor:
        """What it is trained by."""
        return self.net(x)["out"]

    def forward(self, x: Tensor) -> Tensor:
        return self.logits(x).argmax(1)


class UNet(nn.Module):
    """Transposed convolutions, and padding by the difference of two sizes (Ronneberger et al.,
    MICCAI 2015)."""

    def __init__(self, widths: tuple[int, ...] = (12, 24, 40, 56)) -> None:
        super().__init__()
        before = (3, *widths[:-1])
        self.down = nn.ModuleList(
            [nn.Sequential(block(a, b), block(b, b)) for a, b in zip(before, widths, strict=True)]
        )
        pairs = list(itertools.pairwise(widths))[::-1]
        self.up = nn.ModuleList([nn.ConvTranspose2d(deep, own, 2, 2) for own, deep in pairs])
        self.join = nn.ModuleList([block(2 * own, own) for own, _ in pairs])
        self.last = conv(widths[0], 1)

    def forward(self, x: Tensor) -> Tensor:
        skips: list[Tensor] = []
        for stage in self.down:
            x = stage(F.max_pool2d(x, 2) if skips else x)
            skips.append(x)
        for up, join, skip in zip(self.up, self.join, skips[-2::-1], strict=True):
            x = up(x)
            dy, dx = skip.size(2) - x.size(2), skip.size(3) - x.size(3)
            x = F.pad(x, [dx // 2, dx - dx // 2, dy // 2, dy - dy // 2])
            x = join(torch.cat([skip, x], 1))
        mask: Tensor = self.last(x)
        return mask


class FPN(nn.Module):
    """Lateral convolutions, nearest neighbours upwards, all levels summed (Lin et al., CVPR 2017;
    Kirillov et al., CVPR 2019)."""

    def __init__(self, width: int = 20) -> None:
        super().__init__()
        self.backbone = Backbone(width, dilated=0)
        channels = (width, 2 * width, 3 * width, 3 * width)
        self.lateral = nn.ModuleList([conv(c, width) for c in channels])
        self.smooth = nn.ModuleList([block(width, width) for _ in channels])
        self.last = conv(width, 1)

    def forward(self, x: Tensor) -> Tensor:
        maps = [own(given) for own, given in zip(self.lateral, self.backbone(x), strict=True)]
        for level in (2, 1, 0):
            maps[level] = maps[level] + F.interpolate(maps[level + 1], maps[level].shape[2:])
        maps = [own(given) for own, given in zip(self.smooth, maps, strict=True)]
        total = maps[0]
        for deeper in maps[1:]:
            total = total + resized(deeper, total)
        return resized(self.last(total), x)


class ImagePool(nn.Module):
    """The whole photo's average, at every place."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.AdaptiveAvgPool2d(1), block(inputs, outputs, 1))

    def forward(self, x: Tensor) -> Tensor:
        return resized(self.body(x), x)


class DeepLab(nn.Module):
    """Dilated convolutions of several rates beside each other, and one skip (Chen et al., ECCV
    2018)."""

    def __init__(self, width: int = 20) -> None:
        super().__init__()
        self.backbone = Backbone(width, dilated=1)
        deep, own = 3 * width, 24
        self.aspp = nn.ModuleList(
            [
                block(deep, own, 1),
                *(block(deep, own, 3, dilation=rate) for rate in (2, 3, 5)),
                ImagePool(deep, own),
            ]
        )
        self.project = nn.Sequential(block(5 * own, own, 1), nn.Dropout(0.1))
        self.skip = block(width, 12, 1)
        self.last = nn.Sequential(block(own + 12, own), conv(own, 1))

    def forward(self, x: Tensor) -> Tensor:
        early, _, _, deep = self.backbone(x)
        pyramid = self.project(torch.cat([branch(deep) for branch in self.aspp], 1))
        skip = self.skip(early)
        return resized(self.last(torch.cat([resized(pyramid, skip), skip], 1)), x)


class PSPNet(nn.Module):
    """Pyramid pooling whose bins divide no side, corners aligned (Zhao et al., CVPR 2017)."""

    def __init__(self, width: int = 20) -> None:
        super().__init__()
        self.backbone = Backbone(width, dilated=1)
        self.bins = nn.ModuleList(
            [
                nn.Sequential(nn.AdaptiveAvgPool2d(n), block(3 * width, width, 1))
                for n in (1, 2, 3, 6)
            ]
        )
        self.fuse = block(7 * width, 32)
        self.skip, self.last = block(width, 16, 1), nn.Sequential(block(48, 24), conv(24, 1))

    def forward(self, x: Tensor) -> Tensor:
        early, _, _, deep = self.backbone(x)
        pooled = [resized(pool(deep), deep, align_corners=True) for pool in self.bins]
        deep = resized(self.fuse(torch.cat([deep, *pooled], 1)), early, align_corners=True)
        return resized(self.last(torch.cat([deep, self.skip(early)], 1)), x, align_corners=True)


class Exchange(nn.Module):
    """Each resolution gets the sum of all, brought to its size and width."""

    def __init__(self, widths: tuple[int, ...]) -> None:
        super().__init__()
        self.paths = nn.ModuleList(
            [
                nn.ModuleList([self._path(i, o, widths) for i in range(len(widths))])
                for o in range(len(widths))
            ]
        )

    @staticmethod
    def _path(i: int, o: int, widths: tuple[int, ...]) -> nn.Module:
        if i == o:
            return nn.Identity()
        if i > o:
            return block(widths[i], widths[o], 1, act=nn.Identity)
        steps = [block(widths[i], widths[i], 3, 2) for _ in range(o - i - 1)]
        return nn.Sequential(*steps, block(widths[i], widths[o], 3, 2, act=nn.Identity))

    def forward(self, maps: list[Tensor]) -> list[Tensor]:
        mixed: list[Tensor] = []
        for own, paths in zip(maps, self.paths, strict=True):
            total = torch.zeros_like(own)
            for given, path in zip(maps, paths, strict=True):  # type: ignore[call-overload]
                found = path(given)
                total = total + (found if found.shape == own.shape else resized(found, own))
            mixed.append(torch.relu(total))
        return mixed


class HRNet(nn.Module):
    """Three resolutions side by side that exchange what they see (Wang et al., TPAMI 2020)."""

    def __init__(self, widths: tuple[int, ...] = (14, 24, 40)) -> None:
        super().__init__()
        self.stem = nn.Sequential(block(3, 16, 3, 2), block(16, widths[0], 3, 2))
        self.enter = nn.ModuleList([block(a, b, 3, 2) for a, b in itertools.pairwise(widths)])
        self.stages = nn.ModuleList(
            [
                nn.ModuleList([nn.ModuleList([Residual(w, w) for w in widths]), Exchange(widths)])
                for _ in range(2)
            ]
        )
        total = sum(widths)
        self.last = nn.Sequential(block(total, 32, 1), conv(32, 1))

    def forward(self, x: Tensor) -> Tensor:
        maps = [self.stem(x)]
        for enter in self.enter:
            maps.append(enter(maps[-1]))
        for blocks, exchange in self.stages:  # type: ignore[misc]
            maps = exchange([own(given) for own, given in zip(blocks, maps, strict=True)])
        together = torch.cat([maps[0], *(resized(m, maps[0]) for m in maps[1:])], 1)
        return resized(self.last(together), x)


class SegNet(nn.Module):
    """Maxima go back to where they came from (Badrinarayanan et al., TPAMI 2017)."""

    def __init__(self, widths: tuple[int, ...] = (16, 32, 48)) -> None:
        super().__init__()
        before = (3, *widths[:-1])
        self.down = nn.ModuleList([block(a, b) for a, b in zip(before, widths, strict=True)])
        after = (*widths[-2::-1], widths[0])
        self.up = nn.ModuleList([block(a, b) for a, b in zip(widths[::-1], after, strict=True)])
        self.pool, self.unpool = nn.MaxPool2d(2, 2, return_indices=True), nn.MaxUnpool2d(2, 2)
        self.last = conv(widths[0], 1)

    def forward(self, x: Tensor) -> Tensor:
        places: list[Tensor] = []
        for stage in self.down:
            x, place = self.pool(stage(x))
            places.append(place)
        for stage, place in zip(self.up, places[::-1], strict=True):
            x = stage(self.unpool(x, place))
        mask: Tensor = self.last(x)
        return mask


def fcn() -> nn.Module:
    """FCN on a residual network, 21 classes; output ``out``."""
    return FCN()


def fcn_argmax() -> nn.Module:
    """Class numbers of 21 classes."""
    return Argmax()


def unet() -> nn.Module:
    """U-Net with transposed convolutions."""
    return UNet()


def fpn() -> nn.Module:
    """Feature pyramid."""
    return FPN()


def deeplab() -> nn.Module:
    """DeepLabV3+."""
    return DeepLab()


def pspnet() -> nn.Module:
    """PSPNet."""
    return PSPNet()


def hrnet() -> nn.Module:
    """HRNet."""
    return HRNet()


def segnet() -> nn.Module:
    """SegNet."""
    return SegNet()
