"""Networks of the kinds that people have, small: each becomes what every format starts from."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from maskport.exporters.intermediates import make
from maskport.exporters.probes import draw_references
from maskport.exporters.run import Card, Run
from maskport.imaging.convert import photo_to_input
from maskport.models.prepared import Reference, prepare
from maskport.models.seeding import seeded
from maskport.scenes import scene
from maskport.specs import ImageSpec, MaskSpec, ModelSpec

from ...sdks import needed


def block(inputs: int, outputs: int) -> nn.Module:
    conv = nn.Conv2d(inputs, outputs, 3, padding=1, bias=False)
    return nn.Sequential(conv, nn.BatchNorm2d(outputs), nn.ReLU(inplace=True))


class UNet(nn.Module):
    """Transposed convolutions, and padding by the difference of two sizes (Ronneberger et al.,
    MICCAI 2015)."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second, self.third = block(3, 4), block(4, 8), block(8, 16)
        self.up2, self.up1 = (nn.ConvTranspose2d(2 * n, n, 2, stride=2) for n in (8, 4))
        self.join2, self.join1, self.last = block(16, 8), block(8, 4), nn.Conv2d(4, 1, 1)

    def forward(self, x: Tensor) -> Tensor:
        first = self.first(x)
        second = self.second(F.max_pool2d(first, 2))
        x = self.join2(joined(second, self.up2(self.third(F.max_pool2d(second, 2)))))
        mask: Tensor = self.last(self.join1(joined(first, self.up1(x))))
        return mask


def joined(skip: Tensor, x: Tensor) -> Tensor:
    dy, dx = skip.size(2) - x.size(2), skip.size(3) - x.size(3)
    return torch.cat([skip, F.pad(x, [dx // 2, dx - dx // 2, dy // 2, dy - dy // 2])], 1)


class Attention(nn.Module):
    """Over tokens, with keys and values of a map that is smaller by a strided convolution."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.query, self.keys = nn.Linear(width, width), nn.Linear(width, 2 * width)
        self.smaller, self.norm = nn.Conv2d(width, width, 2, 2), nn.LayerNorm(width)
        self.last = nn.Linear(width, width)

    def forward(self, x: Tensor, height: int, width: int) -> Tensor:
        n, count, c = x.shape
        query = self.query(x).reshape(n, count, self.heads, -1).permute(0, 2, 1, 3)
        small = self.smaller(x.transpose(1, 2).reshape(n, c, height, width))
        small = self.norm(small.flatten(2).transpose(1, 2))
        keys = self.keys(small).reshape(n, -1, 2, self.heads, c // self.heads)
        key, value = keys.permute(2, 0, 3, 1, 4)
        weights = (query @ key.transpose(-2, -1) * (c // self.heads) ** -0.5).softmax(-1)
        mixed: Tensor = self.last((weights @ value).transpose(1, 2).reshape(n, count, c))
        return mixed


class SegFormer(nn.Module):
    """Layer norms, attention, GELU, a depthwise convolution among tokens (Xie et al., NeurIPS
    2021)."""

    def __init__(self) -> None:
        super().__init__()
        self.embed, self.attention = nn.Conv2d(3, 8, 7, 4, 3), Attention(8, 2)
        self.norms = nn.ModuleList([nn.LayerNorm(8) for _ in range(3)])
        self.grow, self.shrink = nn.Linear(8, 24), nn.Linear(24, 8)
        self.depthwise = nn.Conv2d(24, 24, 3, padding=1, groups=24)
        self.last = nn.Conv2d(8, 1, 1)

    def forward(self, x: Tensor) -> Tensor:
        size = x.shape[2:]
        x = self.embed(x)
        n, _, h, w = x.shape
        tokens = self.norms[0](x.flatten(2).transpose(1, 2))
        tokens = tokens + self.attention(self.norms[1](tokens), h, w)
        grown = self.grow(self.norms[2](tokens)).transpose(1, 2).view(n, -1, h, w)
        tokens = tokens + self.shrink(F.gelu(self.depthwise(grown).flatten(2).transpose(1, 2)))
        x = self.last(tokens.reshape(n, h, w, -1).permute(0, 3, 1, 2).contiguous())
        return F.interpolate(x, size=size, mode="bilinear")


class MODNet(nn.Module):
    """Half batch norm, half instance norm, squeeze and excite by linear layers (Ke et al., AAAI
    2022)."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Sequential(nn.Conv2d(3, 8, 3, 2, 1), nn.BatchNorm2d(8), nn.ReLU6(True))
        self.down, self.up = nn.Linear(8, 2, bias=False), nn.Linear(2, 8, bias=False)
        self.conv, self.batch = nn.Conv2d(8, 8, 5, padding=2), block(4, 4)
        self.instance = nn.InstanceNorm2d(4, affine=False)
        self.last = nn.Conv2d(8 + 3, 1, 3, padding=1)

    def forward(self, photo: Tensor) -> Tensor:
        x = self.first(photo)
        n, c, _, _ = x.size()
        gate = torch.relu(self.down(F.adaptive_avg_pool2d(x, 1).view(n, c)))
        x = x * torch.sigmoid(self.up(gate)).view(n, c, 1, 1).expand_as(x)
        x = self.conv(x)
        halves = self.batch(x[:, :4].contiguous()), self.instance(x[:, 4:].contiguous())
        x = F.interpolate(torch.cat(halves, 1), scale_factor=2, mode="bilinear")
        mask: Tensor = self.last(torch.cat((x, photo), 1))
        return mask


class PSPNet(nn.Module):
    """Pyramid pooling whose bins divide no side (Zhao et al., CVPR 2017)."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Sequential(block(3, 8), nn.MaxPool2d(4))
        self.bins = nn.ModuleList(
            [nn.Sequential(nn.AdaptiveAvgPool2d(n), block(8, 4)) for n in (1, 2, 3, 6)]
        )
        self.last = nn.Conv2d(8 + 4 * 4, 1, 1)

    def forward(self, x: Tensor) -> Tensor:
        size = x.shape[2:]
        x = self.first(x)
        maps = [F.interpolate(b(x), x.shape[2:], mode="bilinear") for b in self.bins]
        return F.interpolate(self.last(torch.cat([x, *maps], 1)), size, mode="bilinear")


@pytest.mark.parametrize("kind", [UNet, SegFormer, MODNet, PSPNet])
@pytest.mark.parametrize("size", [(32, 32), (40, 56)])
def test_a_network_becomes_what_every_format_starts_from(
    kind: type[nn.Module], size: tuple[int, int], tmp_path: Path
) -> None:
    """The trace and the ONNX graph are held against it in two lights and on a second photo."""
    for name in ("onnx", "onnxruntime", "onnxsim"):
        needed(name, "onnx")
    from maskport.exporters.onnx import simplified

    network = kind().eval()
    seeded(network, 0, size)
    spec = ModelSpec(kind.__name__, ImageSpec(*size), MaskSpec(activation="sigmoid"))
    run = Run(tmp_path, spec, Card(spec.name, "", "", "", ""))
    view = prepare(network, spec)
    photos = np.concatenate([photo_to_input(scene(n).photo, spec.image) for n in range(2)])
    masks = draw_references(Reference(network, spec), view, photos, run)
    assert masks.std() > 0.01  # or the comparisons would say nothing
    for source in ("trace", "onnx", "program"):
        make(source, view, run)
    simplified(run)
    program = torch.export.load(str(run.program)).module(check_guards=False)
    with torch.no_grad():
        drawn = program(torch.from_numpy(photos[1:])).numpy()
    assert np.abs(drawn - masks[1:]).max() < 1e-5  # float32 sums in another order
