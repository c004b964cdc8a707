"""What starts from one form of a network is made though another form can't be."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from maskport.errors import ExportError
from maskport.exporters.intermediates import make
from maskport.exporters.probes import draw_references
from maskport.exporters.run import Card, Run
from maskport.models.prepared import Reference, count_macs, prepare
from maskport.specs import ImageSpec, MaskSpec, ModelSpec

SPEC = ModelSpec("net", ImageSpec(16, 24), MaskSpec(activation="sigmoid"))


class Through(nn.Module):
    """A buffer goes through NumPy, as tables of positions do: torch.export can't follow."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 1, 3, padding=1)
        self.register_buffer("table", torch.linspace(0, 1, 24))

    def forward(self, x: Tensor) -> Tensor:
        waves = torch.from_numpy(np.sin(self.get_buffer("table").numpy()))
        mask: Tensor = self.conv(x) + waves
        return mask


class Either(nn.Module):
    """A branch of torch's own, which a trace can't follow."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 1, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        y = self.conv(x)
        mask: Tensor = torch.cond(y.mean() > 0, lambda y: y * 2, lambda y: y / 2, (y,))
        return mask


class Unpooled(nn.Module):
    """Maxima go back to where they came from, which torch's tracers stumble over."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 1, 3, padding=1)
        self.pool, self.unpool = nn.MaxPool2d(2, return_indices=True), nn.MaxUnpool2d(2)

    def forward(self, x: Tensor) -> Tensor:
        mask: Tensor = self.unpool(*self.pool(self.conv(x)))
        return mask


class Warped(nn.Module):
    """A tensor of the photo's sizes, which torch's tracing ONNX exporter makes float64 of."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 1, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        y = self.conv(x)
        flow = y.repeat(1, 2, 1, 1).permute(0, 2, 3, 1)
        grid = flow / torch.tensor(y.shape[-2:], dtype=y.dtype)
        mask: Tensor = nn.functional.grid_sample(y, grid, align_corners=True)
        return mask


@pytest.mark.parametrize(
    ("kind", "made", "refused"),
    [
        (Through, {"trace", "onnx"}, {"program"}),
        (Either, {"program", "onnx"}, {"trace"}),
        (Unpooled, {"program", "onnx"}, {"trace"}),
        (Warped, {"program", "onnx", "trace"}, set()),
    ],
)
def test_one_form_is_made_though_another_cannot_be(
    kind: type[nn.Module], made: set[str], refused: set[str], tmp_path: Path
) -> None:
    pytest.importorskip("onnxscript", reason="needs maskport[onnx]")
    runtime = pytest.importorskip("onnxruntime", reason="needs maskport[onnx]")
    network = kind().eval()
    assert count_macs(network, SPEC.image) == 3 * 9 * 16 * 24  # counting leaves nothing behind
    run, view = Run(tmp_path, SPEC, Card("net", "", "", "", "")), prepare(network, SPEC)
    draw_references(Reference(network, SPEC), view, np.full((1, 3, 16, 24), 0.5, np.float32), run)
    for source in made:
        make(source, view, run)
    for source in refused:
        with pytest.raises(ExportError, match="torch could not turn net into"):
            make(source, view, run)
    if "onnx" in made:
        photo = np.random.default_rng(0).random((1, 3, 16, 24), np.float32)
        (mask,) = runtime.InferenceSession(str(run.onnx)).run(None, {"image": photo})
        assert np.abs(mask - Reference(network, SPEC).draw(photo, "cpu")).max() < 1e-5
