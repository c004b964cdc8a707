"""Heads that only training reads are no part of what is quantised: no file holds them."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from maskport.models.prepared import prepare
from maskport.quantization.graph import capture
from maskport.specs import ImageSpec, MaskSpec, ModelSpec


class Supervised(nn.Module):
    """A mask, and a second one that only its loss reads."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.head = nn.Conv2d(3, 4, 3, padding=1), nn.Conv2d(4, 1, 1)
        self.auxiliary = nn.Conv2d(4, 1, 1)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        features = torch.relu(self.stem(x))
        return torch.sigmoid(self.head(features)), torch.sigmoid(self.auxiliary(features))


def test_a_head_that_the_mask_doesnt_need_is_no_point_of_the_graph() -> None:
    spec = ModelSpec("supervised", ImageSpec(8, 8), MaskSpec(), output=0)
    graph = capture(prepare(Supervised().eval(), spec), (1, 3, 8, 8))
    weights = {point.weight for point in graph.points.values() if point.weight}
    assert {path.rpartition("network.")[2] for path in weights} == {
        *("normalize.weight", "stem.weight", "head.weight"),
    }
