"""A recorded network can be computed again, in whole and in part."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from maskport.models.u2net import U2Net
from maskport.validation.drift.tape import IMAGE, record


class InPlace(nn.Module):
    """Writes into what a module returned, and calls one module twice."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.conv = nn.Conv2d(3, 3, 3, padding=1)
        self.act = nn.ReLU(inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        x = self.act(self.conv(x))
        x = self.conv(x)
        x += 1
        return F.relu_(x)


@pytest.fixture
def image() -> Tensor:
    return torch.rand(1, 3, 32, 48, generator=torch.Generator().manual_seed(0))


@torch.no_grad()
def test_the_whole_tape_gives_the_networks_output(
    nano: Callable[..., U2Net], image: Tensor
) -> None:
    network = nano()
    tape = record(network, image)
    other = 1 - image
    ((_, again),) = tape.compute({IMAGE: other}, [tape.result])
    torch.testing.assert_close(again, network(other)[0], rtol=0, atol=0)


@torch.no_grad()
def test_a_part_is_computed_from_what_it_is_given(
    nano: Callable[..., U2Net], image: Tensor
) -> None:
    network = nano()
    tape = record(network, image)
    named = {mark.name: mark.number for mark in tape.marks}
    residual = torch.rand(1, 4, 32, 48)
    given = {named["stage1.rebnconvin"]: residual}
    ((_, value),) = tape.compute(given, [named["stage1.rebnconv1"]])
    torch.testing.assert_close(value, network.stage1.rebnconv1(residual))
    with pytest.raises(KeyError):  # stage2 reads more than that
        list(tape.compute({named["stage2"]: residual}, [named["stage1"]]))


@torch.no_grad()
def test_writing_in_place_makes_new_values(image: Tensor) -> None:
    network = InPlace()
    tape = record(network, image)
    named = {mark.name: mark.number for mark in tape.marks}
    assert list(named) == ["conv", "act", "conv#2"]
    wanted = [*named.values(), tape.result]
    values = dict(tape.compute({IMAGE: image}, wanted))
    first = network.conv(image)
    torch.testing.assert_close(values[named["conv"]], first)
    torch.testing.assert_close(values[named["conv#2"]], network.conv(first.relu()))
    torch.testing.assert_close(values[tape.result], network(image))


def test_recording_leaves_no_hooks(nano: Callable[..., U2Net], image: Tensor) -> None:
    network = nano()
    record(network, image)
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in network.modules())


def test_outputs_in_containers_have_their_place_in_the_name(image: Tensor) -> None:
    class Two(nn.Module):
        def forward(self, x: Tensor) -> dict[str, list[Tensor]]:
            return {"maps": [x + 1, x + 2]}

    class Outer(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.two = Two()

        def forward(self, x: Tensor) -> Tensor:
            return self.two(x)["maps"][1]

    tape = record(Outer(), image)
    assert [mark.name for mark in tape.marks] == ["two['maps'][0]", "two['maps'][1]"]
