"""The mask is found among outputs that lie in one another, or those that are there are named."""

from __future__ import annotations

from collections import namedtuple
from dataclasses import dataclass
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from maskport.errors import NetworkError
from maskport.models.factory import spec_from_options
from maskport.models.outputs import select_output
from maskport.models.prepared import Reference, prepare
from maskport.specs import ImageSpec, MaskSpec, ModelSpec


@dataclass
class Output:
    logits: Tensor
    hidden: tuple[Tensor, ...]


Pair = namedtuple("Pair", "matte state")

MASK, OTHER = torch.ones(1, 1, 4, 4), torch.zeros(1, 2, 2, 2)
# As IS-Net gives them: six masks, six features.
NESTED = ([MASK, *[OTHER] * 5], [OTHER] * 6)


def chosen(outputs: Any, output: int | str | None) -> Tensor:
    return select_output(outputs, ModelSpec("net", ImageSpec(4, 4), MaskSpec(), output))


@pytest.mark.parametrize(
    ("outputs", "output"),
    [
        (MASK, None),
        (MASK, 0),
        ([MASK], None),
        ([[MASK]], None),
        ({"out": [MASK]}, None),
        (NESTED, "0.0"),
        ([OTHER, [OTHER, {"out": MASK}]], "1.1.out"),
        ({"aux": [MASK, OTHER], "out": OTHER}, "aux.0"),
        ({"aux.0": MASK, "aux": [OTHER]}, "aux.0"),
        ({"out": MASK, "aux": OTHER}, "out"),
        ({"out": MASK, "aux": OTHER}, 0),
        ({"0": MASK, "1": OTHER}, "0"),
        (Output(MASK, (OTHER,)), "logits"),
        (Output(OTHER, (OTHER, MASK)), "hidden.1"),
        (Pair(MASK, OTHER), "matte"),
        (Pair(OTHER, Pair(MASK, None)), "state.matte"),
    ],
)
def test_a_path_leads_to_the_mask(outputs: Any, output: int | str | None) -> None:
    assert chosen(outputs, output) is MASK


@pytest.mark.parametrize("output", ["0", "0.6", "2.0", "0.0.0.0", "aux", "out.0", 2, "-1"])
def test_what_is_there_is_named_where_a_path_leads_nowhere(output: int | str) -> None:
    with pytest.raises(NetworkError, match=rf"output {output!r} is no tensor") as caught:
        chosen(NESTED, output)
    assert "12 outputs: 0.0 (1, 1, 4, 4), 0.1 (1, 2, 2, 2)" in caught.value.what


def test_nothing_is_guessed_among_several() -> None:
    with pytest.raises(NetworkError, match="nothing says which") as caught:
        chosen(NESTED, None)
    assert "--output 0.0" in caught.value.remedy


def test_a_network_without_tensors_is_named() -> None:
    with pytest.raises(NetworkError, match="gives a str without tensors"):
        chosen("mask", "0.0")


def test_many_outputs_are_counted() -> None:
    with pytest.raises(NetworkError, match=r"20 outputs: .* and 8 more"):
        chosen([OTHER] * 20, None)


class Recurrent(nn.Module):
    """A mask and a state; the state that goes in is None unless given."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 1, 3, padding=1)

    def forward(self, x: Tensor, state: Tensor | None = None) -> tuple[Tensor, list[Tensor]]:
        y = self.conv(x)
        state = y.mean() if state is None else state + y.mean()
        return y + state, [state]


def test_states_are_left_out_and_begin_as_none() -> None:
    spec = spec_from_options("net", {"size": 16, "output": "0", "activation": "sigmoid"})
    network, photo = Recurrent().eval(), torch.rand(1, 3, 16, 16)
    with torch.no_grad():
        expected = Reference(network, spec)(photo)
        assert expected.shape == (1, 1, 16, 16)
        torch.testing.assert_close(prepare(network, spec)(photo), expected)
