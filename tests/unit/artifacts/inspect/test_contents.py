"""What files hold: their weights, the values between operations, their metadata."""

from __future__ import annotations

import io
import json
import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from maskport.artifacts.inspect import keras as keras_files
from maskport.artifacts.inspect import onnx as onnx_files
from maskport.artifacts.inspect import openvino, torchscript_lite
from maskport.artifacts.inspect.contents import Stored, Value, bits_of, stored
from maskport.artifacts.inspect.declared import Declared, Port
from maskport.artifacts.manifest import OldestRuntime
from maskport.errors import RunnerError

from ....sdks import needed
from .openvino_files import NET, write_xml

Read = Callable[..., Declared]


@pytest.mark.parametrize(
    ("dtype", "bits"),
    [("float32", 32), ("bfloat16", 16), ("int4", 4), ("palette6", 6), ("bool", 8), ("str", None)],
)
def test_a_types_name_says_its_bits(dtype: str, bits: int | None) -> None:
    assert bits_of(dtype) == bits


def test_narrow_types_are_packed() -> None:
    assert stored("w", "int4", (3, 3)).bytes == 5
    assert Value("bool", None).bytes is None


def test_openvino_is_read_from_its_xml(read: Read, tmp_path: Path) -> None:
    path = write_xml(tmp_path)
    found = read("openvino", path)
    assert found.inputs == (Port("image", (1, 3, 4, 5), "float32"),)
    assert found.outputs == (Port("mask", (1, 2, 4, 5), "float32"),)
    assert found.operators == ("Convert", "Convolution")
    because = "Convolution of opset12"
    assert found.oldest_runtimes == (
        OldestRuntime(runtime="OpenVINO", version="2023.1", because=because),
    )
    held = openvino.contents(path)
    assert held.weights == (Stored("kernel", "float16", (2, 3, 1, 1), 6, 12),)
    assert held.activations == (Value("float32", 40),)  # not what is made of constants
    assert held.metadata["Runtime_version"] == "2026.4"


def test_a_set_of_operations_that_openvino_has_not_is_no_release(
    read: Read, tmp_path: Path
) -> None:
    for version in ("extension", "opset99"):
        path = write_xml(tmp_path, NET.replace("opset12", version))
        assert read("openvino", path).oldest_runtimes == ()


@pytest.mark.parametrize("text", ["", "<net", "<svg/>", NET[:-9]])
def test_xml_that_is_no_net_is_an_error(text: str, read: Read, tmp_path: Path) -> None:
    with pytest.raises(RunnerError, match=r"net\.xml"):
        read("openvino", write_xml(tmp_path, text))


def test_weights_that_end_before_the_xml_says_are_an_error(tmp_path: Path) -> None:
    path = write_xml(tmp_path)
    path.with_suffix(".bin").write_bytes(bytes(28))
    assert len(openvino.contents(path).weights) == 1
    path.with_suffix(".bin").write_bytes(bytes(27))
    with pytest.raises(RunnerError, match=r"net\.bin has 27 bytes, and the XML describes 28"):
        openvino.contents(path)


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 2, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.conv(x) * 2


@pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::UserWarning")
@pytest.mark.parametrize("frozen", [True, False])
def test_torchscript_tensors_are_found_by_type_and_shape(frozen: bool, tmp_path: Path) -> None:
    traced = torch.jit.trace(Net().eval(), torch.zeros(1, 3, 8, 8))
    traced = torch.jit.freeze(traced) if frozen else traced
    path = tmp_path / "net.ptl"
    traced._save_for_lite_interpreter(str(path))
    held = torchscript_lite.contents(path)
    shapes = {weight.shape: weight for weight in held.weights if weight.shape}
    assert shapes[2, 3, 3, 3].dtype == shapes[2,].dtype == "float32"
    assert shapes[2, 3, 3, 3].bytes == 4 * 54
    if not frozen:  # the module's attributes, by their names
        assert shapes[2,].name == "conv.bias"


@pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::UserWarning")
def test_torchscript_is_not_run_where_no_manifest_gives_shapes(
    read: Read, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from maskport.artifacts.inspect.read import declared_by
    from maskport.artifacts.manifest import Artifact, FileEntry

    traced = torch.jit.trace(Net().eval(), torch.zeros(1, 3, 8, 8))
    path = tmp_path / "net.ptl"
    traced._save_for_lite_interpreter(str(path))
    monkeypatch.setattr(torchscript_lite, "shapeless_run", None)  # calling it would fail
    digest = "0" * 64
    entry = Artifact(
        target="x",
        path="file",
        format="torchscript-lite",
        precision="",
        bytes=1,
        sha256=digest,
        files=[FileEntry(path="file", bytes=1, sha256=digest)],
        inputs=[],
        outputs=[],
    )
    found = declared_by(entry, path)
    assert found.inputs == (Port("x"),)
    assert found.outputs == (Port(),)


def test_nothing_that_a_pickle_of_torchscript_names_is_called(tmp_path: Path) -> None:
    class Trap:
        def __reduce__(self) -> tuple[Any, ...]:
            return (Path.mkdir, (tmp_path / "sprung",))

    path = tmp_path / "trap.ptl"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("net/data.pkl", pickle.dumps([Trap(), {"deep": Trap()}]))
    assert torchscript_lite.contents(path).weights == ()
    assert not (tmp_path / "sprung").exists()


@pytest.mark.sdk
def test_keras_weights_are_named_by_their_layer(tmp_path: Path) -> None:
    h5py = needed("h5py", "tflite")
    data = io.BytesIO()
    with h5py.File(data, "w") as file:
        group = file.create_group("layers/conv2d/vars")
        group.attrs["name"] = "stem"
        group["0"] = np.zeros((3, 3, 3, 2), np.float16)
        file["optimizer/vars/0"] = np.zeros(7)
        file["layers/elsewhere"] = h5py.ExternalLink("/etc/passwd", "/")
    given = {"shape": [None, 4, 5, 3], "dtype": "float32", "keras_history": ["image", 0, 0]}
    tensor = {"class_name": "__keras_tensor__", "config": given}
    layers = [{"inbound_nodes": [{"args": [[tensor, tensor]], "kwargs": {"mask": tensor}}]}]
    path = tmp_path / "net.keras"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("config.json", json.dumps({"config": {"name": "n", "layers": layers}}))
        archive.writestr("metadata.json", json.dumps({"keras_version": "3.15.1"}))
        archive.writestr("model.weights.h5", data.getvalue())
    held = keras_files.contents(path)
    assert held.weights == (Stored("stem.0", "float16", (3, 3, 3, 2), 54, 108),)
    assert held.activations == (Value("float32", 60),)  # one tensor, however often it is read
    assert held.metadata == {"keras_version": "3.15.1", "name": "n"}


@pytest.mark.sdk
def test_what_an_onnx_file_makes_of_constants_is_no_activation(tmp_path: Path) -> None:
    pytest.importorskip("onnx", reason="needs maskport[onnx]")
    from onnx import TensorProto, helper, numpy_helper, save_model

    weights = {"q": np.zeros((8, 3, 1, 1), np.int8), "s": np.ones(8, np.float32)}
    nodes = [
        helper.make_node("DequantizeLinear", ["q", "s"], ["w"], axis=0),
        helper.make_node("Conv", ["x", "w"], ["y"]),
    ]
    graph = helper.make_graph(
        nodes,
        "graph",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 3, 4, 5])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
        [numpy_helper.from_array(array, name) for name, array in weights.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    helper.set_model_props(model, {"author": "me"})
    save_model(model, str(tmp_path / "net.onnx"))
    held = onnx_files.contents(tmp_path / "net.onnx")
    assert [(w.name, w.dtype, w.bytes) for w in held.weights] == [
        ("q", "int8", 24),
        ("s", "float32", 32),
    ]
    assert held.activations == (Value("float32", 8 * 4 * 5),)  # of any number of photos, one
    assert held.metadata["author"] == "me"


@pytest.mark.sdk
def test_an_empty_file_is_no_onnx_file(read: Read, tmp_path: Path) -> None:
    pytest.importorskip("onnx", reason="needs maskport[onnx]")
    (tmp_path / "net.onnx").touch()
    with pytest.raises(RunnerError, match="has no graph"):
        read("onnx", tmp_path / "net.onnx")


@pytest.mark.sdk
def test_tflites_metadata_is_unpacked(tmp_path: Path) -> None:
    schema = pytest.importorskip("ai_edge_litert.schema_py_generated")
    flatbuffers = pytest.importorskip("flatbuffers", reason="needs maskport[tflite]")
    from maskport.artifacts.inspect import tflite
    from maskport.artifacts.metadata.tflite import METADATA_NAME, SCHEMA

    said = {"name": "net", "subgraph_metadata": [{"input_tensor_metadata": [{"name": "x"}]}]}
    contents = (
        np.zeros(6, np.int8).tobytes(),
        SCHEMA.write("ModelMetadata", said, b"M001"),
        b"1.5.0\0\0",
        b"\1\2\3",
    )
    model, graph, weight = schema.ModelT(), schema.SubGraphT(), schema.TensorT()
    model.buffers = [schema.BufferT() for _ in range(5)]
    for buffer, content in zip(model.buffers[1:], contents, strict=True):
        buffer.data = np.frombuffer(content, np.uint8)
    model.metadata = [schema.MetadataT() for _ in range(3)]
    names = (METADATA_NAME, "min_runtime_version", "other")
    for number, (entry, name) in enumerate(zip(model.metadata, names, strict=True)):
        entry.name, entry.buffer = name, number + 2
    weight.name, weight.shape, weight.type, weight.buffer = "w", [2, 3], schema.TensorType.INT8, 1
    graph.tensors, graph.operators, graph.inputs, graph.outputs = [weight, weight], [], [], []
    model.version, model.operatorCodes, model.subgraphs = 3, [], [graph]
    builder = flatbuffers.Builder(1024)
    builder.Finish(model.Pack(builder), b"TFL3")
    (tmp_path / "net.tflite").write_bytes(builder.Output())
    held = tflite.contents(tmp_path / "net.tflite")
    assert held.weights == (Stored("w", "int8", (2, 3), 6, 6),)  # a buffer counts once
    found = held.metadata
    assert found[f"{METADATA_NAME}.name"] == "net"
    assert '"name": "x"' in found[f"{METADATA_NAME}.subgraph_metadata"]
    assert (found["min_runtime_version"], found["other"]) == ("1.5.0", "3 bytes")


@pytest.mark.sdk
def test_a_neural_network_of_core_ml_says_its_layers_and_weights(
    read: Read, tmp_path: Path
) -> None:
    pytest.importorskip("coremltools", reason="needs maskport[coreml]")
    from maskport.artifacts.inspect import coreml
    from maskport.sdks.slim import coremltools

    coremltools()
    from coremltools.proto import Model_pb2

    model = Model_pb2.Model(specificationVersion=3)
    model.description.metadata.author = "somebody"
    image = model.description.input.add(name="image").type.imageType
    image.width, image.height, image.colorSpace = 5, 4, image.ColorSpace.Value("RGB")
    layer = model.neuralNetwork.layers.add(name="stem")
    layer.convolution.weights.float16Value = bytes(2 * 54)
    layer.convolution.bias.floatValue.extend([0.0, 1.0])
    table = model.neuralNetwork.layers.add(name="table")
    table.innerProduct.weights.rawValue = bytes(10)
    table.innerProduct.weights.quantization.numberOfBits = 4
    table.innerProduct.weights.quantization.lookupTableQuantization.floatValue.extend([0.0] * 16)
    path = tmp_path / "net.mlmodel"
    path.write_bytes(model.SerializeToString())
    found = read("coreml", path)
    assert found.inputs == (Port("image", (1, 3, 4, 5), "uint8", image=True),)
    assert found.operators == ("convolution", "innerProduct")
    assert [f"{o.runtime} {o.version}" for o in found.oldest_runtimes] == ["iOS 12", "macOS 10.14"]
    held = coreml.contents(path)
    assert [(w.name, w.dtype, w.values, w.bytes) for w in held.weights] == [
        ("stem.weights", "float16", 54, 108),
        ("stem.bias", "float32", 2, 8),
        ("table.weights", "palette4", 20, 10),
    ]
    assert held.metadata == {"author": "somebody"}


@pytest.mark.sdk
@pytest.mark.parametrize("content", [b"", bytes(64)])
def test_what_says_of_no_model_is_no_core_ml_file(
    content: bytes, read: Read, tmp_path: Path
) -> None:
    pytest.importorskip("coremltools", reason="needs maskport[coreml]")
    (tmp_path / "net.mlmodel").write_bytes(content)
    with pytest.raises(Exception, match=r"no kind of model|parsing"):
        read("coreml", tmp_path / "net.mlmodel")
