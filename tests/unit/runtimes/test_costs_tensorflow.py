"""The cost of TensorFlow's formats, made of one Keras network whose products are known."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from maskport.artifacts.manifest import Artifact
from maskport.errors import RunnerError
from maskport.runtimes.costs.counting import cost_of

from ...sdks import needed

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("KERAS_BACKEND", "tensorflow")
tf = needed("tensorflow", "tflite")
keras = needed("keras", "tflite")

pytestmark = pytest.mark.sdk

Build = Callable[..., Artifact]

MACS = (
    3 * 3 * 3 * 4 * 64  # strided: 8 x 8 positions
    + 3 * 3 * 4 * 64  # dilated depthwise; 8 is a multiple of the dilation
    + 2 * 2 * 4 * 2 * 64  # transposed: the positions of its input
    + 2 * 3 * 256  # a fully connected layer at each of 16 x 16 pixels
    + 3 * 3 * 256  # (3, 256) times (256, 3)
)
KERNELS = 3 * 3 * 3 * 4 + 3 * 3 * 4 + 2 * 2 * 4 * 2 + 2 * 3
BIASES = 4 + 4 + 3  # the transposed one has none: TFLite would fold it into the next


@pytest.fixture(scope="module")
def network() -> Any:
    """(batch, 16, 16, 3) to (batch, 3, 3)."""
    layers = keras.layers
    image = keras.Input((16, 16, 3), name="image")
    x = layers.Conv2D(4, 3, strides=2, padding="same", activation="relu")(image)
    x = layers.DepthwiseConv2D(3, padding="same", dilation_rate=2)(x)
    x = layers.Conv2DTranspose(2, 2, strides=2, use_bias=False)(x)
    rows = layers.Reshape((256, 3))(layers.Dense(3)(x))
    columns = layers.Permute((2, 1))(rows)
    model = keras.Model(image, keras.ops.matmul(columns, rows))
    random = np.random.default_rng(0)
    model.set_weights([random.normal(size=w.shape) for w in model.get_weights()])
    return model


@pytest.fixture(scope="module")
def saved_model(network: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    class Module(tf.Module):
        def __init__(self) -> None:
            super().__init__()
            self.network = network

        @tf.function(input_signature=[tf.TensorSpec([1, 16, 16, 3], name="image")])
        def __call__(self, image: Any) -> dict[str, Any]:
            return {"mask": self.network(image)}

    module = Module()
    path = tmp_path_factory.mktemp("tf") / "saved_model"
    signatures = {"serving_default": module.__call__.get_concrete_function()}
    tf.saved_model.save(module, str(path), signatures=signatures)
    return path


def test_keras_counts_layers_and_a_batch_of_one(
    network: Any, artifact: Build, tmp_path: Path
) -> None:
    path = tmp_path / "known.keras"
    network.save(path)
    cost = cost_of(artifact("keras"), path)
    assert (cost.macs, cost.weight_bytes) == (MACS, 4 * (KERNELS + BIASES))
    assert cost.operations == dict.fromkeys(
        ("Conv2D", "Conv2DTranspose", "Dense", "DepthwiseConv2D", "Matmul", "Permute", "Reshape"),
        1,
    )


def test_models_within_a_keras_model_are_counted_by_their_layers(
    artifact: Build, tmp_path: Path
) -> None:
    inner = keras.Sequential([keras.layers.Conv2D(4, 1), keras.layers.ReLU()])
    image = keras.Input((8, 8, 4), name="image")
    path = tmp_path / "nested.keras"
    keras.Model(image, inner(inner(image))).save(path)
    cost = cost_of(artifact("keras"), path)
    # One convolution with 4 x 4 weights, called twice: its products count twice, it only once.
    assert cost.macs == 2 * 4 * 4 * 64
    assert cost.weight_bytes == 4 * (4 * 4 + 4)
    assert cost.operations == {"Conv2D": 1, "ReLU": 1}


def test_code_in_a_keras_file_does_not_run(artifact: Build, tmp_path: Path) -> None:
    image = keras.Input((8, 8, 4), name="image")
    path = tmp_path / "code.keras"
    keras.Model(image, keras.layers.Lambda(lambda x: x[..., :1])(image)).save(path)
    with pytest.raises(RunnerError, match=r"code\.keras can't be counted"):
        cost_of(artifact("keras"), path)


def test_a_savedmodel_counts_through_functions_and_variables(
    saved_model: Path, artifact: Build
) -> None:
    cost = cost_of(artifact("savedmodel"), saved_model)
    assert (cost.macs, cost.weight_bytes) == (MACS, 4 * (KERNELS + BIASES))
    kinds = ("Conv2D", "Conv2DBackpropInput", "DepthwiseConv2dNative", "BatchMatMulV2")
    assert all(cost.operations[kind] >= 1 for kind in kinds)
    assert not {"Const", "Placeholder", "PartitionedCall"} & cost.operations.keys()


def test_a_savedmodel_for_any_size_is_an_error_that_names_the_operation(
    artifact: Build, tmp_path: Path
) -> None:
    class Module(tf.Module):
        @tf.function(input_signature=[tf.TensorSpec([1, None, None, 3], name="image")])
        def __call__(self, image: Any) -> dict[str, Any]:
            return {"mask": tf.nn.conv2d(image, tf.ones([3, 3, 3, 1]), 1, "SAME")}

    module = Module()
    signatures = {"serving_default": module.__call__.get_concrete_function()}
    tf.saved_model.save(module, str(tmp_path / "any"), signatures=signatures)
    with pytest.raises(RunnerError, match=r"Conv2D \(.*\) has sizes that are known only when"):
        cost_of(artifact("savedmodel"), tmp_path / "any")


@pytest.fixture(scope="module")
def convert(network: Any, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """`convert(inference_input_type=..., …)`: a TFLite file; the options are the converter's."""
    pytest.importorskip("ai_edge_litert", reason="needs maskport[tflite]")
    from tensorflow.python.framework.convert_to_constants import (
        convert_variables_to_constants_v2,
    )

    def build(**options: Any) -> Path:
        # Frozen by hand: the converter leaves Keras 3's variables in the file, without values.
        function = tf.function(lambda image: network(image)).get_concrete_function(
            tf.TensorSpec([1, 16, 16, 3])
        )
        frozen = convert_variables_to_constants_v2(function)
        converter = tf.lite.TFLiteConverter.from_concrete_functions([frozen])
        for name, value in options.items():
            setattr(converter, name, value)
        path = tmp_path_factory.mktemp("tflite") / "known.tflite"
        path.write_bytes(converter.convert())
        return path

    return build


