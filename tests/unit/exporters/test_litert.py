"""What a program is given before litert-torch sees it."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from maskport.exporters import litert


class Gated(nn.Module):
    """A gate of one value a channel, expanded to the map's size as squeeze-and-excite has it."""

    def forward(self, x: Tensor) -> Tensor:
        gate = x.mean((2, 3), keepdim=True).sigmoid()
        return gate.expand_as(x) * x


class BothExpanded(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        across, down = x.mean(2, keepdim=True), x.mean(3, keepdim=True)
        return across.expand_as(x) + down.expand(x.shape)


class Shown(nn.Module):
    """Nothing but the expansion gives the result its size."""

    def forward(self, x: Tensor) -> Tensor:
        return x.mean((2, 3), keepdim=True).expand_as(x) * 2


def module_of(network: nn.Module) -> Any:
    loaded = torch.export.export(network, (torch.rand(1, 3, 4, 5),)).module(check_guards=False)
    return torch.fx.GraphModule(loaded, loaded.graph)


@pytest.mark.parametrize(
    ("network", "left"), [(Gated(), 0), (BothExpanded(), 2), (Shown(), 1)], ids=lambda v: str(v)
)
def test_only_what_broadcasts_by_itself_is_no_longer_expanded(
    network: nn.Module, left: int
) -> None:
    module, photo = module_of(network), torch.rand(1, 3, 4, 5)
    litert._drop_expansions(module)
    assert sum("expand" in str(node.target) for node in module.graph.nodes) == left
    assert torch.equal(module(photo), network(photo))


def test_channels_come_last_at_both_ends() -> None:
    module, photo = module_of(Gated()), torch.rand(1, 3, 4, 5)
    litert._channels_last(module)
    drawn = module(photo.permute(0, 2, 3, 1))
    assert torch.equal(drawn.permute(0, 3, 1, 2), Gated()(photo))
