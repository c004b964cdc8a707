"""Whole small networks with compressed weights draw what their decompressed weights say."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from maskport.runtimes.mil.package import read_package
from maskport.runtimes.mil.program import Program

pytestmark = pytest.mark.sdk


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.body = nn.Sequential(
            nn.Conv2d(3, 16, 3, padding=1),
            nn.ReLU(),
            nn.MaxPool2d(2, ceil_mode=True),
            nn.Conv2d(16, 16, 3, padding=2, dilation=2),
            nn.ReLU(),
            nn.Upsample(size=(15, 17), mode="bilinear"),
            nn.ConvTranspose2d(16, 8, 3, padding=1),
            nn.Conv2d(8, 1, 1),
            nn.Sigmoid(),
        )

    def forward(self, x: Tensor) -> Tensor:
        result: Tensor = self.body(x)
        return result


def quantized(ct: Any, **options: Any) -> Callable[[Any], Any]:
    cto = ct.optimize.coreml
    config = cto.OptimizationConfig(
        cto.OpLinearQuantizerConfig(mode="linear_symmetric", weight_threshold=0, **options)
    )
    return lambda model: cto.linear_quantize_weights(model, config)


def palettized(ct: Any, **options: Any) -> Callable[[Any], Any]:
    cto = ct.optimize.coreml
    config = cto.OptimizationConfig(
        cto.OpPalettizerConfig(mode="uniform", weight_threshold=0, **options)
    )
    return lambda model: cto.palettize_weights(model, config)


COMPRESSIONS: dict[str, tuple[str, str, Callable[[Any], Callable[[Any], Any]]]] = {
    "int8": ("iOS16", "constexpr_affine_dequantize", quantized),
    "6-bit palette": ("iOS16", "constexpr_lut_to_dense", lambda ct: palettized(ct, nbits=6)),
    "4-bit palette": ("iOS16", "constexpr_lut_to_dense", lambda ct: palettized(ct, nbits=4)),
    "int8, iOS 18": ("iOS18", "constexpr_blockwise_shift_scale", quantized),
    "int4 in blocks, iOS 18": (
        "iOS18",
        "constexpr_blockwise_shift_scale",
        lambda ct: quantized(ct, dtype="int4", granularity="per_block", block_size=8),
    ),
    "3-bit palette, iOS 18": (
        "iOS18",
        "constexpr_lut_to_dense",
        lambda ct: palettized(ct, nbits=3),
    ),
    "4-bit palette for groups of channels, iOS 18": (
        "iOS18",
        "constexpr_lut_to_dense",
        lambda ct: palettized(ct, nbits=4, granularity="per_grouped_channel", group_size=4),
    ),
}


@pytest.mark.parametrize("precision", ["fp32", "fp16"])
@pytest.mark.parametrize("name", COMPRESSIONS)
def test_compressed_weights_are_what_coremltools_decompresses(
    name: str, precision: str, ct: Any, save: Callable[..., Path]
) -> None:
    target, operation, compression = COMPRESSIONS[name]
    change = compression(ct)
    x = torch.rand(1, 3, 15, 17, generator=torch.Generator().manual_seed(1))
    plain: list[Any] = []

    def compress(model: Any) -> Any:
        small = change(model)
        plain.append(ct.optimize.coreml.decompress_weights(small))
        return small

    options = {"precision": precision, "minimum_deployment_target": getattr(ct.target, target)}
    path = save(Net(), (x,), change=compress, **options)
    big = path.with_name(f"big-{path.name}")
    plain[0].save(str(big))

    function = read_package(path).function
    assert operation in {op.op_type for op in function.operations}
    (given,) = Program(function).run({"x0": x}).values()
    (expected,) = Program(read_package(big).function).run({"x0": x}).values()
    # The same weights, so only the order of sums may differ.
    torch.testing.assert_close(given, expected, atol=1e-6 if precision == "fp32" else 1e-3, rtol=0)


def test_eight_bit_weights_stay_close_to_the_network(ct: Any, run_mil: Callable[..., Any]) -> None:
    """Guards against a decompression that both sides above would get wrong alike."""
    x = torch.rand(1, 3, 15, 17, generator=torch.Generator().manual_seed(1))
    net = Net().eval()
    (given,) = run_mil(net, (x,), change=quantized(ct))
    with torch.no_grad():
        # 8 bits of weights a layer: some thousandths of a sigmoid near its middle
        torch.testing.assert_close(given, net(x), atol=5e-3, rtol=0)