def test_tflite(convert: Callable[..., Path], artifact: Build) -> None:
    cost = cost_of(artifact("tflite"), convert())
    assert (cost.macs, cost.weight_bytes) == (MACS, 4 * (KERNELS + BIASES))
    kinds = ("CONV_2D", "DEPTHWISE_CONV_2D", "TRANSPOSE_CONV", "FULLY_CONNECTED", "BATCH_MATMUL")
    assert [cost.operations[kind] for kind in kinds] == [1, 1, 1, 1, 1]


def test_tflite_with_integer_weights_stores_bytes(
    convert: Callable[..., Path], artifact: Build
) -> None:
    images = np.random.default_rng(0).random((4, 1, 16, 16, 3), np.float32)
    path = convert(
        optimizations=[tf.lite.Optimize.DEFAULT],
        representative_dataset=lambda: ([image] for image in images),
    )
    cost = cost_of(artifact("tflite"), path)
    # int8 weights and int32 biases; shapes of int32 have no scale and are no weights
    assert (cost.macs, cost.weight_bytes) == (MACS, KERNELS + 4 * BIASES)


def test_a_custom_operation_of_tflite_is_an_error_with_its_name(
    artifact: Build, tmp_path: Path
) -> None:
    flatbuffers = pytest.importorskip("flatbuffers", reason="needs maskport[tflite]")
    schema = pytest.importorskip("ai_edge_litert.schema_py_generated")
    model, graph, code = schema.ModelT(), schema.SubGraphT(), schema.OperatorCodeT()
    code.builtinCode, code.customCode = schema.BuiltinOperator.CUSTOM, b"Convolution2DMagic"
    code.deprecatedBuiltinCode = schema.BuiltinOperator.CUSTOM
    operator = schema.OperatorT()
    operator.inputs = operator.outputs = []
    graph.operators, graph.tensors, graph.inputs, graph.outputs = [operator], [], [], []
    model.version, model.operatorCodes, model.subgraphs, model.buffers = 3, [code], [graph], []
    builder = flatbuffers.Builder(1024)
    builder.Finish(model.Pack(builder), b"TFL3")
    path = tmp_path / "custom.tflite"
    path.write_bytes(builder.Output())
    with pytest.raises(RunnerError, match="what custom Convolution2DMagic"):
        cost_of(artifact("tflite"), path)


@pytest.mark.parametrize("format", ["tflite", "savedmodel", "keras"])
def test_random_bytes_are_no_file_of_any_format(
    format: str, artifact: Build, tmp_path: Path
) -> None:
    path = tmp_path / "noise.bin"
    path.write_bytes(np.random.default_rng(0).bytes(999))
    with pytest.raises(RunnerError, match=r"noise\.bin"):
        cost_of(artifact(format), path)
