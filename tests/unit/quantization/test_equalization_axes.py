"""Equalising leaves the mask of any network as it is: each operation by its own axes, or alone."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from maskport.quantization.equalization import channel_classes, equalize
from maskport.quantization.graph import NetworkGraph, capture

pytestmark = pytest.mark.kernels

SIZE = (16, 24)
# Of a mask in [0, 1]: what float32 rounds differently in another order.
EXACT = 1e-5


class Transposed(nn.Module):
    """As many inputs as outputs, where a mistaken axis goes unnoticed; then other numbers."""

    def __init__(self, groups: int = 1) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, 8, 3, stride=2, padding=1)
        self.same = nn.ConvTranspose2d(8, 8, 2, stride=2, groups=groups)
        self.fewer = nn.ConvTranspose2d(8, 4, 3, padding=1, groups=groups)
        self.last = nn.Conv2d(4, 1, 1)

    def forward(self, x: Tensor) -> Tensor:
        x = torch.relu(self.first(x))
        return self.last(torch.relu(self.fewer(torch.relu(self.same(x)))))


class Linear(nn.Module):
    """Squeeze and excitation, by linear layers of (N, C)."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.last = nn.Conv2d(3, 8, 3, padding=1), nn.Conv2d(8, 1, 1)
        self.down, self.up = nn.Linear(8, 8), nn.Linear(8, 8)

    def forward(self, x: Tensor) -> Tensor:
        x = torch.relu(self.first(x))
        weights = self.up(torch.relu(self.down(x.mean((2, 3)))))
        return self.last(x * torch.sigmoid(weights)[:, :, None, None])


class Attention(nn.Module):
    """Tokens (N, L, C), normalised, attended to and projected, with a skip."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.last = nn.Conv2d(3, 8, 4, stride=4), nn.ConvTranspose2d(8, 1, 4, stride=4)
        self.norm = nn.LayerNorm(8)
        self.queries, self.keys, self.values = (nn.Linear(8, 8) for _ in range(3))
        self.wide, self.narrow = nn.Linear(8, 24), nn.Linear(24, 8)

    def forward(self, x: Tensor) -> Tensor:
        maps = torch.relu(self.first(x))
        tokens = maps.flatten(2).transpose(1, 2)
        seen = self.norm(tokens)
        scores = self.queries(seen) @ self.keys(seen).transpose(1, 2)
        tokens = tokens + torch.softmax(scores, -1) @ self.values(seen)
        tokens = torch.relu(tokens + self.narrow(torch.relu(self.wide(tokens))))
        return self.last(tokens.transpose(1, 2).reshape(maps.shape))


class ChannelsLast(nn.Module):
    """Linear layers of (N, H, W, C), whose dimension 1 is as long as the channels are many."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.last = nn.Conv2d(3, 16, 3, padding=1), nn.Conv2d(16, 1, 1)
        self.one, self.two = nn.Linear(16, 16), nn.Linear(16, 16)

    def forward(self, x: Tensor) -> Tensor:
        y = torch.relu(self.first(x)).permute(0, 2, 3, 1)
        y = self.two(torch.relu(self.one(y)))
        y = torch.cat((y[:, :8], y[:, 8:]), 1)
        return self.last(torch.relu(y).permute(0, 3, 1, 2))


class Products(nn.Module):
    """Matrices that lie the other way round (in, out), as `torch.addmm` and `mm` take them."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.last = nn.Conv2d(3, 6, 3, padding=1), nn.Conv2d(6, 1, 1)
        self.matrix, self.other = (nn.Parameter(torch.randn(6, 6)) for _ in range(2))
        self.bias = nn.Parameter(torch.randn(6))

    def forward(self, x: Tensor) -> Tensor:
        x = torch.relu(self.first(x))
        rows = torch.relu(torch.addmm(self.bias, x.mean((2, 3)), self.matrix))
        return self.last(x + torch.mm(rows, self.other)[:, :, None, None])


class Bounded(nn.Module):
    """What looks like a ReLU and passes no factors; constants; weights that are computed."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b, self.c, self.d = (nn.Conv2d(i, 8, 3, padding=1) for i in (3, 8, 8, 8))
        self.offset = nn.Parameter(torch.rand(1, 8, 1, 1))
        self.last = nn.Conv2d(8, 1, 1)

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu6(self.a(x) * 8)
        x = torch.clamp_min(self.b(x), 0.05)
        x = torch.relu(self.c(x) + self.offset)
        weight = self.d.weight - self.d.weight.mean((1, 2, 3), keepdim=True)
        return self.last(torch.relu(F.conv2d(x, weight, self.d.bias, padding="same")))


