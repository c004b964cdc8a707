"""Every Keras layer that stands for an ONNX operator computes what torch computes."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from maskport.errors import ExportError
from maskport.exporters.intermediates import make
from maskport.exporters.run import Card, Run
from maskport.models.prepared import _Selected
from maskport.specs import ImageSpec, MaskSpec, ModelSpec

from ...sdks import needed

pytestmark = [pytest.mark.sdk, pytest.mark.kernels]

# Odd and not square: swapped axes, wrong rounding and padding on the wrong side all show.
HEIGHT, WIDTH = 13, 10
# float32 sums in another order, of a few dozen products each
TOLERANCE = 1e-5


@pytest.fixture(scope="module")
def keras() -> Any:
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ.setdefault("KERAS_BACKEND", "tensorflow")
    for name in ("onnx", "onnxsim", "tensorflow"):
        needed(name, "tflite")
    return needed("keras", "tflite")


class Function(nn.Module):
    """A function of the photo, as a module."""

    def __init__(self, function: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.function = function

    def forward(self, x: Tensor) -> Tensor:
        return self.function(x)


class SqueezeExcite(nn.Module):
    """A gate a channel: a value of one pixel times a value of many."""

    def __init__(self) -> None:
        super().__init__()
        self.down, self.up = nn.Conv2d(3, 2, 1), nn.Conv2d(2, 3, 1)

    def forward(self, x: Tensor) -> Tensor:
        gate = x.mean((2, 3), keepdim=True)
        return x * F.hardsigmoid(self.up(torch.relu(self.down(gate))))


class FullyConnectedGate(nn.Module):
    """The same by linear layers, as the paper has it (Hu et al., CVPR 2018)."""

    def __init__(
        self,
        pool: Callable[[Tensor], Tensor] = lambda x: F.adaptive_avg_pool2d(x, 1).view(1, 3),
        gate: Callable[[Tensor, Tensor], Tensor] = lambda y, x: x * y.view(1, 3, 1, 1).expand_as(x),
    ) -> None:
        super().__init__()
        self.pool, self.gate = pool, gate
        self.down, self.up = nn.Linear(3, 2, bias=False), nn.Linear(2, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.gate(torch.sigmoid(self.up(torch.relu(self.down(self.pool(x))))), x)


def _selected(module: nn.Module) -> nn.Module:
    """A module as a part of the view that is exported."""
    spec = ModelSpec("layers", ImageSpec(HEIGHT, WIDTH), MaskSpec())
    return _Selected(module, spec)


class CalledLikeItsEnds(nn.Module):
    """Modules whose names are those of the file's input and output."""

    def __init__(self) -> None:
        super().__init__()
        self.image, self.mask = nn.Conv2d(3, 4, 3), nn.Conv2d(4, 1, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.mask(self.image(x))


class Shared(nn.Module):
    """One convolution used twice."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 3, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(torch.relu(self.conv(x)))


def exported(module: nn.Module, folder: Path, size: tuple[int, int] = (HEIGHT, WIDTH)) -> Path:
    """The module as a ``.keras`` file, made as an export run makes it."""
    from maskport.exporters.keras import export

    spec = ModelSpec("layers", ImageSpec(*size), MaskSpec())
    run = Run(folder, spec, Card("layers", "", "", "", ""))
    make("onnx", module, run)  # type: ignore[arg-type]  # any module of one input will do
    path = folder / "layers.keras"
    export(run, path)
    return path


def varied(module: nn.Module) -> nn.Module:
    """The module with parameters and statistics that are not their starting values."""
    generator = torch.Generator().manual_seed(0)
    for name, tensor in module.state_dict().items():
        if tensor.is_floating_point():
            low, high = (0.5, 1.5) if "var" in name else (-0.5, 0.5)
            tensor.copy_(low + (high - low) * torch.rand(tensor.shape, generator=generator))
    return module.eval().requires_grad_(False)


def batch_norm() -> nn.Module:
    # A batch norm that follows a convolution is folded into it by onnxsim; this one stays.
    return nn.Sequential(nn.ReLU(), nn.BatchNorm2d(3, eps=1e-3))


def per_channel(*values: float) -> Tensor:
    return torch.tensor(values).reshape(1, 3, 1, 1)


# The photo that goes in has values from -3 to 3, so that both sides of every bend are met.
CASES: dict[str, Callable[[], nn.Module]] = {
    "conv 3x3 same": lambda: nn.Conv2d(3, 5, 3, padding=1),
    "conv 3x3 without padding or bias": lambda: nn.Conv2d(3, 5, 3, bias=False),
    "conv of stride 2": lambda: nn.Conv2d(3, 5, 3, stride=2, padding=1),
    "conv of unequal strides": lambda: nn.Conv2d(3, 5, 3, stride=(2, 1), padding=1),
    "conv of even kernel": lambda: nn.Conv2d(3, 5, 4, padding=1),
    "conv of unequal kernel": lambda: nn.Conv2d(3, 5, (1, 5), padding=(0, 2)),
    "conv 7x7 of stride 4": lambda: nn.Conv2d(3, 5, 7, stride=4, padding=3),
    "conv of dilation 2": lambda: nn.Conv2d(3, 5, 3, padding=2, dilation=2),
    "conv of unequal dilations": lambda: nn.Conv2d(3, 5, 3, padding=(2, 3), dilation=(2, 3)),
    "conv of dilation 4 without padding": lambda: nn.Conv2d(3, 5, 3, dilation=(4, 3)),
    "conv with a pad to one side": lambda: nn.Sequential(
        nn.ZeroPad2d((0, 1, 2, 0)), nn.Conv2d(3, 5, 3, stride=2)
    ),
    "conv of 2 groups": lambda: nn.Sequential(
        nn.Conv2d(3, 4, 1), nn.Conv2d(4, 6, 3, padding=1, groups=2)
    ),
    "depthwise conv": lambda: nn.Conv2d(3, 3, 3, padding=1, groups=3),
    "depthwise conv of multiplier 2": lambda: nn.Conv2d(3, 6, 3, padding=1, groups=3),
    "depthwise conv of stride 2": lambda: nn.Conv2d(3, 3, 3, stride=2, padding=1, groups=3),
    "depthwise conv of unequal strides": lambda: nn.Conv2d(3, 3, 3, stride=(1, 2), groups=3),
    "depthwise conv of dilation 2": lambda: nn.Conv2d(3, 3, 3, padding=2, dilation=2, groups=3),
    "conv used twice": Shared,
    "transposed conv 2x2": lambda: nn.ConvTranspose2d(3, 4, 2, stride=2),
    "transposed conv without bias": lambda: nn.ConvTranspose2d(3, 4, 2, stride=2, bias=False),
    "transposed conv with padding": lambda: nn.ConvTranspose2d(3, 4, 4, stride=2, padding=1),
    "transposed conv of stride 1": lambda: nn.ConvTranspose2d(3, 4, 3, padding=1),
    "transposed conv with output_padding": lambda: nn.ConvTranspose2d(
        3, 4, 3, stride=2, padding=1, output_padding=1
    ),
    "transposed conv with unequal output_padding": lambda: nn.ConvTranspose2d(
        3, 4, (3, 5), stride=(2, 3), padding=(1, 2), output_padding=(0, 2)
    ),
    "transposed conv of a step beyond its kernel": lambda: nn.ConvTranspose2d(3, 4, 2, stride=3),
    "batch norm": batch_norm,
    "batch norm after a conv": lambda: nn.Sequential(nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4)),
    "max-pool of odd sizes": lambda: nn.MaxPool2d(2),
    "max-pool with ceil_mode on an odd and an even size": lambda: nn.MaxPool2d(2, ceil_mode=True),
    "max-pool 3x3 with ceil_mode after a ReLU": lambda: nn.Sequential(
        nn.ReLU(), nn.MaxPool2d(3, ceil_mode=True)
    ),
    "max-pool 3x3 of stride 1": lambda: nn.MaxPool2d(3, stride=1, padding=1),
    "max-pool 3x3 of stride 2 after a ReLU": lambda: nn.Sequential(
        nn.ReLU(), nn.MaxPool2d(3, stride=2, padding=1)
    ),
    "average pool": lambda: nn.AvgPool2d(2),
    "average pool that overlaps": lambda: nn.AvgPool2d(3, stride=2),
    "average pool with padding": lambda: nn.AvgPool2d(3, stride=2, padding=1),
    "global average pool": lambda: nn.AdaptiveAvgPool2d(1),
    "mean over height and width": lambda: Function(lambda x: x.mean((2, 3), keepdim=True)),
    "bilinear up to odd sizes": lambda: Function(
        lambda x: F.interpolate(x, (27, 31), mode="bilinear")
    ),
    "bilinear down to odd sizes": lambda: Function(
        lambda x: F.interpolate(x, (7, 9), mode="bilinear")
    ),
    "bilinear by a factor of 2": lambda: nn.Upsample(scale_factor=2, mode="bilinear"),
    "nearest by a factor of 2": lambda: nn.Upsample(scale_factor=2),
    "nearest to a size of whole factors": lambda: Function(
        lambda x: F.interpolate(x, (HEIGHT * 3, WIDTH * 2))
    ),
    "concat of channels": lambda: Function(lambda x: torch.cat([x, torch.relu(x), x.tanh()], 1)),
    "concat of rows": lambda: Function(lambda x: torch.cat([x, torch.relu(x)], 2)),
    "concat of columns": lambda: Function(lambda x: torch.cat([x, torch.relu(x)], -1)),
    "sum of two values": lambda: Function(lambda x: x + torch.relu(x)),
    "difference of two values": lambda: Function(lambda x: torch.relu(x) - x),
    "product of two values": lambda: Function(lambda x: torch.relu(x) * x),
    "a number added": lambda: Function(lambda x: x + 0.3),
    "a number times": lambda: Function(lambda x: 0.3 * x),
    "a number subtracted": lambda: Function(lambda x: x - 0.3),
    "subtracted from a number": lambda: Function(lambda x: 1 - x),
    "divided by a number": lambda: Function(lambda x: x / 0.3),
    "a constant a channel added": lambda: Function(lambda x: x + per_channel(0.1, 0.2, 0.3)),
    "a constant a channel times": lambda: Function(lambda x: x * per_channel(0.1, 0.2, 0.3)),
    "a constant a channel subtracted": lambda: Function(lambda x: x - per_channel(0.1, 0.2, 0.3)),
    "subtracted from a constant a channel": lambda: Function(
        lambda x: per_channel(0.1, 0.2, 0.3) - x
    ),
    "divided by a constant a channel": lambda: Function(lambda x: x / per_channel(0.2, 0.5, 0.9)),
    "a constant without its batch axis": lambda: Function(
        lambda x: x * per_channel(0.1, 0.2, 0.3)[0]
    ),
    "a gate a channel": SqueezeExcite,
    "a gate a channel by fully connected layers": FullyConnectedGate,
    "a gate a channel of flattened values": lambda: FullyConnectedGate(
        lambda x: x.mean((2, 3), keepdim=True).flatten(1), lambda y, x: x * y[:, :, None, None]
    ),
    "instance norm": lambda: nn.InstanceNorm2d(3, affine=True),
    "instance norm without weights": lambda: nn.Sequential(
        nn.Conv2d(3, 4, 1), nn.InstanceNorm2d(4, eps=1e-3)
    ),
    "a slice of rows and columns": lambda: Function(lambda x: x[:, :, 2:-3, 1:]),
    "a slice of channels": lambda: Function(lambda x: x[:, 1:]),
    "adaptive average pool of bins that don't divide": lambda: _selected(nn.AdaptiveAvgPool2d(3)),
    "ReLU": nn.ReLU,
    "ReLU6": nn.ReLU6,
    "clamp at 0": lambda: Function(lambda x: x.clamp(min=0)),
    "clamp to [0, 1]": lambda: Function(lambda x: x.clamp(0, 1)),
    "LeakyReLU": lambda: nn.LeakyReLU(0.2),
    "LeakyReLU as it comes": nn.LeakyReLU,
    "Hardswish": nn.Hardswish,
    "Hardsigmoid": nn.Hardsigmoid,
    "Sigmoid": nn.Sigmoid,
    "SiLU": nn.SiLU,
    "ELU": nn.ELU,
    "ELU of another alpha": lambda: nn.ELU(0.5),
    "GELU": nn.GELU,
    "Tanh": nn.Tanh,
    "Softplus": nn.Softplus,
    "Softplus of another beta": lambda: nn.Softplus(beta=2),
    "Softmax over channels": lambda: nn.Softmax(1),
    "Softmax over columns": lambda: nn.Softmax(-1),
    "ZeroPad2d": lambda: nn.ZeroPad2d((1, 2, 3, 0)),
    "Identity and Dropout": lambda: nn.Sequential(nn.Identity(), nn.Dropout2d(), nn.ReLU()),
    "nothing at all": nn.Identity,
    "modules called image and mask": CalledLikeItsEnds,
}


@pytest.mark.parametrize("case", CASES)
def test_the_layer_computes_what_torch_computes(case: str, keras: Any, tmp_path: Path) -> None:
    module = varied(CASES[case]())
    image = torch.from_numpy(
        np.random.default_rng(0).uniform(-3, 3, (1, 3, HEIGHT, WIDTH)).astype(np.float32)
    )
    loaded = keras.models.load_model(exported(module, tmp_path), compile=False, safe_mode=True)
    assert [loaded.input.name, loaded.output_names] == ["image", ["mask"]]
    drawn = np.asarray(loaded(image.numpy().transpose(0, 2, 3, 1)))
    with torch.no_grad():
        expected = module(image).numpy()
    np.testing.assert_allclose(drawn.transpose(0, 3, 1, 2), expected, atol=TOLERANCE, rtol=0)


class Named(nn.Module):
    """The function under the name that the error must give."""

    def __init__(self, function: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.culprit = Function(function)

    def forward(self, x: Tensor) -> Tensor:
        return self.culprit(torch.relu(x) - 1)  # signed


# What it does, and the ONNX operator that has no layer, or not in this form.
REFUSED: dict[str, tuple[Callable[[Tensor], Tensor], str]] = {
    "an operator without a layer": (lambda x: x.cumsum(2), "CumSum"),
    "align_corners": (
        lambda x: F.interpolate(x, (26, 20), mode="bilinear", align_corners=True),
        "Resize",
    ),
    "bicubic": (lambda x: F.interpolate(x, (26, 20), mode="bicubic"), "Resize"),
    "nearest to a size of a broken factor": (lambda x: F.interpolate(x, (20, 15)), "Resize"),
    "ceil_mode of signed values": (lambda x: F.max_pool2d(x, 3, ceil_mode=True), "MaxPool"),
    "a padded max-pool of signed values": (lambda x: F.max_pool2d(x, 3, 2, 1), "MaxPool"),
    "a dilated max-pool": (lambda x: F.max_pool2d(x, 2, 2, dilation=2), "MaxPool"),
    "an average that leaves its padding out": (
        lambda x: F.avg_pool2d(x, 3, 2, 1, count_include_pad=False),
        "AveragePool",
    ),
    "an average with ceil_mode": (lambda x: F.avg_pool2d(x, 2, ceil_mode=True), "AveragePool"),
    "a mean over channels": (lambda x: x.mean(1, keepdim=True), "ReduceMean"),
    "a mirrored pad": (lambda x: F.pad(x, (1, 1, 1, 1), "reflect"), "Pad"),
    "a pad of ones": (lambda x: F.pad(x, (1, 1, 1, 1), value=1.0), "Pad"),
    "a pad that crops": (lambda x: F.pad(x, (-1, 0, 0, -2)), "Pad"),
    "a pad of channels": (lambda x: F.pad(x, (0, 0, 0, 0, 1, 0)), "Pad"),
    "a constant of every pixel": (lambda x: x + torch.linspace(0, 1, WIDTH), "Add"),
    "a clamp from another bound than 0": (lambda x: x.clamp(-1, 1), "Clip"),
    "a number divided by a value": (lambda x: 2 / x, "Reciprocal"),
    "a quotient of values": (lambda x: x / (x + 5), "Div"),
    "a transposed conv of groups": (
        lambda x: F.conv_transpose2d(x, torch.ones(3, 1, 2, 2), stride=2, groups=3),
        "ConvTranspose",
    ),
    "a conv of strides and dilations": (
        lambda x: F.conv2d(x, torch.ones(2, 3, 3, 3), stride=2, dilation=2),
        "Conv",
    ),
    "a conv whose kernel is made from the photo": (
        lambda x: F.conv2d(x, x.tanh()),
        "Conv",
    ),
    "bilinear by a factor that is cut": (
        lambda x: F.interpolate(x, scale_factor=1.5, mode="bilinear"),
        "Resize",
    ),
    "a concat with a constant": (
        lambda x: torch.cat([x, torch.ones(1, 1, HEIGHT, WIDTH)], 1),
        "Concat",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_has_no_layer_is_refused_by_node_and_operator(
    case: str, keras: Any, tmp_path: Path
) -> None:
    function, operator = REFUSED[case]
    with pytest.raises(ExportError) as caught:
        exported(Named(function).eval(), tmp_path)
    assert "culprit" in caught.value.what
    assert operator in caught.value.what
    assert "savedmodel" in caught.value.remedy


def test_layers_are_named_after_the_networks_modules(keras: Any, tmp_path: Path) -> None:
    loaded = keras.models.load_model(exported(varied(Shared()), tmp_path), safe_mode=True)
    convolutions = [layer.name for layer in loaded.layers if "Conv" in type(layer).__name__]
    assert convolutions == ["conv", "conv_1"]  # torch numbers the second use


def test_the_same_network_gives_the_same_bytes(keras: Any, tmp_path: Path) -> None:
    files = []
    for name in ("first", "second"):
        (tmp_path / name).mkdir()
        files.append(exported(varied(SqueezeExcite()), tmp_path / name).read_bytes())
    assert files[0] == files[1]
