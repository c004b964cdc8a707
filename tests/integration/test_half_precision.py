"""Float16 files of a network that a phone can't compute are refused, and the float32 ones made."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from maskport import export
from maskport.artifacts.bundle import Bundle
from maskport.specs import ImageSpec, MaskSpec, ModelSpec

pytestmark = pytest.mark.sdk

SPEC = ModelSpec("loud", ImageSpec(32, 32, mean=(0.0, 0.0, 0.0), std=(1.0, 1.0, 1.0)),
                 MaskSpec(activation="sigmoid"), output=0)  # fmt: skip


class Loud(nn.Module):
    """Where the photo is bright, by a difference of two loud values: (N, 3, H, W) to one plane."""

    def __init__(self, gain: float) -> None:
        super().__init__()
        self.amplify = nn.Sequential(nn.Conv2d(3, 1, 1, bias=False), nn.Conv2d(1, 1, 1, bias=False))
        self.soften = nn.Conv2d(2, 1, 1)
        with torch.no_grad():
            self.amplify[0].weight.fill_(gain**0.5 / 3)
            self.amplify[1].weight.fill_(gain**0.5)
            self.soften.weight.copy_(torch.tensor([60.0, -30.0]).reshape(1, 2, 1, 1) / gain)
            self.soften.bias.fill_(-8.0)

    def forward(self, x: Tensor) -> Tensor:
        loud = self.amplify(x)
        return self.soften(torch.cat([loud, loud.clamp(min=0)], 1))


def made(gain: float, out: Path) -> Bundle:
    pytest.importorskip("onnxsim", reason="needs maskport[onnx]")
    network = Loud(gain).eval()
    return export(network, spec=SPEC, targets=["onnx-fp32", "onnx-fp16"], out=out)


def test_values_beyond_a_half_fail_float16_with_the_modules_name(tmp_path: Path) -> None:
    """ONNX Runtime computes the float16 file in float32 on a CPU, and draws the right mask."""
    bundle = made(3e5, tmp_path / "out")
    assert [a.target for a in bundle.manifest.artifacts] == ["onnx-fp32"]
    (failure,) = bundle.manifest.failures
    assert failure.target == "onnx-fp16"
    assert "on a GPU or a Neural Engine" in failure.reason
    assert "amplify.1 is the first whose values" in failure.reason
    assert "take a float32 target" in failure.reason
    found = bundle.manifest.half_precision
    assert found is not None
    assert found.module == "amplify.1"


def test_a_thin_margin_is_a_warning_and_a_wide_one_none(tmp_path: Path) -> None:
    thin, wide = made(6.5e4, tmp_path / "thin"), made(1e3, tmp_path / "wide")
    for bundle in (thin, wide):
        assert [a.target for a in bundle.manifest.artifacts] == ["onnx-fp32", "onnx-fp16"]
        assert bundle.manifest.half_precision is not None
    assert thin.manifest.half_precision.warning.startswith("amplify.1 reaches")
    assert wide.manifest.half_precision.warning == ""


def test_nothing_is_said_of_halves_where_no_file_is_computed_in_them(tmp_path: Path) -> None:
    pytest.importorskip("onnxsim", reason="needs maskport[onnx]")
    bundle = export(Loud(3e5).eval(), spec=SPEC, targets=["onnx-fp32"], out=tmp_path / "out")
    assert bundle.manifest.half_precision is None
