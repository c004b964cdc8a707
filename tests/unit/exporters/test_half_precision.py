"""Values beyond a half's range draw nothing on a phone: that is told, with the place."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from maskport.exporters.half_precision import LARGEST, draw_in_halves


class Loud(nn.Module):
    """The photo's brightness, through a gain that is taken back: (N, 3, H, W) to (N, 1, H, W)."""

    def __init__(self, gain: float, back: float | None = None) -> None:
        super().__init__()
        self.gray = nn.Conv2d(3, 1, 1, bias=False)
        self.amplify = nn.Sequential(nn.Conv2d(1, 1, 1), nn.ReLU(inplace=True))
        self.soften = nn.Conv2d(1, 1, 1)
        with torch.no_grad():
            self.gray.weight.fill_(100.0)
            self.amplify[0].weight.fill_(gain / 300)
            self.amplify[0].bias.zero_()
            self.soften.weight.fill_(8 / (back or gain))
            self.soften.bias.fill_(-4.0)

    def forward(self, x: Tensor) -> Tensor:
        return torch.sigmoid(self.soften(self.amplify(self.gray(x))))


def photos() -> np.ndarray:
    values = np.linspace(0, 1, 2 * 3 * 8 * 8, dtype=np.float32).reshape(2, 3, 8, 8)
    return np.ascontiguousarray(values[:, :, ::-1])


def drawn(network: nn.Module) -> np.ndarray:
    with torch.no_grad():
        return network(torch.from_numpy(photos())).numpy()


def test_a_network_within_the_range_draws_the_same_mask_but_for_rounding() -> None:
    network = Loud(200)
    found = draw_in_halves(network.eval(), photos())
    assert not found.overflows
    assert found.overflow == found.warning == ""
    difference = np.abs(found.masks - drawn(network)).max()
    assert 0 < difference < 4e-3  # ten bits of values up to 300, in a slope of 8 / 200 / 4
    with torch.no_grad():
        gray = network.gray(torch.from_numpy(photos()))
    assert found.largest == pytest.approx(float(gray.max()), rel=1e-3)
    assert found.module == "gray"


def test_a_value_beyond_the_range_is_told_with_its_module() -> None:
    found = draw_in_halves(Loud(1e5).eval(), photos())
    assert found.overflows
    assert found.module == "amplify.0"
    assert LARGEST < found.largest <= 1e5
    assert found.overflow == (
        f"amplify.0 is the first whose values ({found.largest:,.0f}) pass the 65,504 that a half "
        "can hold"
    )
    # The float network draws a mask, and this one an object wherever it overflowed.
    assert not np.allclose(found.masks, drawn(Loud(1e5)), atol=0.1)


def test_infinities_that_meet_are_no_number() -> None:
    class Difference(Loud):
        def forward(self, x: Tensor) -> Tensor:
            loud = self.amplify(self.gray(x))
            return torch.sigmoid(loud - loud.roll(1, -1))

    found = draw_in_halves(Difference(1e5).eval(), photos())
    assert np.isnan(found.masks).any()
    assert found.module == "amplify.0"


def test_a_thin_margin_is_warned_of() -> None:
    found = draw_in_halves(Loud(4e4).eval(), photos())
    assert not found.overflows
    assert found.warning.startswith(f"amplify.0 reaches {found.largest:,.0f} of the 65,504")


def test_a_weight_beyond_the_range_is_told_too() -> None:
    network = Loud(1000).eval()
    with torch.no_grad():
        network.soften.bias.fill_(-1e5)
    found = draw_in_halves(network, photos())
    assert (found.module, found.largest) == ("soften", 1e5)


def test_operations_in_place_are_rounded_too() -> None:
    class InPlace(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            y = x.clone()
            y.mul_(1 / 3)
            return y[:, :1]

    (value,) = np.unique(draw_in_halves(InPlace(), np.ones((1, 3, 2, 2), np.float32)).masks)
    assert value == np.float32(np.float16(1 / 3))


def test_the_network_itself_stays_as_it_is() -> None:
    network = Loud(200).eval()
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    draw_in_halves(network, photos())
    assert all(torch.equal(before[name], t) for name, t in network.state_dict().items())
    assert not network._forward_hooks and not network.gray._forward_pre_hooks
