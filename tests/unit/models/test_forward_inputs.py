"""A network that wants more than a photo is refused by what it wants."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from maskport.errors import NetworkError
from maskport.models.prepared import Reference, check_output
from maskport.specs import ImageSpec, MaskSpec, ModelSpec

SPEC = ModelSpec("net", ImageSpec(8, 8), MaskSpec())


class Prompted(nn.Module):
    def forward(self, x: Tensor, points: Tensor, *, scale: float, box: Any = None) -> Tensor:
        return torch.sigmoid(x[:, :1] * points.mean() * scale)


class Optional(nn.Module):
    def forward(self, x: Tensor, state: Tensor | None = None, *rest: Any, **named: Any) -> Tensor:
        return torch.sigmoid(x[:, :1])


def test_what_it_needs_beside_the_photo_is_named() -> None:
    with pytest.raises(NetworkError, match="its forward also needs points, scale") as caught:
        check_output(Reference(Prompted(), SPEC), SPEC)
    assert "self.net(x, points=…, scale=…)" in caught.value.remedy


def test_the_remedy_works() -> None:
    class Wrapped(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.net = Prompted()

        def forward(self, x: Tensor) -> Tensor:
            return self.net(x, points=torch.ones(2), scale=1.0)

    check_output(Reference(Wrapped(), SPEC), SPEC)


def test_what_has_a_default_is_not_needed() -> None:
    check_output(Reference(Optional(), SPEC), SPEC)
