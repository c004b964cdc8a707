"""Which of phones' execution providers take an ONNX file whole, as ONNX Runtime's checker says."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from maskport.artifacts.inspect.onnx_mobile import mobile_providers

from ....sdks import needed

onnx = needed("onnx", "onnx")
needed("onnxruntime", "onnx")
helper, TensorProto = onnx.helper, onnx.TensorProto

pytestmark = pytest.mark.sdk


def written(path: Path, *kinds: str, sizes: tuple[int | str, ...] = (1, 1, 4, 5)) -> Path:
    """A chain of operations of these kinds."""
    names = ["image", *(f"value{i}" for i in range(1, len(kinds))), "mask"]
    nodes = [helper.make_node(kind, [names[i]], [names[i + 1]]) for i, kind in enumerate(kinds)]
    ends = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, sizes) for name in ("image", "mask")
    ]
    graph = helper.make_graph(nodes, "graph", ends[:1], ends[1:])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    path.write_bytes(model.SerializeToString())
    return path


def test_operations_that_every_provider_has_are_taken_whole(tmp_path: Path) -> None:
    found = mobile_providers(written(tmp_path / "a.onnx", "Relu", "Sigmoid", "Relu"))
    assert set(found) == {"NNAPI", "CoreML NeuralNetwork", "CoreML MLProgram"}
    for said in found.values():
        assert said == {
            "verdict": "YES",
            "whole": True,
            "partitions": 1,
            "nodes": 3,
            "taken": 3,
            "left": [],
            "conditional": [],
        }


def test_an_operation_that_one_lacks_cuts_its_file_and_is_named(tmp_path: Path) -> None:
    path = written(tmp_path / "a.onnx", "Sigmoid", "Relu", "Exp", "Relu", "Sigmoid")
    found = mobile_providers(path)
    assert found["NNAPI"]["whole"] and found["CoreML MLProgram"]["whole"]
    cut = found["CoreML NeuralNetwork"]
    assert (cut["whole"], cut["partitions"], cut["left"]) == (False, 2, ["Exp"])
    assert cut["verdict"] == "MAYBE"


def test_kinds_with_conditions_that_are_not_looked_at_are_named(tmp_path: Path) -> None:
    path = written(tmp_path / "a.onnx", "Relu", "GlobalAveragePool", sizes=(1, 1, 1, 1))
    assert mobile_providers(path)["NNAPI"]["conditional"] == ["GlobalAveragePool"]


def test_sizes_that_are_open_are_taken_by_none(tmp_path: Path) -> None:
    path = written(tmp_path / "a.onnx", "Relu", "Sigmoid", sizes=(1, 1, "h", "w"))
    assert not any(said["whole"] for said in mobile_providers(path).values())


def test_nothing_is_said_of_what_is_no_onnx_file(tmp_path: Path) -> None:
    (tmp_path / "a.onnx").write_bytes(b"none")
    assert mobile_providers(tmp_path / "a.onnx") == {}


def test_nothing_is_said_where_the_checker_is_not_in_the_release(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "onnxruntime.tools.mobile_helpers", None)
    assert mobile_providers(written(tmp_path / "a.onnx", "Relu")) == {}
