"""The network of `bundle/`, whose files are what is mutated: in so few bytes, most say something.

The files lie here so that a mutation is the same bytes on every machine. Where a runtime no longer
takes one of them, make them anew:

    python -m maskport export tests.fuzz.network:Small --weights random:8 --size 24x16 \\
        --targets onnx-fp32,onnx-int8,onnx-ort,tflite-fp32,tflite-int8,savedmodel,keras,\\
    coreml-fp16,coreml-palette4,coreml-w8a8,torchscript-lite,openvino-fp32,executorch,\\
    executorch-int8 --calibration scenes:32 --out tests/fuzz/bundle
"""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional

__all__ = ["Small"]


class Small(nn.Module):
    """A convolution of each kind, a norm, a pool, a resize and a branch."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, 4, 3, padding=1)
        self.norm = nn.BatchNorm2d(4)
        self.deep = nn.Conv2d(4, 4, 3, padding=2, dilation=2)
        self.last = nn.Conv2d(8, 1, 1)

    def forward(self, photo: torch.Tensor) -> torch.Tensor:
        fine = torch.relu(self.norm(self.first(photo)))
        deep = torch.relu(self.deep(functional.max_pool2d(fine, 2)))
        wide = functional.interpolate(deep, fine.shape[2:], mode="bilinear", align_corners=False)
        return torch.sigmoid(self.last(torch.cat((fine, wide), 1)))
