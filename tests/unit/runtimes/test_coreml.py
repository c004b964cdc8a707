"""Core ML packages: images in and out, colour orders, arrays, pixels, and silence."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from maskport.artifacts.manifest import Artifact
from maskport.errors import RunnerError
from maskport.runtimes import coreml
from maskport.runtimes.base import Array
from maskport.runtimes.coreml import CoreMLRunner, EmulatedCoreMLRunner, as_pixels
from maskport.runtimes.runners import runner_for

from ...sdks import needed

needed("coremltools", "coreml")

pytestmark = pytest.mark.sdk
Build = Callable[..., Artifact]
PIXEL = {"dtype": "uint8", "quantization": {"scale": 1 / 255, "zero_point": 0}}


class Scaled(nn.Module):
    """A mask that counts to 255, as 8-bit image outputs do."""

    def __init__(self, mask: nn.Module) -> None:
        super().__init__()
        self.mask = mask

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.mask(x) * 255


@pytest.fixture(scope="module")
def package(tiny: nn.Module, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """`package(colour="RGB", output="image", precision=..., **image_options)`."""
    ct = coreml.coremltools()

    def build(
        color: str = "RGB",
        output: str = "image",
        precision: str = "FLOAT32",
        network: nn.Module = tiny,
        **options: Any,
    ) -> Path:
        module = Scaled(network) if output == "image" else network
        gives = {
            "image": ct.ImageType(name="mask", color_layout=ct.colorlayout.GRAYSCALE),
            "array": ct.TensorType(name="mask", dtype=np.float32),
        }[output]
        image = ct.ImageType(
            name="image",
            shape=(1, 3, 32, 32),
            color_layout=getattr(ct.colorlayout, color),
            **{"scale": 1 / 255, **options},
        )
        path = tmp_path_factory.mktemp("coreml") / "tiny.mlpackage"
        with torch.no_grad():
            traced = torch.jit.trace(module.eval(), torch.rand(1, 3, 32, 32), check_trace=False)
        ct.convert(
            traced,
            convert_to="mlprogram",
            inputs=[image],
            outputs=[gives],
            compute_precision=getattr(ct.precision, precision),
            minimum_deployment_target=ct.target.iOS16,
            skip_model_load=True,
        ).save(str(path))
        return path

    return build


on_linux = pytest.mark.skipif(sys.platform == "darwin", reason="macOS runs Core ML itself")


@on_linux
@pytest.mark.parametrize("output", ["image", "array"])
@pytest.mark.parametrize(
    ("precision", "tolerance"),
    # float32 sums in another order; float16 keeps 11 bits through four operations
    [("FLOAT32", 2e-6), ("FLOAT16", 1e-3)],
)
def test_a_package_draws_the_networks_mask(
    package: Any, artifact: Build, image: Array, expected: Array,
    output: str, precision: str, tolerance: float,
) -> None:  # fmt: skip
    details = {"image": {"layout": "image", **PIXEL}, "array": {}}[output]
    described = artifact("coreml", "image", output_layout=details.pop("layout", "NCHW"), **PIXEL)
    with runner_for(described, package(output=output, precision=precision), 1) as runner:
        assert runner.emulated
        assert runner.name == "coreml"
        np.testing.assert_allclose(runner.run(image), expected, atol=tolerance)


@on_linux
def test_the_mask_is_not_rounded_to_pixels_unless_asked(
    package: Any, artifact: Build, image: Array, expected: Array
) -> None:
    with EmulatedCoreMLRunner(package(), artifact("coreml", "image", **PIXEL)) as runner:
        mask, pixels = runner.run(image), runner.pixels(image)
    assert len(np.unique(mask)) > 256
    assert pixels.dtype == np.uint8
    # half a step of 1 / 255, and a little for the sums
    assert np.abs(pixels / 255 - expected).max() <= 0.5 / 255 + 1e-5


@on_linux
def test_an_image_between_two_bytes_is_fed_as_it_is(
    package: Any, artifact: Build, tiny: nn.Module
) -> None:
    image = np.full((1, 3, 32, 32), 0.4999, np.float32)
    with torch.no_grad():
        expected = tiny(torch.from_numpy(image)).numpy()
    with EmulatedCoreMLRunner(package(), artifact("coreml", "image", **PIXEL)) as runner:
        np.testing.assert_allclose(runner.run(image), expected, atol=2e-6)


@on_linux
def test_a_bgr_input_gets_its_channels_in_that_order(
    package: Any, artifact: Build, image: Array, tiny: nn.Module
) -> None:
    with torch.no_grad():
        expected = tiny(torch.from_numpy(image[:, ::-1].copy())).numpy()
    path = package(color="BGR")
    with EmulatedCoreMLRunner(path, artifact("coreml", "image", **PIXEL)) as runner:
        np.testing.assert_allclose(runner.run(image), expected, atol=2e-6)


@on_linux
def test_scale_and_bias_of_the_image_are_those_of_the_file(
    package: Any, artifact: Build, image: Array, tiny: nn.Module
) -> None:
    bias = [-0.1, 0.2, 0.3]
    with torch.no_grad():
        fed = torch.from_numpy(image) * 2 + torch.tensor(bias).reshape(1, 3, 1, 1)
        expected = tiny(fed).numpy()
    path = package(scale=2 / 255, bias=bias)
    with EmulatedCoreMLRunner(path, artifact("coreml", "image", **PIXEL)) as runner:
        np.testing.assert_allclose(runner.run(image), expected, atol=2e-6)


@on_linux
def test_a_feature_that_the_file_lacks_is_named(package: Any, artifact: Build) -> None:
    described = artifact("coreml", "image", names=("photo", "mask"), **PIXEL)
    with (
        pytest.raises(RunnerError, match="no feature 'photo'"),
        EmulatedCoreMLRunner(package(), described),
    ):
        pass


@on_linux
def test_an_operation_that_is_not_covered_is_named(package: Any, artifact: Build) -> None:
    class Cumulative(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return torch.cumsum(x[:, :1], 2)

    path = package(output="array", network=Cumulative())
    with (
        pytest.raises(RunnerError, match="cumsum"),
        EmulatedCoreMLRunner(path, artifact("coreml", "image", output_layout="NCHW", **PIXEL)),
    ):
        pass


def test_a_damaged_package_is_an_error_of_ours(tmp_path: Path, artifact: Build) -> None:
    path = tmp_path / "broken.mlpackage"
    path.mkdir()
    (path / "Manifest.json").write_text("{}")
    with (
        pytest.raises(RunnerError, match="broken"),
        EmulatedCoreMLRunner(path, artifact("coreml", "image", **PIXEL)),
    ):
        pass


@on_linux
def test_reading_a_package_says_nothing(package: Any, tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path\n"
        "from maskport.runtimes.mil.package import read_package\n"
        "read_package(Path(sys.argv[1]))\n"
        "assert 'tensorflow' not in sys.modules\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(package())], capture_output=True, text=True, check=True
    )
    assert (done.stdout, done.stderr) == ("", "")


def test_on_macos_core_ml_is_given_pixels_and_gives_pixels(
    tmp_path: Path, artifact: Build, image: Array, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A stand-in for coremltools: predict exists on macOS only."""
    seen: dict[str, Any] = {}

    class Model:
        def __init__(self, path: str, compute_units: str) -> None:
            seen["units"] = compute_units

        def predict(self, features: dict[str, Any]) -> dict[str, Any]:
            seen["fed"] = features["image"]
            return {"mask": Image.fromarray(np.asarray(features["image"])[..., 0])}

    fake = SimpleNamespace(
        models=SimpleNamespace(MLModel=Model), ComputeUnit={"ALL": "all", "CPU_ONLY": "cpu"}
    )
    monkeypatch.setattr(coreml, "coremltools", lambda: fake)
    runner = CoreMLRunner(tmp_path, artifact("coreml", "image", **PIXEL))
    runner.compute_units = "CPU_ONLY"
    with runner:
        mask = runner.run(image)
    assert not runner.emulated
    assert seen["units"] == "cpu"
    assert isinstance(seen["fed"], Image.Image)
    assert seen["fed"].size == (32, 32)
    np.testing.assert_array_equal(np.asarray(seen["fed"])[..., 2], as_pixels(image)[0, 2])
    # byte * float32(1 / 255) against byte / 255
    np.testing.assert_allclose(mask, image[:, :1], rtol=2e-7)


def test_macos_gets_core_ml_and_other_platforms_the_executor(
    tmp_path: Path, artifact: Build, monkeypatch: pytest.MonkeyPatch
) -> None:
    described = artifact("coreml", "image", **PIXEL)
    monkeypatch.setattr("sys.platform", "darwin")
    assert isinstance(runner_for(described, tmp_path), CoreMLRunner)
    monkeypatch.setattr("sys.platform", "linux")
    assert isinstance(runner_for(described, tmp_path), EmulatedCoreMLRunner)


def test_pixels_are_rounded_and_clamped() -> None:
    values = np.array([-1.0, 0.5, 2.0, np.nan, np.inf], np.float32)
    assert as_pixels(values).tolist() == [0, 128, 255, 0, 255]
