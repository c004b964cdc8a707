"""Every format's stream: the image first, the mask last, names that hang together."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from maskport.artifacts.manifest import Artifact
from maskport.errors import RunnerError, UsageError
from maskport.runtimes.intermediates import nodes
from maskport.runtimes.intermediates.nodes import INPUT
from maskport.runtimes.intermediates.stream import intermediates

from ....sdks import needed

pytestmark = pytest.mark.sdk
Build = Callable[..., Artifact]
Array = np.ndarray[Any, np.dtype[np.float32]]
PIXEL = {"dtype": "uint8", "quantization": {"scale": 1 / 255, "zero_point": 0}}


@pytest.fixture(scope="module")
def tflite_file(tiny: nn.Module, tmp_path_factory: pytest.TempPathFactory) -> Path:
    tf = needed("tensorflow", "tflite")
    first, last = (
        [p.detach().numpy() for p in (layer.weight, layer.bias)]
        for layer in (tiny.first, tiny.last)
    )

    @tf.function(input_signature=[tf.TensorSpec([1, 32, 32, 3], tf.float32, name="image")])
    def draw(image: Any) -> Any:
        x = tf.nn.conv2d(image, first[0].transpose(2, 3, 1, 0), 1, "SAME") + first[1]
        x = tf.nn.conv2d(tf.nn.relu(x), last[0].transpose(2, 3, 1, 0), 1, "SAME") + last[1]
        return tf.sigmoid(x)

    path = tmp_path_factory.mktemp("tflite") / "tiny.tflite"
    functions = [draw.get_concrete_function()]
    path.write_bytes(tf.lite.TFLiteConverter.from_concrete_functions(functions).convert())
    return path


@pytest.fixture(scope="module")
def coreml_file(tiny: nn.Module, tmp_path_factory: pytest.TempPathFactory) -> Path:
    needed("coremltools", "coreml")
    from maskport.sdks.slim import coremltools

    ct = coremltools()
    path = tmp_path_factory.mktemp("coreml") / "tiny.mlpackage"
    with torch.no_grad():
        traced = torch.jit.trace(tiny, torch.rand(1, 3, 32, 32), check_trace=False)
    ct.convert(
        traced,
        convert_to="mlprogram",
        inputs=[ct.ImageType(name="image", shape=(1, 3, 32, 32), scale=1 / 255)],
        outputs=[ct.TensorType(name="mask")],
        compute_precision=ct.precision.FLOAT32,
        minimum_deployment_target=ct.target.iOS16,
        skip_model_load=True,
    ).save(str(path))
    return path


@pytest.fixture(params=["onnx", "tflite", "coreml"])
def file(request: pytest.FixtureRequest, artifact: Build) -> tuple[Artifact, Path]:
    if request.param == "onnx":
        pytest.importorskip("onnxruntime", reason="needs maskport[onnx]")
        return artifact("onnx"), request.getfixturevalue("onnx_file")
    if request.param == "tflite":
        path: Path = request.getfixturevalue("tflite_file")
        return artifact("tflite", "NHWC"), path
    path = request.getfixturevalue("coreml_file")
    return artifact("coreml", "image", output_layout="NCHW", **PIXEL), path


def test_the_image_comes_first_and_the_mask_last(
    file: tuple[Artifact, Path], image: Array, expected: Array
) -> None:
    nodes, values = zip(*intermediates(*file, image, 1), strict=True)
    assert [node.kind == INPUT for node in nodes] == [True] + [False] * (len(nodes) - 1)
    bytes_or_real = values[0] / (255 if file[0].format == "coreml" else 1)
    np.testing.assert_allclose(bytes_or_real, image, atol=1e-6)
    np.testing.assert_allclose(values[-1], expected, atol=2e-6)  # float32 sums in another order


def test_shapes_and_names_hang_together(file: tuple[Artifact, Path], image: Array) -> None:
    seen: set[str] = set()
    for node, values in intermediates(*file, image, 1):
        assert values.dtype == np.float32
        assert values.shape == node.shape
        assert set(node.inputs) <= seen
        assert node.output not in seen
        seen.add(node.output)


def test_weights_are_described_as_pytorch_stores_them(
    file: tuple[Artifact, Path], image: Array, tiny: nn.Module
) -> None:
    kernels = [node.kernel for node, _ in intermediates(*file, image, 1) if node.kernel]
    assert kernels == [tuple(tiny.first.weight.shape), tuple(tiny.last.weight.shape)]


def test_values_don_t_depend_on_how_many_are_fetched_at_once(
    file: tuple[Artifact, Path], image: Array, monkeypatch: pytest.MonkeyPatch
) -> None:
    together = [values for _, values in intermediates(*file, image, 1)]
    monkeypatch.setattr(nodes, "AT_ONCE", 1)
    alone = [values for _, values in intermediates(*file, image, 1)]
    for first, second in zip(together, alone, strict=True):
        np.testing.assert_allclose(first, second, atol=2e-6)


def test_another_format_is_refused_with_those_that_can(artifact: Build, image: Array) -> None:
    with pytest.raises(UsageError, match="onnx, tflite, coreml"):
        intermediates(artifact("executorch"), Path("file.pte"), image)


def test_an_image_of_another_size_is_refused(file: tuple[Artifact, Path], image: Array) -> None:
    with pytest.raises(RunnerError, match="shape"):
        intermediates(*file, image[:, :, :16], 1)


def test_random_bytes_are_an_error_of_ours(artifact: Build, image: Array, tmp_path: Path) -> None:
    for format, layout in (("onnx", "NCHW"), ("tflite", "NHWC")):
        path = tmp_path / f"broken.{format}"
        path.write_bytes(np.random.default_rng(0).bytes(4096))
        with pytest.raises(RunnerError, match="can't be read"):
            list(intermediates(artifact(format, layout), path, image, 1))
