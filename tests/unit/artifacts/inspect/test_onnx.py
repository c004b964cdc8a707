"""What an ONNX file says of itself, and since when ONNX Runtime takes it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from maskport.artifacts.inspect.declared import Declared, Port

from ....sdks import needed

onnx = needed("onnx", "onnx")
helper, TensorProto = onnx.helper, onnx.TensorProto

pytestmark = pytest.mark.sdk

Read = Callable[..., Declared]


def written(path: Path, kind: int, sizes: list[int | str | None], **versions: Any) -> Path:
    """A threshold of the photo, whose output is declared as it is said here."""
    image = helper.make_tensor_value_info("image", TensorProto.FLOAT, [1, 1, 4, 5])
    mask = helper.make_tensor_value_info("mask", kind, sizes)
    half = helper.make_tensor("half", TensorProto.FLOAT, [], [0.5])
    node = helper.make_node("Greater", ["image", "half"], ["mask"])
    graph = helper.make_graph([node], "graph", [image], [mask], [half])
    domains = versions.pop("domains", {"": 17})
    opsets = [helper.make_opsetid(domain, version) for domain, version in domains.items()]
    model = helper.make_model(graph, opset_imports=opsets, ir_version=versions.pop("ir", 8))
    path.write_bytes(model.SerializeToString())
    return path


def test_names_sizes_and_types_are_those_of_the_graph(read: Read, tmp_path: Path) -> None:
    found = read("onnx", written(tmp_path / "a.onnx", TensorProto.BOOL, [1, 1, "h", 5]))
    assert found.inputs == (Port("image", (1, 1, 4, 5), "float32"),)  # half is no input
    assert found.outputs == (Port("mask", (1, 1, None, 5), "bool"),)
    assert found.operators == ("Greater",)
    assert found.properties == {"ir_version": 8, "opset": 17}


@pytest.mark.parametrize(
    ("ir", "opset", "release"),
    [
        (7, 13, "1.7"),  # the oldest that was tried
        (8, 15, "1.9"),
        (8, 17, "1.12"),  # what our exporters write
        (9, 17, "1.15"),  # an old opset in a new file
        (8, 21, "1.18"),  # and the other way round
        (8, 99, None),
        (99, 17, None),
    ],
)
def test_the_oldest_runtime_takes_both_versions(
    read: Read, tmp_path: Path, ir: int, opset: int, release: str | None
) -> None:
    path = written(tmp_path / "a.onnx", TensorProto.BOOL, [1], ir=ir, domains={"": opset})
    versions = [oldest.version for oldest in read("onnx", path).oldest_runtimes]
    assert versions == ([release] if release else [])


def test_nothing_is_derived_for_operators_of_another_domain(read: Read, tmp_path: Path) -> None:
    path = written(tmp_path / "a.onnx", TensorProto.BOOL, [1], domains={"": 17, "com.microsoft": 1})
    assert read("onnx", path).oldest_runtimes == ()
