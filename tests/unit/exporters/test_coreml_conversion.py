"""coremltools converts networks that compute with sizes, and is left as it was."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from maskport.artifacts.manifest import Artifact
from maskport.errors import ExportError
from maskport.exporters import coreml
from maskport.exporters.coreml_package import convert
from maskport.exporters.intermediates import make
from maskport.exporters.run import Card, Options, Run
from maskport.models.prepared import Reference, prepare
from maskport.models.seeding import seeded
from maskport.runtimes.runners import runner_for
from maskport.specs import ImageSpec, MaskSpec, ModelSpec

from ...sdks import needed

pytestmark = pytest.mark.sdk

# Odd and not square: a half is no whole number, and swapped sides show.
SPEC = ModelSpec("sized", ImageSpec(33, 26), MaskSpec(activation="sigmoid"))


@pytest.fixture(scope="module", autouse=True)
def coremltools() -> Any:
    return needed("coremltools", "coreml")


class Sized(nn.Module):
    def __init__(self, function: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.first, self.last = nn.Conv2d(3, 4, 3, padding=1), nn.Conv2d(4, 1, 1)
        self.function = function
        seeded(self, 0, (33, 26))
        self.eval()

    def forward(self, x: Tensor) -> Tensor:
        mask: Tensor = self.last(self.function(torch.relu(self.first(x))))
        return mask


def halved(x: Tensor) -> Tensor:
    half = F.interpolate(x, (x.size(2) // 2, x.size(3) // 2), mode="bilinear")
    return F.interpolate(half, x.shape[2:], mode="bilinear")


def padded_by_differences(x: Tensor) -> Tensor:
    """As U-Nets bring a map to the size of the one that it joins."""
    small = F.max_pool2d(x, 3)
    dy, dx = x.size(2) - small.size(2), x.size(3) - small.size(3)
    return F.pad(small, [dx // 2, dx - dx // 2, dy // 2, dy - dy // 2])


def reshaped_by_sizes(x: Tensor) -> Tensor:
    n, c, h, w = x.size()
    return x.reshape(n, c, h * w // 2, 2).flip(3).reshape(n, c, h, w)


@pytest.mark.parametrize("function", [halved, padded_by_differences, reshaped_by_sizes])
def test_sizes_that_a_network_computes_are_converted(
    function: Callable[[Tensor], Tensor], tmp_path: Path
) -> None:
    network = Sized(function)
    run = Run(tmp_path, SPEC, Card("sized", "", "", "", ""), Options("multiarray"))
    make("trace", prepare(network, SPEC), run)
    path = tmp_path / "sized.mlpackage"
    exported = coreml.export_fp32(run, path)
    artifact = Artifact.model_construct(
        format="coreml", inputs=exported.inputs, outputs=exported.outputs
    )
    # In steps of a byte: the package takes an image.
    image = np.random.default_rng(0).integers(0, 256, (1, 3, 33, 26)).astype(np.float32) / 255
    with torch.no_grad(), runner_for(artifact, path) as runner:
        difference = runner.run(image) - Reference(network, SPEC)(torch.from_numpy(image)).numpy()
    assert np.abs(difference).max() < 1e-6  # float32 sums in another order


def test_coremltools_is_left_as_it_was(tmp_path: Path) -> None:
    operations: Any = importlib.import_module("coremltools.converters.mil.frontend.torch.ops")
    before = operations._cast
    run = Run(tmp_path, SPEC, Card("sized", "", "", "", ""))
    with pytest.raises(ExportError, match="coremltools can't convert sized") as caught:
        convert("no network", run, "FLOAT32", "iOS16", "use another")
    assert caught.value.remedy == "use another"
    assert operations._cast is before
