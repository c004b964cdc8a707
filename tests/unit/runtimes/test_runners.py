"""Every runner draws the tiny network's mask from a file that the SDK itself made."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from maskport.artifacts.manifest import Artifact
from maskport.errors import RunnerError, UsageError
from maskport.runtimes.base import Array
from maskport.runtimes.runners import runner_for, runtimes_of

from ...sdks import needed

Build = Callable[..., Artifact]

# float32 sums in another order: a few units in the last place of values near 1
FLOAT32 = 2e-6

pytestmark = pytest.mark.sdk


@pytest.mark.parametrize("threads", [None, 1])
def test_onnx_runtime_draws_the_networks_mask(
    onnx_file: Path, artifact: Build, image: Array, expected: Array, threads: int | None
) -> None:
    pytest.importorskip("onnxruntime", reason="needs maskport[onnx]")
    with runner_for(artifact("onnx"), onnx_file, threads) as runner:
        np.testing.assert_allclose(runner.run(image), expected, atol=FLOAT32)


def test_random_bytes_are_no_onnx_file(tmp_path: Path, artifact: Build) -> None:
    pytest.importorskip("onnxruntime", reason="needs maskport[onnx]")
    path = tmp_path / "noise.onnx"
    path.write_bytes(np.random.default_rng(0).bytes(999))
    with (
        pytest.raises(RunnerError, match=r"noise\.onnx") as caught,
        runner_for(artifact("onnx"), path),
    ):
        pass
    assert caught.value.__cause__ is not None


@pytest.fixture(scope="session")
def tensorflow() -> Any:
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ.setdefault("KERAS_BACKEND", "tensorflow")
    return needed("tensorflow", "tflite")


@pytest.fixture(scope="session")
def saved_model(tensorflow: Any, tiny: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny network in TensorFlow, NHWC, one signature `serving_default`."""
    tf = tensorflow
    weights = [
        layer.weight.detach().numpy().transpose(2, 3, 1, 0) for layer in (tiny.first, tiny.last)
    ]
    biases = [layer.bias.detach().numpy() for layer in (tiny.first, tiny.last)]

    class Module(tf.Module):
        @tf.function(input_signature=[tf.TensorSpec([1, 32, 32, 3], name="image")])
        def __call__(self, image: Any) -> dict[str, Any]:
            x = tf.nn.relu(tf.nn.conv2d(image, weights[0], 1, "SAME") + biases[0])
            x = tf.sigmoid(tf.nn.conv2d(x, weights[1], 1, "SAME") + biases[1])
            return {"mask": tf.identity(x, name="mask")}

    module = Module()
    path = tmp_path_factory.mktemp("tf") / "saved_model"
    signatures = {"serving_default": module.__call__.get_concrete_function()}
    tf.saved_model.save(module, str(path), signatures=signatures)
    return path


def test_a_savedmodel_draws_the_networks_mask(
    saved_model: Path, artifact: Build, image: Array, expected: Array
) -> None:
    with runner_for(artifact("savedmodel", "NHWC"), saved_model, 1) as runner:
        np.testing.assert_allclose(runner.run(image), expected, atol=FLOAT32)


def test_litert_runs_a_file_with_a_signature(
    saved_model: Path,
    tensorflow: Any,
    artifact: Build,
    image: Array,
    expected: Array,
    tmp_path: Path,
) -> None:
    pytest.importorskip("ai_edge_litert", reason="needs maskport[tflite]")
    path = tmp_path / "tiny.tflite"
    path.write_bytes(tensorflow.lite.TFLiteConverter.from_saved_model(str(saved_model)).convert())
    with runner_for(artifact("tflite", "NHWC"), path, 1) as runner:
        np.testing.assert_allclose(runner.run(image), expected, atol=FLOAT32)


def test_litert_runs_a_file_without_a_signature(
    saved_model: Path,
    tensorflow: Any,
    artifact: Build,
    image: Array,
    expected: Array,
    tmp_path: Path,
) -> None:
    pytest.importorskip("ai_edge_litert", reason="needs maskport[tflite]")
    module = tensorflow.saved_model.load(str(saved_model))
    converter = tensorflow.lite.TFLiteConverter.from_concrete_functions(
        [module.signatures["serving_default"]]
    )
    path = tmp_path / "tiny.tflite"
    path.write_bytes(converter.convert())
    with runner_for(artifact("tflite", "NHWC"), path, 1) as runner:
        np.testing.assert_allclose(runner.run(image), expected, atol=FLOAT32)


def test_litert_takes_type_and_quantization_from_the_file(
    saved_model: Path,
    tensorflow: Any,
    artifact: Build,
    image: Array,
    expected: Array,
    tmp_path: Path,
) -> None:
    pytest.importorskip("ai_edge_litert", reason="needs maskport[tflite]")
    tf = tensorflow
    converter = tf.lite.TFLiteConverter.from_saved_model(str(saved_model))
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.representative_dataset = lambda: iter([[image.transpose(0, 2, 3, 1)]])
    converter.inference_input_type = converter.inference_output_type = tf.uint8
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
    path = tmp_path / "tiny.tflite"
    path.write_bytes(converter.convert())
    # The manifest says float32; the file is uint8, and the file is believed.
    with runner_for(artifact("tflite", "NHWC"), path) as runner:
        assert runner.input.dtype == runner.output.dtype == "uint8"
        mask = runner.run(image)
    # 8 bits per activation: about one step of 1 / 256 on average
    assert np.abs(mask - expected).mean() < 2 / 256


