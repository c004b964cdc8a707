"""BASNet is the authors': names, shapes and outputs; older checkpoints compute what they did."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn

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
