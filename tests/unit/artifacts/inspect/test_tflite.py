"""What a TFLite file says of itself, and since when runtimes take it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from maskport.artifacts.inspect.declared import Declared, Port
from maskport.artifacts.inspect.tflite_releases import Use, oldest, releases
from maskport.artifacts.manifest import TensorQuantization

Read = Callable[..., Declared]


def release_of(*uses: Use) -> str:
    (found,) = oldest(uses)
    return f"{found.runtime} {found.version}"


def quantize(result: str, version: int = 2) -> Use:
    return Use("QUANTIZE", version, ("int8",), (result,))


def test_a_type_that_older_releases_refuse_decides() -> None:
    """Its version is that of a QUANTIZE to int8, which every release runs."""
    assert release_of(quantize("int8")) == releases()[0]
    assert release_of(quantize("int16")) == "LiteRT 2.1.3"
    (found,) = oldest([quantize("int8"), quantize("int16")])
    assert found.because == "QUANTIZE from int8 to int16"


def test_a_version_that_older_releases_lack_decides() -> None:
    add = Use("ADD", 5, ("int16", "int16"), ("int16",))
    (found,) = oldest([add, quantize("int8")])
    assert (found.runtime, found.version) == ("TensorFlow Lite", "2.13.0")
    assert found.because == "ADD of version 5"


def test_the_newest_of_all_operators_decides() -> None:
    add = Use("ADD", 5, ("int16", "int16"), ("int16",))
    assert release_of(add, quantize("int16"), add) == "LiteRT 2.1.3"


@pytest.mark.parametrize("use", [Use("ADD", 99, (), ()), Use("custom Magic", 1, (), ())])
def test_nothing_is_derived_for_what_no_release_was_seen_to_have(use: Use) -> None:
    assert oldest([use]) == ()


def test_releases_are_in_order() -> None:
    def key(name: str) -> tuple[bool, list[int]]:
        runtime, _, version = name.rpartition(" ")
        return runtime == "LiteRT", [int(part) for part in version.split(".")]

    assert sorted(releases(), key=key) == releases()


@pytest.fixture
def written(tmp_path: Path) -> Callable[..., Path]:
    """A file of one QUANTIZE from int8, ``image``, to another type, ``mask``."""
    flatbuffers = pytest.importorskip("flatbuffers", reason="needs maskport[tflite]")
    schema = pytest.importorskip("ai_edge_litert.schema_py_generated")

    def tensor(name: str, kind: int, scale: float) -> Any:
        made = schema.TensorT()
        made.name, made.type, made.buffer = f"{name}:0".encode(), kind, 0
        made.shape = np.array([1, 4, 5, 1], np.int32)
        made.quantization = schema.QuantizationParametersT()
        made.quantization.scale = np.array([scale], np.float32)
        made.quantization.zeroPoint = np.array([-128], np.int64)
        return made

    def named(name: str, index: int) -> Any:
        made = schema.TensorMapT()
        made.name, made.tensorIndex = name.encode(), index
        return made

    def write(kind: str, *, signature: bool, minimum: str = "") -> Path:
        model, graph, code = schema.ModelT(), schema.SubGraphT(), schema.OperatorCodeT()
        code.builtinCode = code.deprecatedBuiltinCode = schema.BuiltinOperator.QUANTIZE
        code.version = 2
        operator = schema.OperatorT()
        operator.inputs, operator.outputs = np.array([0], np.int32), np.array([1], np.int32)
        graph.tensors = [
            tensor("image", schema.TensorType.INT8, 0.5),
            tensor("mask", getattr(schema.TensorType, kind), 0.25),
        ]
        graph.operators, graph.inputs, graph.outputs = [operator], operator.inputs, operator.outputs
        model.version, model.operatorCodes, model.subgraphs = 3, [code], [graph]
        model.buffers = [schema.BufferT()]
        if signature:
            made = schema.SignatureDefT()
            made.signatureKey, made.subgraphIndex = b"serving_default", 0
            made.inputs, made.outputs = [named("image", 0)], [named("mask", 1)]
            model.signatureDefs = [made]
        if minimum:
            entry, buffer = schema.MetadataT(), schema.BufferT()
            buffer.data = np.frombuffer(minimum.encode(), np.uint8)
            entry.name, entry.buffer = b"min_runtime_version", 1
            model.buffers.append(buffer)
            model.metadata = [entry]
        builder = flatbuffers.Builder(1024)
        builder.Finish(model.Pack(builder), b"TFL3")
        path = tmp_path / "file.tflite"
        path.write_bytes(builder.Output())
        return path

    return write


@pytest.mark.sdk
def test_names_are_those_of_the_signature(read: Read, written: Callable[..., Path]) -> None:
    found = read("tflite", written("INT16", signature=True))
    half = TensorQuantization(scale=0.5, zero_point=-128)
    assert found.inputs == (Port("image", (1, 4, 5, 1), "int8", quantization=half),)
    assert [(port.name, port.dtype) for port in found.outputs] == [("mask", "int16")]
    assert found.operators == ("QUANTIZE",)
    assert found.properties == {"signature": "serving_default"}


@pytest.mark.sdk
def test_names_are_those_of_tensors_where_there_is_no_signature(
    read: Read, written: Callable[..., Path]
) -> None:
    found = read("tflite", written("INT8", signature=False))
    assert (found.inputs[0].name, found.outputs[0].name) == ("image:0", "mask:0")
    assert found.properties == {}


@pytest.mark.sdk
def test_min_runtime_version_is_not_believed(read: Read, written: Callable[..., Path]) -> None:
    """TensorFlow's converter writes 2.2.0 into files that no release before LiteRT 2.1.3 loads."""
    path = written("INT16", signature=True, minimum="2.2.0")
    (oldest,) = read("tflite", path).oldest_runtimes
    assert (oldest.runtime, oldest.version) == ("LiteRT", "2.1.3")
