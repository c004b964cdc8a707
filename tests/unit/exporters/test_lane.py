"""A fresh file that isn't what its manifest would say fails its target with that reason."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from maskport.artifacts.manifest import Artifact, FileEntry, Tensor
from maskport.errors import ExportError
from maskport.exporters.lane import as_declared
from maskport.formats import FORMATS, FailingReader

from ...sdks import needed

onnx = needed("onnx", "onnx")

pytestmark = pytest.mark.sdk


def entry_of(path: Path) -> Artifact:
    def tensor(name: str) -> Tensor:
        return Tensor(name=name, shape=[1, 1, 4, 5], dtype="float32", layout="NCHW")

    return Artifact(
        target="onnx-fp32",
        path=path.name,
        format="onnx",
        precision="fp32",
        bytes=1,
        sha256="0" * 64,
        files=[FileEntry(path=path.name, bytes=1, sha256="0" * 64)],
        inputs=[tensor("image")],
        outputs=[tensor("mask")],
        properties={"kept": True},
    )


def written(path: Path, *, cast: bool) -> Path:
    """A threshold at 0.5, in float or as it comes."""
    helper, kinds = onnx.helper, onnx.TensorProto
    nodes = [helper.make_node("Greater", ["image", "half"], ["above" if cast else "mask"])]
    if cast:
        nodes.append(helper.make_node("Cast", ["above"], ["mask"], to=kinds.FLOAT))
    graph = helper.make_graph(
        nodes,
        "graph",
        [helper.make_tensor_value_info("image", kinds.FLOAT, [1, 1, 4, 5])],
        [helper.make_tensor_value_info("mask", kinds.FLOAT if cast else kinds.BOOL, [1, 1, 4, 5])],
        [helper.make_tensor("half", kinds.FLOAT, [], [0.5])],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    path.write_bytes(model.SerializeToString())
    return path


def test_truth_values_beside_a_manifest_of_floats_are_refused(tmp_path: Path) -> None:
    path = written(tmp_path / "mask.onnx", cast=False)
    with pytest.raises(ExportError, match="the manifest says mask float32, the file gives bool"):
        as_declared(entry_of(path), path)


def test_what_the_file_says_comes_into_the_manifest(tmp_path: Path) -> None:
    path = written(tmp_path / "mask.onnx", cast=True)
    artifact = as_declared(entry_of(path), path)
    assert artifact.properties == {
        "kept": True,
        "ir_version": 8,
        "opset": 17,
        "operators": ["Cast", "Greater"],
    }
    assert [oldest.runtime for oldest in artifact.oldest_runtimes] == ["ONNX Runtime"]


def test_what_is_known_not_to_read_a_format_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = written(tmp_path / "mask.onnx", cast=True)
    row = replace(FORMATS["onnx"], failing_readers=(FailingReader("Theirs", "1.0", "turns it"),))
    monkeypatch.setitem(FORMATS, "onnx", row)
    found = as_declared(entry_of(path), path).properties["failing_readers"]
    assert found == [{"name": "Theirs", "seen": "1.0", "says": "turns it"}]


def test_a_file_that_cant_be_read_back_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "mask.onnx"
    path.write_bytes(b"no model of any kind")
    with pytest.raises(ExportError, match="can't be read back"):
        as_declared(entry_of(path), path)
