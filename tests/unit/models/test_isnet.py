"""IS-Net is the authors': names, shapes and outputs; exported is what its mask needs."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from maskport.models.isnet import ISNet, isnet
from maskport.models.prepared import Reference, prepare
from maskport.models.seeding import picture, seeded
from maskport.models.u2net import FLAT, Stage
from maskport.specs import ImageSpec, MaskSpec, ModelSpec

pytestmark = pytest.mark.kernels

NANO = (
    Stage("stage1", 4, 4, 2, 4),
    Stage("stage2", 4, 4, 2, 4),
    Stage("stage3", FLAT, 4, 2, 4),
    Stage("stage2d", 4, 8, 2, 4),
    Stage("stage1d", 4, 8, 2, 4),
)


@pytest.fixture
def nano() -> ISNet:
    network = ISNet(NANO).eval()
    seeded(network, 2, (64, 64))
    return network


def test_tensors_have_the_names_and_shapes_of_the_published_checkpoint() -> None:
    with torch.device("meta"):
        state = isnet().state_dict()
    # Of the trained file that facts/isnet.md describes: 119 convolutions, 112 with batch norms.
    assert sum(name.endswith(".weight") and t.ndim == 4 for name, t in state.items()) == 119
    assert sum(name.endswith("running_var") for name in state) == 112
    shapes = {name: tuple(tensor.shape) for name, tensor in state.items()}
    assert shapes["conv_in.weight"] == (64, 3, 3, 3) and shapes["conv_in.bias"] == (64,)
    assert shapes["stage1.rebnconvin.conv_s1.weight"] == (64, 64, 3, 3)
    assert shapes["stage2.rebnconvin.conv_s1.weight"] == (128, 64, 3, 3)
    assert shapes["stage5d.rebnconvin.conv_s1.weight"] == (512, 1024, 3, 3)
    assert shapes["stage1d.rebnconv7.bn_s1.running_mean"] == (16,)
    assert shapes["side6.weight"] == (1, 512, 3, 3)
    assert not any(name.startswith(("outconv", "pool_in")) for name in shapes)


@pytest.mark.parametrize("size", [(64, 64), (33, 47), (1, 5)])
def test_all_maps_have_the_photos_size_also_an_odd_one(nano: ISNet, size: tuple[int, int]) -> None:
    with torch.no_grad():
        maps = nano(torch.rand(2, 3, *size))
    assert [tuple(m.shape) for m in maps] == [(2, 1, *size)] * 3
    assert all(m.min() >= 0 and m.max() <= 1 for m in maps)


@pytest.mark.parametrize("size", [(64, 64), (45, 71)])
@pytest.mark.parametrize("inverted", [False, True])
def test_the_view_equals_the_reference(nano: ISNet, size: tuple[int, int], inverted: bool) -> None:
    spec = ModelSpec("nano", ImageSpec(*size), MaskSpec(inverted=inverted), 0)
    view, reference = prepare(nano, spec), Reference(nano, spec)
    photo = torch.from_numpy(picture(1, size))[None]
    with torch.no_grad():
        torch.testing.assert_close(view(photo), reference(photo), atol=1e-5, rtol=0)
        assert 0.1 < (view(photo) > 0.5).float().mean() < 0.9


def test_sides_that_only_training_needs_are_not_exported(nano: ISNet) -> None:
    view = prepare(nano, ModelSpec("nano", ImageSpec(64, 64), MaskSpec(), 0))
    names = {name.rpartition(".")[2] for name, _ in view.named_modules()}
    assert "side1" in names and not {"side2", "side3"} & names
    assert not any(isinstance(module, nn.BatchNorm2d) for module in view.modules())
    assert hasattr(nano, "side2")  # the caller's own


def test_another_output_is_exported_as_it_is(nano: ISNet) -> None:
    spec = ModelSpec("nano", ImageSpec(64, 64), MaskSpec(), 2)
    photo = torch.from_numpy(picture(1, (64, 64)))[None]
    with torch.no_grad():
        given, expected = prepare(nano, spec)(photo), nano(Reference(nano, spec).normalize(photo))
    torch.testing.assert_close(given, expected[2], atol=1e-5, rtol=0)


@pytest.mark.shared
@pytest.mark.sdk
def test_trained_weights_draw_the_masks_of_their_file(shared: Path) -> None:
    """Needs tools/isnet_onnx.py's file in /root/isnet, and half a minute."""
    from PIL import Image

    from maskport.models.checkpoints import load_weights

    file = Path("/root/isnet/isnet-fp16.onnx")
    if not file.is_file():
        pytest.skip(f"there is no {file}: {shared}/tools/isnet_onnx.py makes it")
    network = isnet().eval()
    load_weights(network, file)
    for name, expected in np.load(shared / "golden" / "isnet_1024.npz").items():
        photo = Image.open(shared / "images" / "salient" / "images" / f"{name}.jpg").convert("RGB")
        values = np.asarray(photo.resize((1024, 1024), Image.Resampling.BILINEAR), np.float32)
        with torch.no_grad():
            mask = network(torch.from_numpy(values / 255 - 0.5).permute(2, 0, 1)[None])[0]
        # The golden masks are kept in float16, whose steps below 1 are 5e-4.
        np.testing.assert_allclose(mask[0, 0].numpy(), expected.astype(np.float32), atol=1e-3)
