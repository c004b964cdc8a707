"""What is done to TFLite files in the file itself: names, bytes, cards, floats of another width."""

from __future__ import annotations

import os
import zipfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from maskport.artifacts.inspect.read import declared_by
from maskport.artifacts.manifest import Artifact, FileEntry, Tensor, TensorQuantization
from maskport.artifacts.metadata.tflite import METADATA_NAME, read_metadata
from maskport.errors import ExportError
from maskport.exporters.run import Card, Run
from maskport.exporters.tflite import (
    export_dynamic_int8,
    export_fp16,
    export_fp32,
    export_int8_plain,
)
from maskport.exporters.tflite_flatbuffer import Flatbuffer
from maskport.runtimes.runners import runner_for
from maskport.specs import ImageSpec, MaskSpec, ModelSpec

from ...sdks import needed

pytestmark = [
    pytest.mark.sdk,
    # TensorFlow's own, about the interpreter that its converter calibrates with.
    pytest.mark.filterwarnings("ignore:.*tf.lite.Interpreter is deprecated"),
]

HEIGHT, WIDTH = 16, 12
CARD = Card("tiny", "the author", "the licence", "0123456789ab", "Draws a mask.")
# An 8-bit mask's step; an integer file may be one off.
STEP = 1 / 255


@pytest.fixture(scope="module")
def tf() -> Any:
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    for name in ("ai_edge_litert", "flatbuffers"):
        needed(name, "tflite")
    return needed("tensorflow", "tflite")


@pytest.fixture(scope="module")
def photos() -> np.ndarray:
    """(8, H, W, 3) in bytes: smooth waves of every brightness."""
    n, y, x, c = np.ogrid[0:8, 0:HEIGHT, 0:WIDTH, 0:3]
    waves = 127.5 + 127.5 * np.sin(0.4 * y * (1 + n / 8) + 0.3 * x + c + n)
    return waves.round().astype(np.uint8)


Network = Callable[[Any, Any], Any]


def contrast(gain: float, offset: float = 0.5) -> Network:
    """Logits from the photo's brightness: sure of what is bright, and of what is dark."""

    def network(tf: Any, x: Any) -> Any:
        kernel = np.full((1, 1, 3, 1), gain / 3, np.float32)
        return tf.nn.conv2d(x, kernel, 1, "SAME") + np.float32([-gain * offset])

    return network


def exported(
    tf: Any,
    network: Network,
    photos: np.ndarray,
    folder: Path,
    export: Callable[[Run, Path], Any] = export_int8_plain,
) -> Path:
    """A network in TensorFlow as an export run would have it, and the target made of it."""

    class Module(tf.Module):
        @tf.function(input_signature=[tf.TensorSpec([1, HEIGHT, WIDTH, 3], name="image")])
        def __call__(self, image: Any) -> dict[str, Any]:
            return {"mask": tf.identity(network(tf, image), name="mask")}

    module = Module()
    channels = module(tf.zeros((1, HEIGHT, WIDTH, 3)))["mask"].shape[-1]
    labels = tuple(f"class {i}" for i in range(channels))
    spec = ModelSpec("tiny", ImageSpec(HEIGHT, WIDTH), MaskSpec(channels=channels, labels=labels))
    run = Run(folder, spec, CARD)
    signatures = {"serving_default": module.__call__.get_concrete_function()}
    tf.saved_model.save(module, str(run.saved_model), signatures=signatures)
    run.onnx.touch()  # what it was made of
    np.save(folder / "calibration.npy", photos.transpose(0, 3, 1, 2))
    path = folder / "tiny.tflite"
    export(run, path)
    return path


def interpreter(path: Path, *, reference: bool = False) -> Any:
    from ai_edge_litert.interpreter import Interpreter, OpResolverType

    kind = OpResolverType.BUILTIN_REF if reference else OpResolverType.AUTO
    return Interpreter(str(path), experimental_op_resolver_type=kind)


