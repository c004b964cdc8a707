"""The cost of ONNX graphs made by hand: what exporters write seldom."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from maskport.artifacts.manifest import Artifact
from maskport.errors import RunnerError
from maskport.runtimes.costs.counting import Cost, cost_of

from ...sdks import needed

onnx = needed("onnx", "onnx")
helper, numpy_helper, TensorProto = onnx.helper, onnx.numpy_helper, onnx.TensorProto

pytestmark = pytest.mark.sdk

Build = Callable[..., Artifact]


@pytest.fixture
def counted(artifact: Build, tmp_path: Path) -> Callable[..., Cost]:
    """`counted(nodes, shape, weights)`: the cost of a graph from `x` of that shape to `y`."""

    def build(
        nodes: list[Any],
        shape: list[int | str],
        weights: dict[str, np.ndarray[Any, Any]],
        **details: Any,
    ) -> Cost:
        graph = helper.make_graph(
            nodes,
            "graph",
            [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
            [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
            [numpy_helper.from_array(array, name) for name, array in weights.items()],
        )
        path = tmp_path / "graph.onnx"
        domains = [helper.make_opsetid(d, v) for d, v in {"": 17, "theirs": 1}.items()]
        model = helper.make_model(graph, opset_imports=domains)
        onnx.save_model(model, str(path), **details)
        return cost_of(artifact("onnx"), path)

    return build


def zeros(*shape: int, dtype: Any = np.float32) -> np.ndarray[Any, Any]:
    return np.zeros(shape, dtype)


CONV = helper.make_node("Conv", ["x", "w"], ["y"], name="stem")


def test_a_gemm_with_both_sides_transposed(counted: Callable[..., Cost]) -> None:
    node = helper.make_node("Gemm", ["x", "w"], ["y"], transA=1, transB=1)
    assert counted([node], [5, 4], {"w": zeros(6, 5)}).macs == 4 * 5 * 6


def test_an_einsum(counted: Callable[..., Cost]) -> None:
    node = helper.make_node("Einsum", ["x", "w"], ["y"], equation="bij,kj->bik")
    assert counted([node], [2, 4, 5], {"w": zeros(6, 5)}).macs == 2 * 4 * 5 * 6


def test_quantized_weights_are_one_byte_and_their_convolution_counts(
    counted: Callable[..., Cost],
) -> None:
    scale = np.ones(8, np.float32)
    nodes = [helper.make_node("DequantizeLinear", ["q", "s"], ["w"], axis=0), CONV]
    cost = counted(nodes, [1, 3, 9, 9], {"q": zeros(8, 3, 3, 3, dtype=np.int8), "s": scale})
    assert cost.macs == 8 * 3 * 9 * 49  # 7 x 7 positions, without padding
    assert cost.weight_bytes == 8 * 3 * 9 + 8 * 4
    assert cost.operations == {"Conv": 1, "DequantizeLinear": 1}


def test_four_bit_weights_are_packed_in_pairs(artifact: Build, tmp_path: Path) -> None:
    weight = helper.make_tensor("w", TensorProto.INT4, [3, 3], [1] * 9)
    graph = helper.make_graph(
        [helper.make_node("DequantizeLinear", ["w", "s"], ["y"])],
        "graph",
        [],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [3, 3])],
        [weight, numpy_helper.from_array(np.ones(1, np.float32), "s")],
    )
    path = tmp_path / "narrow.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)]), str(path))
    # nine halves of a byte, and a scale
    assert cost_of(artifact("onnx"), path).weight_bytes == 5 + 4


def test_shapes_are_no_weights_and_constants_no_operations(
    counted: Callable[..., Cost],
) -> None:
    constant = helper.make_node(
        "Constant", [], ["w"], value=numpy_helper.from_array(zeros(8, 3, 1, 1))
    )
    reshape = helper.make_node("Reshape", ["flat", "sizes"], ["x4"])
    flat = helper.make_node("Flatten", ["x"], ["flat"])
    conv = helper.make_node("Conv", ["x4", "w"], ["y"])
    sizes = np.array([1, 3, 9, 9], np.int64)
    cost = counted([constant, flat, reshape, conv], [1, 3, 9, 9], {"sizes": sizes})
    assert cost.weight_bytes == 8 * 3 * 4
    assert cost.operations == {"Conv": 1, "Flatten": 1, "Reshape": 1}
    assert cost.macs == 8 * 3 * 81


def test_weights_in_another_file_are_counted_without_opening_it(
    counted: Callable[..., Cost], tmp_path: Path
) -> None:
    details = {"save_as_external_data": True, "location": "apart.bin", "size_threshold": 0}
    first = counted([CONV], [1, 3, 9, 9], {"w": zeros(8, 3, 3, 3)}, **details)
    assert (tmp_path / "apart.bin").stat().st_size >= first.weight_bytes == 8 * 3 * 9 * 4


def test_a_convolution_of_unknown_size_is_an_error_with_its_name(
    counted: Callable[..., Cost],
) -> None:
    with pytest.raises(RunnerError, match=r"Conv \(stem\) has sizes that are known only when"):
        counted([CONV], [1, 3, "height", "width"], {"w": zeros(8, 3, 3, 3)})


def test_an_operation_of_another_domain_is_an_error_with_its_name(
    counted: Callable[..., Cost],
) -> None:
    node = helper.make_node("Conv", ["x", "w"], ["y"], domain="theirs")
    with pytest.raises(RunnerError, match="what theirs:Conv"):
        counted([node], [1, 3, 9, 9], {"w": zeros(8, 3, 3, 3)})


def test_local_functions_are_counted_from_inside(artifact: Build, tmp_path: Path) -> None:
    body = helper.make_function(
        "theirs",
        "Twice",
        ["x", "w"],
        ["y"],
        [
            helper.make_node("MatMul", ["x", "w"], ["z"]),
            helper.make_node("MatMul", ["z", "w"], ["y"]),
        ],
        [helper.make_opsetid("", 17)],
    )
    graph = helper.make_graph(
        [helper.make_node("Twice", ["x", "w"], ["y"], domain="theirs")],
        "graph",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [4, 5])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [4, 5])],
        [numpy_helper.from_array(zeros(5, 5), "w")],
    )
    domains = [helper.make_opsetid("", 17), helper.make_opsetid("theirs", 1)]
    path = tmp_path / "functions.onnx"
    onnx.save(helper.make_model(graph, functions=[body], opset_imports=domains), str(path))
    cost = cost_of(artifact("onnx"), path)
    assert (cost.macs, cost.operations) == (2 * 4 * 5 * 5, {"MatMul": 2})
