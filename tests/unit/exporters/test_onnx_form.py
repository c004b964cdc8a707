"""Resizes are written out as phones' execution providers want them, and give the same bits."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from maskport.artifacts.inspect.onnx_mobile import mobile_providers
from maskport.exporters.onnx import to_half
from maskport.exporters.onnx_form import mobile_form

from ...sdks import needed

onnx = needed("onnx", "onnx")
ort = needed("onnxruntime", "onnx")
helper, numpy_helper, TensorProto = onnx.helper, onnx.numpy_helper, onnx.TensorProto

pytestmark = pytest.mark.sdk

BEFORE = (1, 2, 10, 6)


def resizing(
    after: tuple[int, ...] = (1, 2, 20, 12),
    *,
    before: tuple[int, ...] = BEFORE,
    scales: tuple[float, ...] | None = None,
    sizes: tuple[int, ...] | None = None,
    opset: int = 17,
    inputs: list[str] | None = None,
    **attributes: Any,
) -> Any:
    """A sigmoid, resized, and a ReLU: by ``after`` or ``scales``, as torch writes either."""
    settings = {"mode": "linear", "coordinate_transformation_mode": "pytorch_half_pixel"}
    settings |= attributes
    constants = [numpy_helper.from_array(np.array(sizes or after, np.int64), "sizes")]
    named = ["small", "", "", "sizes"]
    if scales is not None:
        constants = [numpy_helper.from_array(np.array(scales, np.float32), "scales")]
        named = ["small", "", "scales"]
    nodes = [
        helper.make_node("Sigmoid", ["image"], ["small"]),
        helper.make_node("Resize", inputs or named, ["large"], "resize", **settings),
        helper.make_node("Relu", ["large"], ["mask"]),
    ]
    graph = helper.make_graph(
        nodes,
        "graph",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, before)],
        [helper.make_tensor_value_info("mask", TensorProto.FLOAT, after)],
        constants,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)
    return model


def resize_of(model: Any) -> Any:
    return next(node for node in model.graph.node if node.op_type == "Resize")


def constants_of(model: Any) -> dict[str, np.ndarray]:
    return {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer}


def setting(node: Any, name: str) -> Any:
    return next(helper.get_attribute_value(a) for a in node.attribute if a.name == name)


def drawn(model: Any) -> np.ndarray:
    session = ort.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    sizes = session.get_inputs()[0].shape
    image = np.random.default_rng(0).normal(size=sizes).astype(np.float32)
    result: np.ndarray = session.run(None, {"image": image})[0]
    return result


def written_out(model: Any) -> Any:
    """The same model in the form, of which ONNX and ONNX Runtime say that it is the same."""
    before = drawn(model)
    changed = onnx.ModelProto()
    changed.CopyFrom(model)
    mobile_form(changed)
    onnx.checker.check_model(changed, full_check=True)
    np.testing.assert_array_equal(drawn(changed), before)
    return changed


WRITTEN_OUT: dict[str, dict[str, Any]] = {
    "sizes": {},
    "by a factor that is no whole number": {"after": (1, 2, 15, 9)},
    "to a smaller size": {"after": (1, 2, 5, 3)},
    "up and down": {"after": (1, 2, 20, 3)},
    "nearest": {
        "mode": "nearest",
        "coordinate_transformation_mode": "asymmetric",
        "nearest_mode": "floor",
    },
    "cubic": {"mode": "cubic", "cubic_coeff_a": -0.75},
    "corners aligned": {"coordinate_transformation_mode": "align_corners"},
    "scales without a region": {"scales": (1, 1, 2, 2)},
    "a scale that is cut to whole pixels": {
        "after": (1, 2, 13, 7),
        "scales": (1, 1, 1.33, 1.3),
    },
    "as torch writes it of a program": {"opset": 18, "keep_aspect_ratio_policy": "stretch"},
    "some axes": {"opset": 18, "axes": [2, 3], "scales": (2, 2)},
    "its axes' sizes": {"opset": 18, "axes": [3, 2], "sizes": (12, 20)},
}


@pytest.mark.parametrize("case", WRITTEN_OUT)
def test_a_resize_has_constant_scales_an_empty_region_and_the_same_bits(
    case: str, tmp_path: Path
) -> None:
    model = written_out(resizing(**WRITTEN_OUT[case]))
    node, constants = resize_of(model), constants_of(model)
    _, roi, scales = node.input
    assert constants[roi].size == 0
    assert constants[scales].dtype == np.float32
    after = [d.dim_value for d in model.graph.output[0].type.tensor_type.shape.dim]
    assert list(np.floor(np.float64(BEFORE) * constants[scales])) == after
    assert set(constants) == {roi, scales}  # nothing is kept that nobody reads
    (tmp_path / "a.onnx").write_bytes(model.SerializeToString())
    for said in mobile_providers(tmp_path / "a.onnx").values():
        assert (said["verdict"], said["partitions"], said["whole"]) == ("YES", 1, True)


def test_without_it_each_resize_cuts_the_graph(tmp_path: Path) -> None:
    (tmp_path / "a.onnx").write_bytes(resizing().SerializeToString())
    for said in mobile_providers(tmp_path / "a.onnx").values():
        assert (said["partitions"], said["whole"]) == (2, False)


def test_sizes_that_their_scale_does_not_give_again_are_kept() -> None:
    # 41/21 in float32 is a little less than that, and 21 of it are cut to 40.
    model = written_out(resizing((1, 2, 41, 12), before=(1, 2, 21, 6)))
    assert list(resize_of(model).input) == ["small", "", "", "sizes"]


def test_a_region_that_counts_is_kept() -> None:
    model = resizing(
        scales=(1, 1, 2, 2),
        coordinate_transformation_mode="tf_crop_and_resize",
        inputs=["small", "region", "scales"],
    )
    region = np.float32([0, 0, 0.1, 0.1, 1, 1, 0.9, 0.9])
    model.graph.initializer.append(numpy_helper.from_array(region, "region"))
    assert list(resize_of(written_out(model)).input) == ["small", "region", "scales"]


def test_sizes_that_are_bounds_are_kept() -> None:
    policy = {"keep_aspect_ratio_policy": "not_larger", "axes": [2, 3]}
    model = resizing((1, 2, 20, 12), sizes=(20, 30), opset=18, **policy)
    assert list(resize_of(written_out(model)).input) == ["small", "", "", "sizes"]


def test_torchs_coordinates_get_the_name_that_nnapi_knows() -> None:
    node = resize_of(written_out(resizing()))
    assert setting(node, "coordinate_transformation_mode") == b"half_pixel"


def test_torchs_coordinates_of_a_single_pixel_are_its_own() -> None:
    # Resized to one pixel, torch takes the first; half_pixel would take the middle.
    node = resize_of(written_out(resizing((1, 2, 1, 3))))
    assert setting(node, "coordinate_transformation_mode") == b"pytorch_half_pixel"
    assert len(node.input) == 3


def test_resizes_share_the_empty_region_under_a_name_that_is_free() -> None:
    model = resizing((1, 2, 40, 24), sizes=(1, 2, 20, 12))
    sizes = numpy_helper.from_array(np.array([1, 2, 40, 24]), "more")
    model.graph.initializer.append(sizes)
    again = helper.make_node("Resize", ["large", "", "", "more"], ["no_roi"], mode="linear")
    model.graph.node.insert(2, again)
    model.graph.node[3].input[0] = "no_roi"
    first, second = (n for n in written_out(model).graph.node if n.op_type == "Resize")
    assert first.input[1] == second.input[1] != "no_roi"


def test_a_constant_that_others_read_stays() -> None:
    model = resizing()
    model.graph.node.append(helper.make_node("Identity", ["sizes"], ["told"]))
    model.graph.output.append(helper.make_tensor_value_info("told", TensorProto.INT64, [4]))
    changed = onnx.ModelProto()
    changed.CopyFrom(model)
    mobile_form(changed)
    assert "sizes" in constants_of(changed)
    onnx.checker.check_model(changed, full_check=True)


def test_sizes_that_only_a_run_tells_are_left_alone() -> None:
    model = resizing()
    for value in (model.graph.input[0], model.graph.output[0]):
        value.type.tensor_type.shape.dim[2].dim_param = "rows"
    before = model.SerializeToString()
    mobile_form(model)
    assert model.SerializeToString() == before


def test_an_input_that_is_left_out_at_the_end_is_not_named() -> None:
    pads = numpy_helper.from_array(np.array([0, 0, 1, 1, 0, 0, 1, 1]), "pads")
    node = helper.make_node("Pad", ["image", "pads", ""], ["mask"])
    graph = helper.make_graph(
        [node],
        "graph",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, BEFORE)],
        [helper.make_tensor_value_info("mask", TensorProto.FLOAT, (1, 2, 12, 8))],
        [pads],
    )
    opsets = [helper.make_opsetid("", 17)]
    changed = written_out(helper.make_model(graph, opset_imports=opsets, ir_version=8))
    assert list(changed.graph.node[0].input) == ["image", "pads"]


def test_what_is_resized_between_integers_keeps_its_bits() -> None:
    model = resizing()
    pairs = [("small", "few"), ("large", "many")]
    for place, (name, rounded) in zip((1, 4), pairs, strict=True):
        model.graph.node.insert(
            place, helper.make_node("QuantizeLinear", [name, "step", "zero"], [f"{rounded}_q"])
        )
        model.graph.node.insert(
            place + 1,
            helper.make_node("DequantizeLinear", [f"{rounded}_q", "step", "zero"], [rounded]),
        )
    resize, last = resize_of(model), model.graph.node[-1]
    resize.input[0], last.input[0] = "few", "many"
    for name, value in (("step", np.float32(1 / 256)), ("zero", np.uint8(0))):
        model.graph.initializer.append(numpy_helper.from_array(np.array(value), name))
    node = resize_of(written_out(model))
    assert list(node.input) == ["few", "no_roi", "large_scales"]


@pytest.mark.parametrize("after", [(1, 2, 20, 12), (1, 2, 15, 9)])
def test_halves_are_resized_to_the_same_bits(after: tuple[int, ...]) -> None:
    model = resizing(after)
    to_half(model)
    assert len(resize_of(written_out(model)).input) == 3
