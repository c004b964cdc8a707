"""Each operation, converted from torch, gives what torch gives."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

pytestmark = pytest.mark.sdk

Run = Callable[..., tuple[Tensor, ...]]
Results = dict[str, tuple[Tensor, Tensor]]


class Function(nn.Module):
    """A function as a module, for tracing."""

    def __init__(self, function: Callable[..., Any]) -> None:
        super().__init__()
        self.function = function

    def forward(self, *x: Tensor) -> Any:
        return self.function(*x)


def up(**options: Any) -> Function:
    return Function(lambda x: F.interpolate(x, **options))


torch.manual_seed(0)
C = 4
MODULES: dict[str, nn.Module] = {
    "conv": nn.Conv2d(C, 6, 3, padding=1),
    "conv valid strided": nn.Conv2d(C, 6, 3, stride=2),
    "conv dilated": nn.Conv2d(C, 6, 3, padding=2, dilation=2),
    "conv grouped": nn.Conv2d(C, 8, 3, padding=1, groups=2),
    "conv depthwise": nn.Conv2d(C, C, 3, padding=1, groups=C, bias=False),
    "conv same": nn.Conv2d(C, 6, 4, padding="same"),
    "conv asymmetric pad": nn.Sequential(nn.ZeroPad2d((0, 1, 2, 0)), nn.Conv2d(C, 6, 3)),
    "conv transpose": nn.ConvTranspose2d(C, 6, 2, stride=2),
    "conv transpose padded": nn.ConvTranspose2d(C, 6, 3, stride=2, padding=1),
    "conv transpose output padding": nn.ConvTranspose2d(
        C, 6, 3, stride=2, padding=1, output_padding=1
    ),
    "conv transpose grouped": nn.ConvTranspose2d(C, 6, 3, padding=1, groups=2),
    "conv transpose dilated": nn.ConvTranspose2d(C, 6, 3, dilation=2),
    "relu": nn.ReLU(),
    "relu6": nn.ReLU6(),
    "leaky relu": nn.LeakyReLU(0.1),
    "prelu": nn.PReLU(C, init=0.3),
    "sigmoid": nn.Sigmoid(),
    "hard sigmoid": nn.Hardsigmoid(),
    "hard swish": nn.Hardswish(),
    "tanh": nn.Tanh(),
    "gelu": nn.GELU(),
    "gelu tanh": nn.GELU(approximate="tanh"),
    "silu": nn.SiLU(),
    "elu": nn.ELU(0.7),
    "softplus": nn.Softplus(),
    "softmax": nn.Softmax(dim=1),
    "log softmax": nn.LogSoftmax(dim=1),
    "clamp": Function(lambda x: x.clamp(-0.3, 0.4)),
    "max pool": nn.MaxPool2d(2),
    "max pool ceil": nn.MaxPool2d(2, stride=2, ceil_mode=True),
    "max pool padded": nn.MaxPool2d(3, stride=2, padding=1),
    "max pool padded ceil": nn.MaxPool2d(3, stride=2, padding=1, ceil_mode=True),
    "avg pool": nn.AvgPool2d(2),
    "avg pool padded": nn.AvgPool2d(3, stride=2, padding=1),
    "avg pool padding excluded": nn.AvgPool2d(3, stride=2, padding=1, count_include_pad=False),
    "avg pool ceil": nn.AvgPool2d(2, ceil_mode=True),
    "global average": nn.AdaptiveAvgPool2d(1),
    "mean": Function(lambda x: x.mean((1, 2))),
    "sum": Function(lambda x: x.sum(1)),
    "max": Function(lambda x: x.amax((2, 3))),
    "min": Function(lambda x: x.amin(1, keepdim=True)),
    "argmax": Function(lambda x: x.argmax(1)),
    "concat": Function(lambda x: torch.cat((x, -x, 2 * x), 1)),
    "stack": Function(lambda x: torch.stack((x, x + 1), 2)),
    "split": Function(lambda x: torch.split(x, [1, 3], 1)[1]),
    "chunk": Function(lambda x: torch.chunk(x, 2, 1)[0]),
    "bilinear to a size": up(size=(17, 19), mode="bilinear", align_corners=False),
    "bilinear doubled": up(scale_factor=2, mode="bilinear", align_corners=False),
    "bilinear between corners": up(size=(17, 19), mode="bilinear", align_corners=True),
    "bilinear shrinking": up(size=(4, 5), mode="bilinear", align_corners=False),
    "nearest": up(scale_factor=2, mode="nearest"),
    "nearest to a size": up(size=(27, 22), mode="nearest"),
    "add, sub, mul, div": Function(lambda x: (x + 1.5) * x - x / 3.0),
    "broadcast": Function(lambda x: x * x.mean((2, 3), keepdim=True)),
    "maximum, minimum": Function(lambda x: torch.maximum(x, -x) - torch.minimum(x, 2 * x)),
    "pow": Function(lambda x: x.abs() ** 1.5),
    "square, sqrt": Function(lambda x: (x * x + 1).sqrt()),
    "rsqrt": Function(lambda x: torch.rsqrt(x * x + 1)),
    "exp": Function(torch.exp),
    "log": Function(lambda x: torch.log(x.abs() + 1)),
    "reciprocal": Function(lambda x: torch.reciprocal(x.abs() + 1)),
    "where": Function(lambda x: torch.where(x > 0, x, x * 0.5)),
    "to int and back": Function(lambda x: (x * 10).int().float()),
    "reshape": Function(lambda x: x.reshape(1, 2, -1)),
    "transpose": Function(lambda x: x.permute(0, 2, 3, 1)),
    "squeeze, unsqueeze": Function(lambda x: x.squeeze(0).unsqueeze(1)),
    "slice": Function(lambda x: x[:, 1:3, ::2, -4:]),
    "index": Function(lambda x: x[:, 1]),
    "pad": nn.ConstantPad2d((1, 2, 3, 0), 0.5),
    "pad reflect": nn.ReflectionPad2d((1, 2, 3, 2)),
    "pad replicate": nn.ReplicationPad2d((1, 2, 3, 0)),
    "batch norm": nn.Sequential(nn.BatchNorm2d(C)),
    "layer norm": nn.Sequential(nn.LayerNorm((9, 11))),
    "instance norm": nn.InstanceNorm2d(C, affine=True),
    "group norm": nn.GroupNorm(2, C),
    "matmul": Function(lambda x: x @ x.transpose(2, 3)),
    "linear": nn.Linear(11, 5),
    "pixel shuffle": nn.PixelShuffle(2),
    "pixel unshuffle": Function(lambda x: F.pixel_shuffle(x[..., :8, :8], 2)),
    "repeat": Function(lambda x: x.repeat(1, 2, 1, 1)),
    "flip": Function(lambda x: x.flip(3)),
}
for norm in (m for m in MODULES["batch norm"].modules() if isinstance(m, nn.BatchNorm2d)):
    norm.running_mean = torch.tensor([0.1, -0.2, 0.3, 0.0])
    norm.running_var = torch.tensor([0.5, 1.5, 1.0, 2.0])

# float16 keeps 11 bits; a handful of roundings of values up to about 8.
TOLERANCE = {"fp32": 2e-5, "fp16": 3e-2}
# What cuts or compares may fall on the other side of a step when it is rounded first.
STEPS = {"argmax", "to int and back"}
# coremltools writes 1 / (x + 1e-4) for torch's reciprocal, so that is what Core ML draws.
OTHERWISE = {"reciprocal": lambda x: 1 / (x.abs() + 1 + 1e-4)}


class Together(nn.Module):
    """All of them on one input: one conversion instead of one each."""

    def __init__(self) -> None:
        super().__init__()
        self.parts = nn.ModuleList(MODULES.values())

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        return tuple(part(x) for part in self.parts)


@pytest.fixture(scope="module", params=["fp32", "fp16"])
def converted(request: pytest.FixtureRequest, run_mil: Run) -> tuple[str, Results]:
    """Precision, and for each name torch's result and the executor's."""
    # 9 x 11 leaves a row and a column over for pools and strides.
    x = torch.randn(1, C, 9, 11, generator=torch.Generator().manual_seed(1))
    together = Together().eval()
    with torch.no_grad():
        expected = [
            OTHERWISE.get(name, module)(x)
            for name, module in zip(MODULES, together.parts, strict=True)
        ]
    given = run_mil(together, (x,), precision=request.param)
    return request.param, dict(zip(MODULES, zip(expected, given, strict=True), strict=True))


@pytest.mark.parametrize("name", MODULES)
def test_an_operation_gives_what_torch_gives(name: str, converted: tuple[str, Results]) -> None:
    precision, results = converted
    if precision == "fp16" and name in STEPS:
        pytest.skip("rounding moves values over steps")
    expected, given = results[name]
    assert given.shape == expected.shape
    torch.testing.assert_close(
        given.float(), expected.float(), atol=TOLERANCE[precision], rtol=TOLERANCE[precision]
    )
    if precision == "fp16":
        assert torch.equal(given.float(), given.half().float()), "holds more than float16 can"


@pytest.mark.parametrize("target", ["iOS15", "iOS17", "iOS18"])
def test_programs_for_other_systems_give_the_same(target: str, run_mil: Run, ct: Any) -> None:
    """Later operation sets have other versions of the same names, such as `resize`."""
    module = nn.Sequential(
        nn.Conv2d(C, 8, 3, padding=1),
        nn.BatchNorm2d(8),
        nn.ReLU(),
        nn.MaxPool2d(2, ceil_mode=True),
        nn.Upsample(size=(9, 11), mode="bilinear"),
        nn.Softmax(dim=1),
    ).eval()
    x = torch.randn(1, C, 9, 11, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        expected = module(x)
    (given,) = run_mil(module, (x,), minimum_deployment_target=getattr(ct.target, target))
    torch.testing.assert_close(given, expected, atol=1e-5, rtol=1e-5)
