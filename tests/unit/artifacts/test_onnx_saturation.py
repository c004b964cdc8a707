"""A file whose sums can leave int16 is found on any processor; one whose can't is let through."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from maskport.artifacts.onnx_saturation import saturating_nodes

pytestmark = pytest.mark.sdk

BYTES = 255
SCALE = 0.02
FIRST_BYTE = np.uint8(0)
# 255 × 128 = 32,640 is the most that a pair may add up to, 255 × 129 = 32,895 is beyond int16.
FITS, SATURATES = [64, 64], [64, 65]


@pytest.fixture(scope="module")
def model() -> Callable[..., Any]:
    """Makes a QDQ model of one operation: activations of `kind`, weights as they are given."""
    pytest.importorskip("onnx", reason="needs maskport[onnx]")
    from onnx import helper, numpy_helper

    def make(
        operation: str,
        weight: Any,
        *,
        before: tuple[Any, ...] = (),
        zero: Any = FIRST_BYTE,
        weight_first: bool = False,
        **attributes: Any,
    ) -> Any:
        constants = {
            "w": np.asarray(weight, np.int8),
            "ws": np.float32(0.01),
            "wz": np.int8(0),
            "s": np.float32(SCALE),
            "z": zero,
            "six": np.float32(6.0),
            "seven bits": np.float32(127 * SCALE),
            "nothing": np.float32(0.0),
        }
        factors = ["x_rounded", "w_rounded"]
        nodes = [
            *before,
            helper.make_node("QuantizeLinear", ["x", "s", "z"], ["x_bytes"]),
            helper.make_node("DequantizeLinear", ["x_bytes", "s", "z"], ["x_rounded"]),
            helper.make_node("DequantizeLinear", ["w", "ws", "wz"], ["w_rounded"]),
            helper.make_node(
                operation, factors[::-1] if weight_first else factors, ["y"], "it", **attributes
            ),
        ]
        first = "raw" if before else "x"
        graph = helper.make_graph(
            nodes,
            "one",
            [helper.make_tensor_value_info(first, 1, None)],
            [helper.make_tensor_value_info("y", 1, None)],
            [numpy_helper.from_array(np.asarray(v), k) for k, v in constants.items()],
        )
        return helper.make_model(graph)

    return make


def conv(*channels: list[int]) -> np.ndarray:
    """Weights of a 1×1 convolution, (O, I, 1, 1)."""
    return np.array(channels)[:, :, None, None]


def test_weights_whose_largest_pair_fits_are_let_through(model) -> None:
    assert saturating_nodes(model("Conv", conv(FITS, [-64, -64], [127, 1], [-128, 0]))) == []


@pytest.mark.parametrize(
    ("weights", "lowest", "highest"),
    [(SATURATES, 0, BYTES * 129), ([-65, -64], -BYTES * 129, 0), ([127, 2], 0, BYTES * 129)],
)
def test_one_more_is_found_with_its_channel(model, weights, lowest, highest) -> None:
    (found,) = saturating_nodes(model("Conv", conv(FITS, weights, FITS)))
    assert (found.node, found.operation, found.channel) == ("it", "Conv", 1)
    assert (found.lowest, found.highest) == (lowest, highest)


def test_scales_of_each_channel_may_be_of_one(model) -> None:
    """Exporters write a list of scales for a convolution of one channel, too."""
    made = model("Conv", conv(SATURATES))
    for tensor in made.graph.initializer:
        if tensor.name in {"ws", "wz"}:
            tensor.dims.append(1)
    assert [found.channel for found in saturating_nodes(made)] == [0]


def test_weights_of_two_signs_take_from_each_other(model) -> None:
    assert saturating_nodes(model("Conv", conv([127, -128]))) == []


def test_the_two_largest_are_neighbours_in_some_order(model) -> None:
    """Kernels take the window's rows or the channels for neighbours; this must hold in all."""
    weight = np.zeros((1, 2, 3, 3))
    weight[0, 0, 0, 0] = weight[0, 1, 2, 2] = 65
    assert saturating_nodes(model("Conv", weight))


