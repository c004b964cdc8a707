"""The life cycle and the checks that every runner shares."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from maskport.artifacts.manifest import Artifact, Tensor, TensorQuantization
from maskport.errors import MaskportError, MissingToolError, RunnerError, UsageError
from maskport.formats import FORMATS, Need, Runtime
from maskport.loading import load
from maskport.runtimes.base import Array, Runner, real, stored
from maskport.runtimes.runners import runner_for

Build = Callable[..., Artifact]
GRAY = np.full((1, 3, 32, 32), 0.5, np.float32)


class Echo(Runner):
    """Gives the image's first plane back; notes what was called."""

    name = "echo"

    def _load(self) -> None:
        self.calls = ["load"]

    def _infer(self, image: Array) -> Array:
        self.calls.append("infer")
        self.seen = image
        return image[..., :1] if self.input.layout == "NHWC" else image[:, :1]

    def _close(self) -> None:
        self.calls.append("close")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    file = tmp_path / "tiny.file"
    file.write_bytes(b"")
    return file


def test_a_runner_loads_on_entering_and_closes_on_leaving(path: Path, artifact: Build) -> None:
    with Echo(path, artifact("echo")) as runner:
        runner.run(GRAY)
    assert runner.calls == ["load", "infer", "close"]


def test_a_runner_outside_a_with_statement_does_not_run(path: Path, artifact: Build) -> None:
    runner = Echo(path, artifact("echo"))
    with pytest.raises(RunnerError, match="not loaded"):
        runner.run(GRAY)


def test_a_missing_file_is_named(tmp_path: Path, artifact: Build) -> None:
    with (
        pytest.raises(RunnerError, match=r"gone\.onnx"),
        Echo(tmp_path / "gone.onnx", artifact("echo")),
    ):
        pass


@pytest.mark.parametrize(
    "image",
    [GRAY[:, :2], GRAY[0], GRAY.astype(np.float64), np.zeros((1, 3, 31, 32), np.float32)],
    ids=["two planes", "no batch", "float64", "another size"],
)
def test_an_image_of_another_shape_or_type_is_refused(
    path: Path, artifact: Build, image: Array
) -> None:
    with Echo(path, artifact("echo")) as runner, pytest.raises(RunnerError, match="takes an image"):
        runner.run(image)


def test_an_output_of_another_shape_than_the_manifests_is_refused(
    path: Path, artifact: Build
) -> None:
    with (
        Echo(path, artifact("echo", channels=4)) as runner,
        pytest.raises(RunnerError, match="its manifest says"),
    ):
        runner.run(GRAY)


def test_nan_and_values_out_of_range_come_through(path: Path, artifact: Build) -> None:
    image = GRAY.copy()
    image[0, 0, 0, :2] = np.nan, 7.0
    with Echo(path, artifact("echo")) as runner:
        mask = runner.run(image)
    assert np.isnan(mask[0, 0, 0, 0])
    assert mask[0, 0, 0, 1] == 7.0


def test_a_channels_last_file_is_fed_channels_last_and_gives_planes(
    path: Path, artifact: Build, image: Array
) -> None:
    with Echo(path, artifact("echo", "NHWC")) as runner:
        mask = runner.run(image)
    assert runner.seen.shape == (1, 32, 32, 3)
    np.testing.assert_array_equal(mask, image[:, :1])


def test_a_uint8_file_is_fed_pixel_bytes(path: Path, artifact: Build, image: Array) -> None:
    pixel = TensorQuantization(scale=1 / 255, zero_point=0)
    with Echo(path, artifact("echo", dtype="uint8", quantization=pixel)) as runner:
        mask = runner.run(image)
    np.testing.assert_array_equal(runner.seen, np.rint(image * 255).astype(np.uint8))
    # byte * float32(1 / 255) and byte / 255 differ by one unit in the last place at most
    np.testing.assert_allclose(mask, image[:, :1], rtol=2e-7)


def test_quantizing_rounds_and_clamps_and_dequantizing_undoes_it() -> None:
    tensor = Tensor(
        name="t",
        shape=[1, 1, 1, 4],
        dtype="int8",
        layout="NCHW",
        quantization=TensorQuantization(scale=0.5, zero_point=-10),
    )
    values = np.array([[[[0.0, 0.7, -99.0, 99.0]]]], np.float32)
    steps = stored(values, tensor)
    assert steps.tolist() == [[[[-10, -9, -128, 127]]]]
    assert real(steps, tensor).tolist() == [[[[0.0, 0.5, -59.0, 68.5]]]]


def test_integers_without_a_scale_are_refused(path: Path, artifact: Build) -> None:
    with (
        Echo(path, artifact("echo", dtype="uint8")) as runner,
        pytest.raises(RunnerError, match="without a scale"),
    ):
        runner.run(GRAY)


def test_an_sdks_exception_becomes_ours_and_keeps_its_cause(path: Path, artifact: Build) -> None:
    class Broken(Echo):
        def _infer(self, image: Array) -> Array:
            raise KeyError("the reason\nand a long tail")

    with Broken(path, artifact("echo")) as runner, pytest.raises(RunnerError) as caught:
        runner.run(GRAY)
    assert "the reason" in caught.value.what
    assert caught.value.remedy
    assert isinstance(caught.value.__cause__, KeyError)


def test_a_missing_sdk_is_named_with_its_extra(
    path: Path, artifact: Build, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Needy(Echo):
        name = "onnxruntime"

        def _load(self) -> None:
            import surely_not_installed  # noqa: F401

    monkeypatch.setattr(
        "maskport.runtimes.base.needs_of",
        lambda name: (Need("surely_not_installed", "surely", "onnx"),),
    )
    with pytest.raises(MissingToolError, match=r"surely") as caught, Needy(path, artifact("onnx")):
        pass
    assert caught.value.extra == "onnx"


def test_an_sdk_that_is_there_but_broken_is_not_called_missing(path: Path, artifact: Build) -> None:
    class Broken(Echo):
        def _load(self) -> None:
            raise ImportError("libsomething.so: cannot open shared object file")

    with pytest.raises(RunnerError, match=r"libsomething\.so"), Broken(path, artifact("echo")):
        pass


@pytest.mark.parametrize(
    "row", [row for each in FORMATS.values() for row in each.runtimes], ids=lambda row: row.runner
)
def test_the_table_leads_to_runners_of_the_same_name(row: Runtime) -> None:
    runner = load(row.runner)
    assert issubclass(runner, Runner)
    assert runner.name == row.name


def test_an_unknown_format_is_answered_with_the_known_ones(path: Path, artifact: Build) -> None:
    with pytest.raises(UsageError, match="tflite") as caught:
        runner_for(artifact("tflight"), path)
    assert "Did you mean tflite?" in caught.value.remedy
    assert isinstance(caught.value, MaskportError)
