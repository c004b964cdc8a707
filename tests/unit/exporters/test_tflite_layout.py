"""A TFLite file that takes and gives planes draws the same mask as one of pixels."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from torch import nn

from maskport import ImageSpec, MaskSpec, ModelSpec, export
from maskport.artifacts.snippets import snippets
from maskport.errors import UsageError
from maskport.runtimes.runners import runner_for
from maskport.scenes import scene

pytestmark = pytest.mark.sdk

SIZE = (24, 16)


@pytest.fixture
def network() -> nn.Module:
    layers = [nn.Conv2d(3, 6, 3, padding=1), nn.ReLU(), nn.Conv2d(6, 1, 3, padding=1), nn.Sigmoid()]
    return nn.Sequential(*layers).eval()


def test_planes_draw_the_same_mask(network: nn.Module, tmp_path: Path) -> None:
    pytest.importorskip("litert_torch", reason="needs maskport[tflite]")
    spec = ModelSpec("small", ImageSpec(*SIZE), MaskSpec())
    photo = scene(0, *SIZE).photo.transpose(2, 0, 1)[None].astype(np.float32) / np.float32(255)
    masks = {}
    for layout in ("NHWC", "NCHW"):
        bundle = export(
            network,
            spec=spec,
            weights="random:0",
            targets=["tflite-fp32", "tflite-dynamic-int8", "tflite-int8"],
            calibration="scenes:4",
            tflite_layout=layout,
            out=tmp_path / layout,
        )
        assert [failure.reason for failure in bundle.manifest.failures] == []
        for artifact in bundle.manifest.artifacts:
            variants = {snippet.variant for snippet in snippets(bundle.manifest, artifact)}
            assert ("mediapipe" in variants) == (layout == "NHWC")
            shape = [1, 3, *SIZE] if layout == "NCHW" else [1, *SIZE, 3]
            assert (artifact.inputs[0].layout, artifact.inputs[0].shape) == (layout, shape)
            with runner_for(artifact, bundle.file(artifact.target)) as runner:
                masks[artifact.target, layout] = runner.run(photo)
    for target in ("tflite-fp32", "tflite-dynamic-int8", "tflite-int8"):
        difference = np.abs(masks[target, "NHWC"] - masks[target, "NCHW"]).max()
        assert difference <= (1 / 255 + 1e-6 if target == "tflite-int8" else 1e-6)


def test_another_layout_is_refused(network: nn.Module, tmp_path: Path) -> None:
    spec = ModelSpec("small", ImageSpec(*SIZE), MaskSpec())
    with pytest.raises(UsageError, match="'planes'"):
        export(network, spec=spec, targets="tflite-fp32", tflite_layout="planes", out=tmp_path)  # type: ignore[arg-type]