def drawn(path: Path, photo: np.ndarray, *, reference: bool = False) -> np.ndarray:
    """The file's own values for one photo (H, W, 3)."""
    run = interpreter(path, reference=reference).get_signature_runner("serving_default")
    mask: np.ndarray = run(image=photo[None])["mask"]
    return mask[0]


def expected(tf: Any, network: Network, photo: np.ndarray) -> np.ndarray:
    value: np.ndarray = network(tf, tf.constant(photo[None] / np.float32(255))).numpy()
    return value[0]


def sigmoid(network: Network) -> Network:
    return lambda tf, x: tf.sigmoid(network(tf, x))


def operators(path: Path) -> list[str]:
    """Kinds of the file's own operators; not those that a delegate puts in their place."""
    from tensorflow.lite.python import schema_py_generated as schema

    model = schema.ModelT.InitFromPackedBuf(path.read_bytes(), 0)
    names = {v: k for k, v in vars(schema.BuiltinOperator).items() if not k.startswith("_")}
    codes = [names[code.builtinCode] for code in model.operatorCodes]
    return [codes[op.opcodeIndex] for op in model.subgraphs[0].operators]


SURE = sigmoid(contrast(60.0))  # logits from -30 to 30


@pytest.fixture(scope="module")
def sure(tf: Any, photos: np.ndarray, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return exported(tf, SURE, photos, tmp_path_factory.mktemp("sure"))


def test_raw_bytes_go_in_and_come_out(sure: Path) -> None:
    loaded = interpreter(sure)
    for detail in (*loaded.get_input_details(), *loaded.get_output_details()):
        assert detail["dtype"] == np.uint8
        scale, zero_point = detail["quantization"]
        assert scale == pytest.approx(1 / 255)
        assert zero_point == 0


def test_between_them_it_draws_the_networks_mask(sure: Path, tf: Any, photos: np.ndarray) -> None:
    for photo in photos:
        error = drawn(sure, photo) * STEP - expected(tf, SURE, photo)
        # The logits' 255 steps reach from -30 to 30: 0.24 each, which at the sigmoid's steepest
        # (1/4) is 0.06 of the mask, half of it for rounding, and again for the steps before.
        assert np.abs(error).max() < 0.08
        assert np.abs(error).mean() < 0.01


def test_tensors_and_signature_are_called_image_and_mask(sure: Path) -> None:
    loaded = interpreter(sure)
    assert [d["name"] for d in loaded.get_input_details()] == ["image"]
    assert [d["name"] for d in loaded.get_output_details()] == ["mask"]
    assert loaded.get_signature_list() == {
        "serving_default": {"inputs": ["image"], "outputs": ["mask"]}
    }


@pytest.mark.parametrize("export", [export_fp32, export_int8_plain], ids=["fp32", "int8"])
def test_the_file_says_what_it_is(
    export: Callable[[Run, Path], Any], tf: Any, photos: np.ndarray, tmp_path: Path
) -> None:
    from tensorflow.lite.python import schema_py_generated as schema

    path = exported(tf, SURE, photos[:1], tmp_path, export)
    model = schema.ModelT.InitFromPackedBuf(path.read_bytes(), 0)
    assert model.description.decode() == (
        "tiny 0123456789ab: Draws a mask. the author. the licence."
    )


def test_an_operation_without_an_integer_form_is_refused(
    tf: Any, photos: np.ndarray, tmp_path: Path
) -> None:
    def network(tf: Any, x: Any) -> Any:
        return tf.sigmoid(tf.cumsum(contrast(1.0)(tf, x), 1))

    with pytest.raises(ExportError) as caught:
        exported(tf, network, photos, tmp_path)
    assert caught.value.remedy


def test_no_calibration_photos_is_an_error_that_says_what_to_give(
    tf: Any, photos: np.ndarray, tmp_path: Path
) -> None:
    with pytest.raises(ExportError, match="no calibration photos") as caught:
        exported(tf, SURE, photos[:0], tmp_path)
    assert "--calibration" in caught.value.remedy


def test_the_manifest_learns_the_bytes_scale(tf: Any, photos: np.ndarray, tmp_path: Path) -> None:
    seen: list[Any] = []
    exported(
        tf, SURE, photos[:1], tmp_path, lambda run, path: seen.append(export_int8_plain(run, path))
    )
    for tensor in (*seen[0].inputs, *seen[0].outputs):
        assert tensor.dtype == "uint8"
        assert tensor.quantization == TensorQuantization(scale=1 / 255, zero_point=0)


MEAN = np.float32([0.485, 0.456, 0.406])
FACTOR = 1 / np.float32([0.229, 0.224, 0.225])


def by_arithmetic(tf: Any, x: Any) -> Any:
    return (x - MEAN) * FACTOR


def by_channel(tf: Any, x: Any) -> Any:
    """As exports have it."""
    kernel = FACTOR.reshape(1, 1, 3, 1)
    return tf.nn.depthwise_conv2d(x, kernel, (1, 1, 1, 1), "SAME") - MEAN * FACTOR


def from_bgr(tf: Any, x: Any) -> Any:
    """As exports have it for a network that was trained on blue, green, red."""
    kernel = np.diag(FACTOR)[::-1].reshape(1, 1, 3, 3)
    return tf.nn.conv2d(x, kernel, 1, "SAME") - (MEAN * FACTOR)[::-1]


def deep(normalize: Network, tf: Any, x: Any) -> Any:
    """Three convolutions, of which the first two have weights enough to be stored as integers."""
    chance = np.random.default_rng(0)
    x = normalize(tf, x)
    for channels, end in ((48, tf.nn.relu), (24, tf.nn.relu), (1, tf.sigmoid)):
        kernel = chance.normal(size=(3, 3, x.shape[-1], channels)).astype(np.float32)
        x = end(tf.nn.conv2d(x, kernel / np.float32(np.sqrt(kernel[..., 0].size)), 1, "SAME"))
    return x


@pytest.mark.parametrize("normalize", [by_arithmetic, by_channel, from_bgr])
def test_of_dynamic_range_the_first_convolution_stays_in_float(
    normalize: Network, tf: Any, photos: np.ndarray, tmp_path: Path
) -> None:
    network = partial(deep, normalize)
    path = exported(tf, network, photos, tmp_path, export_dynamic_int8)
    graph = Flatbuffer(path.read_bytes())
    convolutions = [op for op in graph.subgraph.operators if graph.is_op(op, "CONV_2D")]
    weights = {graph.tensor(op.inputs[1]).shape[0]: op.inputs[1] for op in convolutions}
    kinds = graph.schema.TensorType
    assert graph.tensor(weights[48]).type == kinds.FLOAT32
    assert graph.tensor(weights[24]).type == kinds.INT8
    run = interpreter(path).get_signature_runner("serving_default")
    for photo in photos:
        mask = run(image=photo[None] / np.float32(255))["mask"][0]
        assert np.abs(mask - expected(tf, network, photo)).mean() < STEP


def test_constants_that_several_read_become_halves_for_each(
    tf: Any, photos: np.ndarray, tmp_path: Path
) -> None:
    factors = np.linspace(0.5, 1.5, HEIGHT * WIDTH * 3, dtype=np.float32)
    factors = factors.reshape(1, HEIGHT, WIDTH, 3)

    def twice(tf: Any, x: Any) -> Any:
        y = tf.nn.relu(x * factors) * factors
        return tf.reduce_mean(y, 3, keepdims=True)

    image, seen = photos[0].astype(np.float32) / 255, []
    for export in (export_fp32, export_fp16):
        path = exported(tf, twice, photos, tmp_path, export)
        seen.append((drawn(path, image), path.stat().st_size))
    (floats, size), (halves, half) = seen
    assert half < 0.8 * size
    assert 0 < np.abs(halves - floats).max() < 1e-3


def entry(path: Path, labels: tuple[str, ...] = ("mask",)) -> Artifact:
    """What a manifest says of a float file."""
    return Artifact(
        target="tflite-fp32",
        path=path.name,
        format="tflite",
        precision="fp32",
        bytes=1,
        sha256="0" * 64,
        files=[FileEntry(path=path.name, bytes=1, sha256="0" * 64)],
        inputs=[Tensor(name="image", shape=[1, HEIGHT, WIDTH, 3], dtype="float32", layout="NHWC")],
        outputs=[
            Tensor(
                name="mask",
                shape=[1, HEIGHT, WIDTH, len(labels)],
                dtype="float32",
                layout="NHWC",
            )
        ],
    )


FLOAT = (export_fp32, export_fp16, export_dynamic_int8)


@pytest.mark.parametrize("export", [*FLOAT, export_int8_plain])
def test_files_have_metadata_of_what_they_take(
    export: Callable[[Run, Path], Any], tf: Any, photos: np.ndarray, tmp_path: Path
) -> None:
    path = exported(tf, SURE, photos[:1], tmp_path, export)
    declared = declared_by(entry(path), path)
    assert declared.properties["metadata"] == {
        "min_parser_version": "1.5.0",
        "files": ["labels.txt"],
    }
    model = Flatbuffer(path.read_bytes()).model
    (held,) = (m for m in model.metadata if m.name == METADATA_NAME.encode())
    found = read_metadata(bytes(model.buffers[held.buffer].data))
    image = found["subgraph_metadata"][0]["input_tensor_metadata"][0]
    assert image["stats"]["max"] == [1.0 if export in FLOAT else 255.0]
    with zipfile.ZipFile(path) as archive:
        assert archive.read("labels.txt") == b"class 0"


@pytest.mark.parametrize("export", [*FLOAT, export_int8_plain])
def test_mediapipe_draws_what_litert_draws(
    export: Callable[[Run, Path], Any], tf: Any, photos: np.ndarray, tmp_path: Path
) -> None:
    pytest.importorskip("mediapipe", reason="needs maskport[mediapipe]")
    path = exported(tf, SURE, photos[:1], tmp_path, export)
    image = np.ascontiguousarray(photos[1].transpose(2, 0, 1)[None] / np.float32(255))
    with runner_for(entry(path), path) as first, runner_for(entry(path), path, 1, "mediapipe") as m:
        assert (first.name, m.name) == ("litert", "mediapipe")
        # Both are XNNPACK, of two releases: float32 sums in another order at logits up to 30.
        np.testing.assert_allclose(m.run(image), first.run(image), atol=1e-5)


def test_mediapipes_category_of_one_channel_is_0_for_the_object(
    tf: Any, photos: np.ndarray, tmp_path: Path
) -> None:
    """As docs/runtimes.md says; of several channels it is the number of the surest."""
    mediapipe = pytest.importorskip("mediapipe", reason="needs maskport[mediapipe]")
    tasks = mediapipe.tasks

    def categories(network: Network, folder: str) -> tuple[np.ndarray, list[str]]:
        (tmp_path / folder).mkdir()
        path = exported(tf, network, photos[:1], tmp_path / folder, export_fp32)
        options = tasks.vision.ImageSegmenterOptions(
            tasks.BaseOptions(model_asset_path=str(path)), output_category_mask=True
        )
        image = mediapipe.Image(image_format=mediapipe.ImageFormat.SRGB, data=photos[1])
        with tasks.vision.ImageSegmenter.create_from_options(options) as segmenter:
            found = segmenter.segment(image).category_mask.numpy_view()
            return found.reshape(HEIGHT, WIDTH).copy(), segmenter.labels

    one, labels = categories(SURE, "one")
    assert labels == ["class 0"]
    inside = expected(tf, SURE, photos[1])[..., 0] > 0.5
    np.testing.assert_array_equal(one, np.where(inside, 0, 255))

    def colours(tf: Any, x: Any) -> Any:
        return tf.nn.softmax(x * np.float32(9))

    several, labels = categories(colours, "several")
    assert labels == ["class 0", "class 1", "class 2"]
    np.testing.assert_array_equal(several, photos[1].argmax(-1))
