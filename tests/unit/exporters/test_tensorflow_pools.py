"""Max-pools that are rewritten for TensorFlow give the same values, to the bit."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from maskport.exporters.intermediates import OPSET
from maskport.exporters.tensorflow_form import adapt_pools

pytestmark = pytest.mark.sdk


@pytest.fixture(scope="module")
def onnx() -> Any:
    pytest.importorskip("onnxruntime", reason="needs maskport[onnx]")
    return pytest.importorskip("onnx", reason="needs maskport[onnx]")


class Function(nn.Module):
    def __init__(self, function: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.function = function

    def forward(self, x: Tensor) -> Tensor:
        return self.function(x)


def graph_of(
    onnx: Any, function: Callable[[Tensor], Tensor], size: tuple[int, int], folder: Path
) -> Any:
    path = folder / "pool.onnx"
    names = {"input_names": ["image"], "output_names": ["mask"]}
    torch.onnx.export(
        Function(function),
        (torch.zeros(1, 3, *size),),
        str(path),
        dynamo=False,
        opset_version=OPSET,
        **names,
    )
    # As in an export, where it settles the sizes that torch leaves to be computed.
    return pytest.importorskip("onnxsim").simplify(onnx.load(str(path)))[0]


def drawn(model: Any, image: np.ndarray) -> np.ndarray:
    import onnxruntime

    session = onnxruntime.InferenceSession(
        model.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    result: np.ndarray = session.run(None, {"image": image})[0]
    return result


def pool(model: Any) -> Any:
    return next(node for node in model.graph.node if node.op_type == "MaxPool")


def attribute_names(node: Any) -> set[str]:
    return {attribute.name for attribute in node.attribute}


def relu_pool(*arguments: int, ceil: bool = False) -> Callable[[Tensor], Tensor]:
    return lambda x: F.max_pool2d(torch.relu(x), *arguments, ceil_mode=ceil)


SIGNED_SAME = {
    "2x2 with ceil_mode": lambda x: F.max_pool2d(x, 2, ceil_mode=True),
    "3x3 with ceil_mode": lambda x: F.max_pool2d(x, 3, ceil_mode=True),
    "3x3 of stride 1": lambda x: F.max_pool2d(x, 3, 1, 1),
    "3x3 of stride 2": lambda x: F.max_pool2d(x, 3, 2, 1),
}


# 7x11: what each of these adds is what TensorFlow's SAME adds, one pixel or one on each side.
@pytest.mark.parametrize("case", SIGNED_SAME)
def test_padding_that_tensorflow_has_is_called_same_whatever_the_sign(
    case: str, onnx: Any, tmp_path: Path
) -> None:
    size = (8, 11) if case == "3x3 with ceil_mode" else (7, 11)
    model = graph_of(onnx, SIGNED_SAME[case], size, tmp_path)
    image = np.random.default_rng(0).normal(-2, 1, (1, 3, *size)).astype(np.float32)
    before = drawn(model, image)
    adapted = adapt_pools(model)
    assert {a.name: a.s for a in pool(adapted).attribute}["auto_pad"] == b"SAME_UPPER"
    assert not attribute_names(pool(adapted)) & {"pads", "ceil_mode"}
    np.testing.assert_array_equal(drawn(adapted, image), before)


# Windows, sizes: odd and even, with what torch does at the last, incomplete window.
NOT_NEGATIVE = {
    "3x3 of stride 2 on even sizes": (relu_pool(3, 2, 1), (8, 10)),
    "3x3 of stride 2 on an even and an odd size": (relu_pool(3, 2, 1), (8, 11)),
    "3x3 of stride 2 with ceil_mode": (relu_pool(3, 2, 1, ceil=True), (8, 11)),
    "3x3 of stride 2 with ceil_mode, without padding": (relu_pool(3, 2, 0, ceil=True), (8, 11)),
    "5x5 of stride 3": (relu_pool(5, 3, 2), (9, 13)),
    "2x2 with padding": (relu_pool(2, 2, 1), (7, 8)),
    "2x2 with ceil_mode and padding": (relu_pool(2, 2, 1, ceil=True), (7, 8)),
    "1x1 of stride 2 with ceil_mode": (relu_pool(1, 2, 0, ceil=True), (8, 7)),
    "2x2 of stride 3 with ceil_mode": (relu_pool(2, 3, 0, ceil=True), (6, 7)),
}


@pytest.mark.parametrize("case", NOT_NEGATIVE)
def test_other_padding_after_a_relu_gives_the_same_values(
    case: str, onnx: Any, tmp_path: Path
) -> None:
    function, size = NOT_NEGATIVE[case]
    model = graph_of(onnx, function, size, tmp_path)
    # Mostly below zero, so that many windows hold nothing but what the ReLU cut.
    image = np.random.default_rng(0).normal(-1, 1, (1, 3, *size)).astype(np.float32)
    expected = function(torch.from_numpy(image)).numpy()
    adapted = adapt_pools(model)
    onnx.checker.check_model(adapted)
    np.testing.assert_array_equal(drawn(adapted, image), expected)


def test_what_is_padded_gets_zeros_in_front_and_keeps_no_padding(onnx: Any, tmp_path: Path) -> None:
    adapted = adapt_pools(graph_of(onnx, relu_pool(3, 2, 1), (8, 10), tmp_path))
    assert [node.op_type for node in adapted.graph.node][-2:] == ["Pad", "MaxPool"]
    assert attribute_names(pool(adapted)) == {"kernel_shape", "strides"}


SIGNED = {
    "the photo itself": lambda x: F.max_pool2d(x, 3, 2, 1),
    "a difference": lambda x: F.max_pool2d(torch.relu(x) - 1, 3, 2, 1),
    "a product with a negative number": lambda x: F.max_pool2d(torch.relu(x) * -1, 3, 2, 1),
    "a concat with something signed": lambda x: F.max_pool2d(
        torch.cat([torch.relu(x), x], 1), 3, 2, 1
    ),
    "bicubic, which overshoots": lambda x: F.max_pool2d(
        F.interpolate(torch.relu(x), (8, 10), mode="bicubic"), 3, 2, 1
    ),
}


@pytest.mark.parametrize("case", SIGNED)
def test_padded_pools_of_signed_values_are_left_alone(case: str, onnx: Any, tmp_path: Path) -> None:
    model = graph_of(onnx, SIGNED[case], (8, 10), tmp_path)
    before = [node.SerializeToString() for node in model.graph.node]
    assert [node.SerializeToString() for node in adapt_pools(model).graph.node] == before


UNSIGNED = {
    "a sum of two": lambda x: torch.relu(x) + torch.sigmoid(x),
    "a concat": lambda x: torch.cat([torch.relu(x), torch.sigmoid(x)], 1),
    "a resized one": lambda x: F.interpolate(torch.relu(x), (8, 12), mode="bilinear"),
    "a pooled one": lambda x: F.avg_pool2d(F.max_pool2d(torch.relu(x), 3, 1), 3, 1),
}


@pytest.mark.parametrize("case", UNSIGNED)
def test_values_stay_without_sign_through_what_keeps_them_so(
    case: str, onnx: Any, tmp_path: Path
) -> None:
    def function(x: Tensor) -> Tensor:
        return F.max_pool2d(UNSIGNED[case](x), 3, 2, 1)

    model = adapt_pools(graph_of(onnx, function, (8, 10), tmp_path))
    assert "Pad" in {node.op_type for node in model.graph.node}


def test_nodes_without_names_are_not_taken_for_each_other(onnx: Any, tmp_path: Path) -> None:
    model = graph_of(
        onnx,
        lambda x: F.max_pool2d(torch.relu(x) + (torch.relu(x) + -x), 3, 2, 1),
        (8, 10),
        tmp_path,
    )
    for node in model.graph.node:
        node.name = ""
    assert "Pad" not in {node.op_type for node in adapt_pools(model).graph.node}


@pytest.mark.parametrize("ceil", [False, True])
def test_a_pool_that_needs_no_padding_is_unchanged(ceil: bool, onnx: Any, tmp_path: Path) -> None:
    model = graph_of(onnx, relu_pool(2, 2, 0, ceil=ceil), (8, 10), tmp_path)
    before = pool(model).SerializeToString()
    assert pool(adapt_pools(model)).SerializeToString() == before
