"""Core ML files for several sizes: one program, drawn rightly at each, and refused where not."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from maskport.errors import ExportError, InputError, NetworkError, SpecError, UsageError
from maskport.exporters.flexible import other_sizes, with_constant_factors
from maskport.exporters.targets import target
from maskport.models.prepared import Reference
from maskport.models.u2net import U2Net
from maskport.specs import ImageSpec, MaskSpec, ModelSpec

SIZES = ((32, 48), (64, 32), (48, 48))
SPEC = ModelSpec("nano", ImageSpec(32, 48), MaskSpec(), output=0)


def trace_of(network: nn.Module) -> Any:
    with torch.no_grad():
        traced = torch.jit.trace(network, torch.full((1, 3, *SIZES[0]), 0.5), check_trace=False)
    return torch.jit.freeze(traced)


class Halved(nn.Module):
    """(N, 3, H, W) to a mask of that size, from half of it; by a way of upsampling."""

    def __init__(self, up: Callable[[Tensor, Tensor], Tensor]) -> None:
        super().__init__()
        self.conv, self.up = nn.Conv2d(3, 1, 3, padding=1).eval(), up

    def forward(self, x: Tensor) -> Tensor:
        return torch.sigmoid(self.up(F.max_pool2d(self.conv(x), 2, ceil_mode=True), x))


WAYS: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "bilinear": lambda y, x: F.interpolate(y, x.shape[2:], mode="bilinear"),
    "aligned": lambda y, x: F.interpolate(y, x.shape[2:], mode="bilinear", align_corners=True),
    "nearest": lambda y, x: F.interpolate(y, x.shape[2:]),
    "by a factor": lambda y, _: F.interpolate(y, scale_factor=2.0, mode="bilinear"),
}


@pytest.mark.parametrize("way", WAYS)
def test_a_trace_upsamples_by_factors_and_draws_the_same_at_all_sizes(way: str) -> None:
    network = Halved(WAYS[way]).eval()
    traced = with_constant_factors(trace_of(network), "nano", SIZES)
    (node,) = [node for node in traced.graph.nodes() if "upsample" in node.kind()]
    assert node.inputsAt(node.inputsSize() - 1).toIValue() in (2.0, [2.0, 2.0])
    for size in SIZES:
        photo = torch.rand(1, 3, *size)
        with torch.no_grad():
            torch.testing.assert_close(traced(photo), network(photo), rtol=0, atol=1e-6)


@pytest.mark.parametrize("odd", [(33, 48), (32, 47)], ids=["rows", "columns"])
def test_sizes_that_are_not_halved_evenly_are_refused_with_their_factors(
    odd: tuple[int, int],
) -> None:
    traced = trace_of(Halved(WAYS["bilinear"]).eval())
    with pytest.raises(ExportError, match=f"at {odd[0]}x{odd[1]}") as caught:
        with_constant_factors(traced, "nano", (SIZES[0], odd))
    assert "multiples of 64" in str(caught.value)


@pytest.mark.parametrize(
    "network",
    [
        Halved(lambda y, x: F.interpolate(y, (32, 48), mode="bilinear")),
        Halved(lambda y, x: F.interpolate(y.mean((2, 3), keepdim=True), x.shape[2:])),
    ],
    ids=["to one size", "from a pool of the whole"],
)
def test_what_has_one_size_at_all_sizes_is_to_be_exported_for_each(network: nn.Module) -> None:
    with pytest.raises(ExportError, match="has one size at all of them") as caught:
        with_constant_factors(trace_of(network.eval()), "nano", SIZES)
    assert "once for each size" in caught.value.remedy


def test_a_trace_that_knows_one_size_is_refused_where_it_fails() -> None:
    class Fixed(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return torch.sigmoid(x[:, :1] * torch.ones(1, 1, 32, 48))

    with pytest.raises(ExportError, match="its trace fails at 64x32"):
        with_constant_factors(trace_of(Fixed().eval()), "nano", SIZES)


@pytest.fixture
def reference(nano: Callable[..., U2Net]) -> Reference:
    return Reference(nano(), SPEC)


def test_sizes_are_read_in_all_their_forms_and_the_own_is_left_out(reference: Reference) -> None:
    given = ["64", "64x32", (48, 48), 64, "32x48"]
    rows = [target("coreml-fp16")]
    assert other_sizes(reference, given, rows) == ((64, 64), (64, 32), (48, 48))
    assert other_sizes(reference, [], [target("onnx-fp32")]) == ()


class Particular(nn.Module):
    """Wants rows of its own number."""

    def forward(self, x: Tensor) -> Tensor:
        return torch.sigmoid(x[:, :1] + torch.zeros(32, 1))


@pytest.mark.parametrize(
    ("size", "targets", "error", "says"),
    [
        ("0x20", ["coreml-fp16"], SpecError, "size"),
        ("large", ["coreml-fp16"], SpecError, "a size of Core ML's"),
        ("64", ["onnx-fp32"], UsageError, "None of the targets takes several sizes"),
        ("64", ["coreml-w8a8"], UsageError, "such as coreml-fp16"),
    ],
)
def test_what_can_not_be_a_size_is_an_error_of_input(
    reference: Reference, size: str, targets: list[str], error: type[InputError], says: str
) -> None:
    with pytest.raises(error, match=says):
        other_sizes(reference, [size], [target(name) for name in targets])


def test_a_size_that_the_network_fails_at_is_refused_before_anything_is_made() -> None:
    with pytest.raises(NetworkError, match="fails on a photo of 48x48"):
        other_sizes(Reference(Particular(), SPEC), ["48"], [target("coreml-fp16")])
