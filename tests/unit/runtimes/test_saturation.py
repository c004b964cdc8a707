"""Integers' sums are looked at in files that have them, and exact runners are found for these."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from maskport.artifacts.manifest import Artifact, Quantization
from maskport.errors import RunnerError
from maskport.runtimes.base import Array
from maskport.runtimes.onnx import OnnxRunner, PreciseOnnxRunner
from maskport.runtimes.runners import exact_runner_for
from maskport.runtimes.saturation import saturating

Build = Callable[..., Artifact]

pytestmark = pytest.mark.sdk

INTEGERS = Quantization(weights="int8", activations="uint8")


def integer(artifact: Artifact) -> Artifact:
    return artifact.model_copy(update={"quantization": INTEGERS})


@pytest.fixture
def integer_file(tmp_path: Path) -> Path:
    """A convolution whose two first weights add up to 129, and 255 times that is beyond int16."""
    onnx = pytest.importorskip("onnx", reason="needs maskport[onnx]")
    from onnx import helper, numpy_helper

    constants = {
        "w": np.array([64, 65, 0], np.int8).reshape(1, 3, 1, 1), "ws": np.float32(0.01),
        "wz": np.int8(0), "s": np.float32(1 / 255), "z": np.uint8(0),
    }  # fmt: skip
    graph = helper.make_graph(
        [
            helper.make_node("QuantizeLinear", ["image", "s", "z"], ["bytes"]),
            helper.make_node("DequantizeLinear", ["bytes", "s", "z"], ["rounded"]),
            helper.make_node("DequantizeLinear", ["w", "ws", "wz"], ["weight"]),
            helper.make_node("Conv", ["rounded", "weight"], ["mask"], "stem"),
        ],
        "one",
        [helper.make_tensor_value_info("image", 1, (1, 3, 32, 32))],
        [helper.make_tensor_value_info("mask", 1, (1, 1, 32, 32))],
        [numpy_helper.from_array(np.asarray(v), k) for k, v in constants.items()],
    )
    path = tmp_path / "one.onnx"
    opsets = [helper.make_opsetid("", 17)]
    onnx.save(helper.make_model(graph, opset_imports=opsets, ir_version=8), str(path))
    return path


def test_operations_that_can_saturate_are_named(integer_file: Path, artifact: Build) -> None:
    assert saturating(integer(artifact("onnx")), integer_file) == ["stem"]


def test_other_files_have_none(integer_file: Path, artifact: Build) -> None:
    """Float ONNX files compute in float; kernels of other formats add up in 32 bits."""
    assert saturating(artifact("onnx"), integer_file) == []
    assert saturating(integer(artifact("tflite")), integer_file) == []


def test_a_file_that_is_no_onnx_is_an_error(tmp_path: Path, artifact: Build) -> None:
    pytest.importorskip("onnx", reason="needs maskport[onnx]")
    path = tmp_path / "noise.onnx"
    path.write_bytes(np.random.default_rng(0).bytes(999))
    with pytest.raises(RunnerError, match=r"noise\.onnx"):
        saturating(integer(artifact("onnx")), path)


def test_the_exact_runner_draws_what_sums_in_32_bits_give(
    integer_file: Path, artifact: Build, image: Array
) -> None:
    """Of a file that saturates elsewhere; bytes and weights are exact in float32."""
    pytest.importorskip("onnxruntime", reason="needs maskport[onnx]")
    found = exact_runner_for(integer(artifact("onnx")), integer_file)
    assert isinstance(found, PreciseOnnxRunner)
    weights = np.array([64, 65, 0], np.float32).reshape(1, 3, 1, 1) * np.float32(0.01)
    with found as runner:
        mask = runner.run(image)
    # float32 sums of three in another order
    np.testing.assert_allclose(mask, (image * weights).sum(1, keepdims=True), atol=1e-6)


def test_only_integer_files_of_onnx_have_an_exact_runner(artifact: Build) -> None:
    path = Path("file")
    assert exact_runner_for(artifact("onnx"), path) is None
    assert exact_runner_for(integer(artifact("tflite")), path) is None
    assert issubclass(PreciseOnnxRunner, OnnxRunner)