@pytest.mark.parametrize("groups", [1, 2])
def test_a_transposed_convolutions_channels_are_its_second_axis(model, groups) -> None:
    """(I, O / groups, kernel): a group's outputs add up its own inputs only."""
    weight = np.array(SATURATES)[:, None, None, None]  # two inputs, one output a group
    found = saturating_nodes(model("ConvTranspose", weight, group=groups))
    assert [f.operation for f in found] == (["ConvTranspose"] if groups == 1 else [])


@pytest.mark.parametrize(
    ("operation", "attributes", "weight"),
    [
        ("MatMul", {}, np.array([SATURATES]).T),
        ("Gemm", {}, np.array([SATURATES]).T),
        ("Gemm", {"transB": 1}, np.array([SATURATES])),
    ],
)
def test_a_matrix_product_adds_up_over_what_both_sides_share(
    model, operation, attributes, weight
) -> None:
    assert saturating_nodes(model(operation, weight, **attributes))
    # The same numbers, each alone in a sum.
    assert not saturating_nodes(model(operation, weight.T, **attributes))


def test_a_weight_on_the_left_is_found_too(model) -> None:
    weight = np.array([FITS, SATURATES])
    (found,) = saturating_nodes(model("MatMul", weight, weight_first=True))
    assert found.channel == 1


def test_activations_that_are_clipped_to_seven_bits_leave_room(model) -> None:
    from onnx import helper

    clip = helper.make_node("Clip", ["raw", "nothing", "seven bits"], ["x"])
    weights = conv([127, 127])  # 127 × 254 = 32,258
    assert saturating_nodes(model("Conv", weights, before=(clip,))) == []
    assert saturating_nodes(model("Conv", weights))


def test_a_clip_that_leaves_eight_bits_is_no_excuse(model) -> None:
    from onnx import helper

    clip = helper.make_node("Clip", ["raw", "nothing", "six"], ["x"])  # 6 / 0.02 = 300 steps
    assert saturating_nodes(model("Conv", conv(SATURATES), before=(clip,)))


def test_what_a_sigmoid_gives_is_known_behind_a_pool(model) -> None:
    """1 / 0.02 = 50 steps; with a zero point of 10 the largest byte is 60."""
    from onnx import helper

    before = (
        helper.make_node("Sigmoid", ["raw"], ["s1"]),
        helper.make_node("MaxPool", ["s1"], ["x"], kernel_shape=[2, 2]),
    )
    assert saturating_nodes(model("Conv", conv([127, 127]), before=before, zero=np.uint8(10))) == []
    padded = model("Conv", conv([127, 127]), before=before, zero=np.uint8(200))
    assert saturating_nodes(padded)  # padding is the zero point, and 200 × 254 is beyond


def test_signed_activations_are_made_unsigned_by_kernels(model) -> None:
    (found,) = saturating_nodes(model("Conv", conv(SATURATES), zero=np.int8(0)))
    assert found.highest == BYTES * 129


def test_products_that_are_added_in_32_bits_are_none_of_it(model) -> None:
    both_unsigned = model("Conv", conv(SATURATES))
    for tensor in both_unsigned.graph.initializer:
        if tensor.name in {"w", "wz"}:
            tensor.data_type = 2  # uint8
    assert saturating_nodes(both_unsigned) == []
    assert saturating_nodes(model("Conv", conv(SATURATES), zero=np.uint16(0))) == []


def test_an_operation_in_float_is_none_of_it(model) -> None:
    mixed = model("Conv", conv(SATURATES))
    mixed.graph.node[-1].input[0] = "x"  # past the rounding
    assert saturating_nodes(mixed) == []


def test_signed_factors_that_are_computed_may_be_anything(model) -> None:
    """An attention's keys: nothing in the file says what they are."""
    from onnx import helper

    made = model("MatMul", np.array([FITS]).T)
    quantize = helper.make_node("QuantizeLinear", ["x", "ws", "wz"], ["keys"])
    made.graph.node.insert(0, quantize)
    made.graph.node[3].input[0] = "keys"
    assert saturating_nodes(made)[0].highest == BYTES * 254