class Joined(nn.Module):
    """Depthwise, grouped and shared convolutions, joined along channels and along rows."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, 8, 3, padding=1)
        self.depthwise = nn.Conv2d(8, 16, 3, padding=1, groups=8)
        self.grouped = nn.Conv2d(16, 8, 3, padding="same", groups=4)
        self.shared = nn.Conv2d(8, 8, 1)
        self.last = nn.Conv2d(16, 1, 1)

    def forward(self, x: Tensor) -> Tensor:
        x = torch.relu(self.first(x))
        y = torch.relu(self.grouped(torch.relu(self.depthwise(x))))
        y = self.shared(torch.relu(self.shared(y)))
        both = torch.cat((y[..., :8, :], y[..., 8:, :]), -2)
        return self.last(torch.relu(torch.cat((both, x), -3)))


NETWORKS = {
    "transposed": Transposed,
    "transposed in groups": lambda: Transposed(groups=2),
    "linear": Linear,
    "attention": Attention,
    "channels last": ChannelsLast,
    "products": Products,
    "bounded": Bounded,
    "joined": Joined,
}
# What has channels to even out in it.
FREE = {"transposed", "transposed in groups", "linear", "joined"}


def captured(name: str) -> tuple[NetworkGraph, dict[str, Tensor], dict[str, Tensor], Tensor]:
    """A network of uneven channels, its weights, and its peaks on a photo."""
    torch.manual_seed(0)
    network = NETWORKS[name]().eval()
    with torch.no_grad():
        for weight in network.parameters():
            weight *= torch.rand(len(weight)).reshape(-1, *[1] * (weight.ndim - 1)) * 2 + 0.1
    photo = torch.rand(1, 3, *SIZE)
    graph = capture(nn.Sequential(network, nn.Sigmoid()), (1, 3, *SIZE))
    weights = {f"0.{path}": value for path, value in network.state_dict().items()}
    peaks = {}

    def keep(point: str, value: Tensor) -> Tensor:
        peaks[point] = value.abs().amax([d for d in range(value.ndim) if d != 1])
        return value

    with torch.no_grad():
        graph.run(photo, keep)
    return graph, weights, peaks, photo


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("strength", [0.4, 1.0])
def test_equalizing_leaves_the_mask(name: str, strength: float) -> None:
    graph, weights, peaks, photo = captured(name)
    changed, factors = equalize(graph, weights, peaks, strength)
    with torch.no_grad():
        difference = graph.run(photo, None, changed) - graph.run(photo)
    assert difference.abs().max() < EXACT
    evened = any(not torch.equal(changed[path], weights[path]) for path in weights)
    assert evened == (name in FREE)
    assert evened == any(bool((factor != 1).any()) for factor in factors.values())


@pytest.mark.parametrize("name", NETWORKS)
def test_points_are_multiplied_by_their_factors(name: str) -> None:
    graph, weights, peaks, photo = captured(name)
    changed, factors = equalize(graph, weights, peaks, 1.0)
    values: dict[str, Tensor] = {}

    def keep(point: str, value: Tensor) -> Tensor:
        values[point] = value
        return value

    with torch.no_grad():
        graph.run(photo, keep)
        before = dict(values)
        graph.run(photo, keep, changed)
    for point, value in before.items():
        shape = [-1 if d == 1 else 1 for d in range(value.ndim)]
        expected = value * factors[point].reshape(shape)
        # Sums of products of other sizes, in float32.
        assert torch.allclose(values[point], expected, rtol=1e-4, atol=1e-5), point


def test_channels_of_a_transposed_convolution_are_its_second_dimension() -> None:
    graph, _, _, _ = captured("transposed")
    outputs = {p.weight: p.outputs for p in graph.points.values() if p.weight}
    assert outputs == {"0.first.weight": 0, "0.same.weight": 1, "0.fewer.weight": 1} | {
        "0.last.weight": 0
    }
    products = {p.weight: (p.bias, p.outputs) for p in captured("products")[0].points.values()}
    assert products["0.matrix"] == ("0.bias", 1)
    assert products["0.other"] == ("", 1)


def test_a_computed_weight_is_no_weight_and_its_bias_neither() -> None:
    graph, weights, _, _ = captured("bounded")
    owned = {path for p in graph.points.values() for path in (p.weight, p.bias)}
    assert "0.d.weight" not in owned
    assert "0.d.bias" not in owned
    classes = channel_classes(graph, weights)
    assert not classes.free.any()


@pytest.mark.parametrize("bounded", [nn.ReLU6(), nn.Hardtanh(0, 6)], ids=["relu6", "hardtanh"])
def test_a_bounded_rectifier_is_one_with_its_convolution(bounded: nn.Module) -> None:
    body = nn.Sequential(nn.Conv2d(3, 4, 3), bounded, nn.Conv2d(4, 1, 1))
    graph = capture(body.eval(), (1, 3, *SIZE))
    points = [p for p in graph.points.values() if p.weight]
    assert [(p.kind, p.weight) for p in points] == [("conv", "0.weight"), ("conv", "2.weight")]
    assert points[0].rectified
    assert len(graph.points) == 3
    weights = dict(body.state_dict())
    peaks = {p.name: torch.ones(graph.channels(p.name)) for p in graph.points.values()}
    assert torch.equal(equalize(graph, weights, peaks, 1.0)[0]["0.weight"], weights["0.weight"])
