"""BASNet is the authors': names, shapes and outputs; older checkpoints compute what they did."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from maskport.models.basnet import BASNet, ResidualBlock, Widths, basnet
from maskport.models.checkpoints import load_weights
from maskport.models.prepared import Reference, prepare
from maskport.models.seeding import picture, seeded
from maskport.specs import ImageSpec, MaskSpec, ModelSpec

pytestmark = pytest.mark.kernels

NANO = Widths((4, 4, 8, 8), (2, 1, 1, 2), 4)


@pytest.fixture
def nano() -> BASNet:
    network = BASNet(NANO).eval()
    seeded(network, 2, (64, 64))
    return network


def test_tensors_have_the_names_and_shapes_of_the_published_checkpoint() -> None:
    with torch.device("meta"):
        network = basnet()
    # 348 MB of float32 are published.
    assert sum(p.numel() for p in network.parameters()) == 87_060_360
    shapes = {name: tuple(tensor.shape) for name, tensor in network.state_dict().items()}
    for name, shape in {
        "inconv.weight": (64, 3, 3, 3),
        "inbn.running_mean": (64,),
        "encoder1.2.conv2.weight": (64, 64, 3, 3),
        "encoder2.0.downsample.0.weight": (128, 64, 1, 1),
        "encoder2.0.downsample.1.running_var": (128,),
        "encoder3.5.bn2.bias": (256,),
        "encoder4.0.conv1.weight": (512, 256, 3, 3),
        "resb5_1.conv1.weight": (512, 512, 3, 3),
        "resb6_3.bn2.weight": (512,),
        "convbg_m.weight": (512, 512, 3, 3),
        "bnbg_2.running_mean": (512,),
        "conv6d_1.weight": (512, 1024, 3, 3),
        "conv4d_2.weight": (256, 512, 3, 3),
        "conv3d_1.weight": (256, 512, 3, 3),
        "conv1d_1.weight": (64, 128, 3, 3),
        "bn1d_2.bias": (64,),
        "outconvb.weight": (1, 512, 3, 3),
        "outconv5.weight": (1, 512, 3, 3),
        "outconv4.weight": (1, 256, 3, 3),
        "outconv1.bias": (1,),
        "refunet.conv0.weight": (64, 1, 3, 3),
        "refunet.conv5.weight": (64, 64, 3, 3),
        "refunet.bn_d4.running_var": (64,),
        "refunet.conv_d1.weight": (64, 128, 3, 3),
        "refunet.conv_d0.weight": (1, 64, 3, 3),
    }.items():
        assert shapes[name] == shape, name
    # Of ResNet's blocks only those have one that change the size or the channels.
    assert "encoder1.0.downsample.0.weight" not in shapes
    convolutions = [m for m in network.modules() if isinstance(m, nn.Conv2d)]
    dilated = [m for m in convolutions if m.dilation == (2, 2)]
    assert len(dilated) == 5 and all(m.padding == (2, 2) for m in dilated)
    assert sum(m.stride == (2, 2) for m in convolutions) == 6


def test_a_residual_block_adds_to_what_it_reads_and_halves_with_a_stride() -> None:
    block = ResidualBlock(4, 6, stride=2).eval()
    x = torch.randn(1, 4, 9, 8)
    with torch.no_grad():
        inner = block.bn2(block.conv2(torch.relu(block.bn1(block.conv1(x)))))
        expected = torch.relu(inner + block.downsample(x))
        torch.testing.assert_close(block(x), expected)
    assert expected.shape == (1, 6, 5, 4)


@pytest.mark.parametrize("size", [(64, 64), (33, 47), (5, 3)])
def test_all_maps_have_the_photos_size_also_an_odd_one(nano: BASNet, size: tuple[int, int]) -> None:
    with torch.no_grad():
        maps = nano(torch.rand(2, 3, *size))
    assert [tuple(m.shape) for m in maps] == [(2, 1, *size)] * 8
    assert all(m.min() >= 0 and m.max() <= 1 for m in maps)


@pytest.mark.parametrize("size", [(64, 64), (45, 71)])
@pytest.mark.parametrize("inverted", [False, True])
def test_the_view_equals_the_reference(nano: BASNet, size: tuple[int, int], inverted: bool) -> None:
    spec = ModelSpec("nano", ImageSpec(*size), MaskSpec(inverted=inverted), 0)
    view, reference = prepare(nano, spec), Reference(nano, spec)
    photo = torch.from_numpy(picture(1, size))[None]
    with torch.no_grad():
        # 60 layers of random weights, whose values grow to thousands on the way: more rounding
        # than trained ones have, and a hundredth of a grey level.
        torch.testing.assert_close(view(photo), reference(photo), atol=4e-5, rtol=0)
        assert 0.05 < (view(photo) > 0.5).float().mean() < 0.95


def as_the_paper_draws_it(network: BASNet, x: torch.Tensor) -> list[torch.Tensor]:
    """Figure 2, written out over tensors by name: scales instead of sizes, no loop over levels.

    For photos whose sides are multiples of 32.
    """
    state = network.state_dict()

    def conv(name: str, x: torch.Tensor, dilation: int = 1) -> torch.Tensor:
        bias = state.get(f"{name}.bias")
        return F.conv2d(x, state[f"{name}.weight"], bias, padding=dilation, dilation=dilation)

    def norm(name: str, x: torch.Tensor) -> torch.Tensor:
        parts = ("running_mean", "running_var", "weight", "bias")
        return F.batch_norm(x, *(state[f"{name}.{part}"] for part in parts))

    def block(suffix: str, x: torch.Tensor, *dilations: int, within: str = "") -> torch.Tensor:
        return norm(f"{within}bn{suffix}", conv(f"{within}conv{suffix}", x, *dilations)).relu()

    def three(suffix: str, x: torch.Tensor, *dilations: int) -> torch.Tensor:
        for part, dilation in zip("1m2", dilations, strict=True):
            x = block(f"{suffix}_{part}", x, dilation)
        return x

    def up(x: torch.Tensor, scale: int = 2) -> torch.Tensor:
        return F.interpolate(x, scale_factor=scale, mode="bilinear", align_corners=False)

    def pool(x: torch.Tensor) -> torch.Tensor:
        return F.max_pool2d(x, 2, 2)

    h1 = network.encoder1(norm("inbn", conv("inconv", x)).relu())
    h2 = network.encoder2(h1)
    h3 = network.encoder3(h2)
    h4 = network.encoder4(h3)
    h5 = network.resb5_3(network.resb5_2(network.resb5_1(pool(h4))))
    h6 = network.resb6_3(network.resb6_2(network.resb6_1(pool(h5))))
    bridge = three("bg", h6, 2, 2, 2)
    d6 = three("6d", torch.cat((bridge, h6), 1), 1, 2, 2)
    d5 = three("5d", torch.cat((up(d6), h5), 1), 1, 1, 1)
    d4 = three("4d", torch.cat((up(d5), h4), 1), 1, 1, 1)
    d3 = three("3d", torch.cat((up(d4), h3), 1), 1, 1, 1)
    d2 = three("2d", torch.cat((up(d3), h2), 1), 1, 1, 1)
    d1 = three("1d", torch.cat((up(d2), h1), 1), 1, 1, 1)
    coarse = conv("outconv1", d1)
    sides = [
        coarse,
        up(conv("outconv2", d2), 2),
        up(conv("outconv3", d3), 4),
        up(conv("outconv4", d4), 8),
        up(conv("outconv5", d5), 16),
        up(conv("outconv6", d6), 32),
        up(conv("outconvb", bridge), 32),
    ]
    own = "refunet."
    r1 = block("1", conv("refunet.conv0", coarse), within=own)
    r2 = block("2", pool(r1), within=own)
    r3 = block("3", pool(r2), within=own)
    r4 = block("4", pool(r3), within=own)
    r5 = block("5", pool(r4), within=own)
    u4 = block("_d4", torch.cat((up(r5), r4), 1), within=own)
    u3 = block("_d3", torch.cat((up(u4), r3), 1), within=own)
    u2 = block("_d2", torch.cat((up(u3), r2), 1), within=own)
    u1 = block("_d1", torch.cat((up(u2), r1), 1), within=own)
    return [coarse + conv("refunet.conv_d0", u1), *sides]


def test_layers_read_what_the_paper_says(nano: BASNet) -> None:
    photo = torch.from_numpy(picture(3, (64, 96)))[None]
    with torch.no_grad():
        for given, expected in zip(nano(photo), as_the_paper_draws_it(nano, photo), strict=True):
            torch.testing.assert_close(given, torch.sigmoid(expected), atol=4e-5, rtol=0)


def test_sides_that_only_training_needs_are_not_exported(nano: BASNet) -> None:
    view = prepare(nano, ModelSpec("nano", ImageSpec(64, 64), MaskSpec(), 0))
    names = {name.rpartition(".")[2] for name, _ in view.named_modules()}
    assert "outconv1" in names and not {"outconv2", "outconvb"} & names
    assert not any(isinstance(module, nn.BatchNorm2d) for module in view.modules())


def test_a_checkpoint_of_before_september_2019_computes_what_it_was_trained_to(
    nano: BASNet, tmp_path: Path
) -> None:
    """Then `bn5d_2` stood in two places, and `bn6d_2` in none."""
    state = nano.state_dict()
    for name, value in {"weight": 1, "bias": 0, "running_mean": 0, "running_var": 1}.items():
        state[f"bn6d_2.{name}"].fill_(value)
    torch.save(state, tmp_path / "basnet.pth")
    network = BASNet(NANO).eval()
    taken = load_weights(network, tmp_path / "basnet.pth")
    assert "BASNet#12" in str(taken)
    for name in ("weight", "bias", "running_mean", "running_var"):
        assert torch.equal(network.bn6d_2.state_dict()[name], state[f"bn5d_2.{name}"])


def test_a_later_checkpoint_is_taken_as_it_is(nano: BASNet, tmp_path: Path) -> None:
    torch.save(nano.state_dict(), tmp_path / "basnet.pth")
    network = BASNet(NANO).eval()
    assert str(load_weights(network, tmp_path / "basnet.pth")) == ""
    assert torch.equal(network.bn6d_2.running_mean, nano.bn6d_2.running_mean)