def test_keras_draws_the_networks_mask(
    tensorflow: Any, tiny: Any, artifact: Build, image: Array, expected: Array, tmp_path: Path
) -> None:
    keras = needed("keras", "tflite")
    source = keras.Input((32, 32, 3), batch_size=1, name="image")
    first = keras.layers.Conv2D(8, 3, padding="same", activation="relu")
    last = keras.layers.Conv2D(1, 1, activation="sigmoid")
    model = keras.Model(source, last(first(source)))
    for layer, torch_layer in ((first, tiny.first), (last, tiny.last)):
        weight = torch_layer.weight.detach().numpy().transpose(2, 3, 1, 0)
        layer.set_weights([weight, torch_layer.bias.detach().numpy()])
    path = tmp_path / "tiny.keras"
    model.save(path)
    with runner_for(artifact("keras", "NHWC"), path, 1) as runner:
        np.testing.assert_allclose(runner.run(image), expected, atol=FLOAT32)


def test_code_in_a_keras_file_does_not_run(
    tensorflow: Any, artifact: Build, tmp_path: Path
) -> None:
    keras = needed("keras", "tflite")
    source = keras.Input((32, 32, 3), batch_size=1, name="image")
    model = keras.Model(source, keras.layers.Lambda(lambda x: x[..., :1])(source))
    path = tmp_path / "code.keras"
    model.save(path)
    with (
        pytest.raises(RunnerError, match="keras can't load"),
        runner_for(artifact("keras", "NHWC"), path),
    ):
        pass


@pytest.mark.parametrize("threads", [None, 1])
def test_the_lite_interpreter_draws_the_networks_mask(
    tiny: Any, artifact: Build, image: Array, expected: Array, tmp_path: Path, threads: int | None
) -> None:
    path = tmp_path / "tiny.ptl"
    traced = torch.jit.freeze(torch.jit.trace(tiny, torch.rand(1, 3, 32, 32)))
    with warnings.catch_warnings(action="ignore"):  # torch calls the format deprecated
        traced._save_for_lite_interpreter(str(path))
    before = torch.get_num_threads()
    with runner_for(artifact("torchscript-lite"), path, threads) as runner:
        np.testing.assert_allclose(runner.run(image), expected, atol=FLOAT32)
    assert torch.get_num_threads() == before


def test_a_lite_interpreters_file_is_held_against_its_checksums(
    tiny: Any, artifact: Build, tmp_path: Path
) -> None:
    """torch doesn't look at them, and draws another mask."""
    path = tmp_path / "tiny.ptl"
    with warnings.catch_warnings(action="ignore"):
        torch.jit.trace(tiny, torch.rand(1, 3, 32, 32))._save_for_lite_interpreter(str(path))
    whole = bytearray(path.read_bytes())
    weights = tiny.first.weight.detach().numpy().tobytes()
    whole[whole.index(weights) + 1] ^= 1
    path.write_bytes(whole)
    with (
        pytest.raises(RunnerError, match=r"tiny\.ptl is damaged: what it holds as tiny/data/"),
        runner_for(artifact("torchscript-lite"), path),
    ):
        pass


def test_executorch_draws_the_networks_mask(
    tiny: Any, artifact: Build, image: Array, expected: Array, tmp_path: Path
) -> None:
    pytest.importorskip("executorch", reason="needs maskport[executorch]")
    from executorch.backends.xnnpack.partition.xnnpack_partitioner import XnnpackPartitioner
    from executorch.exir import to_edge_transform_and_lower

    program = torch.export.export(tiny, (torch.rand(1, 3, 32, 32),))
    lowered = to_edge_transform_and_lower(program, partitioner=[XnnpackPartitioner()])
    path = tmp_path / "tiny.pte"
    path.write_bytes(lowered.to_executorch().buffer)
    with runner_for(artifact("executorch"), path, 1) as runner:
        np.testing.assert_allclose(runner.run(image), expected, atol=FLOAT32)
        again = runner.run(1 - image)
        # the first result must not be a view of memory that the second run reuses
        assert np.abs(runner.run(image) - again).max() > 0


def test_what_is_no_executorch_program_does_not_reach_the_runtime(
    artifact: Build, tmp_path: Path
) -> None:
    """The runtime aborts the process on such a file."""
    path = tmp_path / "noise.pte"
    path.write_bytes(np.random.default_rng(0).bytes(999))
    with (
        pytest.raises(RunnerError, match="not an ExecuTorch program"),
        runner_for(artifact("executorch"), path),
    ):
        pass


@pytest.mark.parametrize("format", ["tflite", "torchscript-lite"])
def test_random_bytes_are_no_file_of_any_format(
    format: str, artifact: Build, tmp_path: Path
) -> None:
    if format == "tflite":
        pytest.importorskip("ai_edge_litert", reason="needs maskport[tflite]")
    path = tmp_path / "noise.bin"
    path.write_bytes(np.random.default_rng(0).bytes(999))
    with pytest.raises(RunnerError, match=r"noise\.bin"), runner_for(artifact(format), path):
        pass


def test_a_runtime_is_taken_where_its_format_has_it(artifact: Build, tmp_path: Path) -> None:
    assert runtimes_of("tflite") == ["litert", "mediapipe"]
    assert runtimes_of("coreml") == ["coreml"]
    assert runtimes_of("tarot") == []
    found = runner_for(artifact("tflite", "NHWC"), tmp_path / "any", runtime="mediapipe")
    assert found.name == "mediapipe"
    with pytest.raises(UsageError, match="mediapipe doesn't run") as caught:
        runner_for(artifact("onnx"), tmp_path / "any", runtime="mediapipe")
    assert "onnxruntime" in caught.value.remedy
