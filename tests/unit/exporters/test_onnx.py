"""ONNX files: float16 inside, float32 outside, named after the network, the same every time."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from maskport.artifacts.metadata.contract import contract
from maskport.errors import ExportError
from maskport.exporters.intermediates import OPSET, make
from maskport.exporters.onnx import export_fp16, export_fp32, to_half
from maskport.exporters.run import Card, Run
from maskport.imaging.convert import photo_to_input
from maskport.models.prepared import Reference, prepare
from maskport.models.seeding import seeded
from maskport.models.u2net import U2Net
from maskport.scenes import scene
from maskport.specs import ImageSpec, MaskSpec, ModelSpec

from ...sdks import needed

pytestmark = pytest.mark.sdk

SIZE = (50, 38)
CARD = Card("nano", "the author", "the licence", "0123456789ab", "Draws a mask")


@pytest.fixture(scope="module")
def onnx() -> Any:
    for name in ("onnxruntime", "onnxsim"):
        needed(name, "onnx")
    return pytest.importorskip("onnx", reason="needs maskport[onnx]")


@pytest.fixture(scope="module")
def network(nano: Callable[..., U2Net]) -> U2Net:
    made = nano()
    seeded(made, 0, SIZE)
    return made


def run_of(network: nn.Module, folder: Path, size: tuple[int, int] = SIZE) -> Run:
    spec = ModelSpec("nano", ImageSpec(*size), MaskSpec(), output=0)
    run = Run(folder, spec, CARD)
    make("onnx", prepare(network, spec), run)
    return run


@pytest.fixture(scope="module")
def run(onnx: Any, network: U2Net, tmp_path_factory: pytest.TempPathFactory) -> Run:
    return run_of(network, tmp_path_factory.mktemp("run"))


@pytest.fixture(scope="module")
def files(run: Run) -> dict[str, Path]:
    paths = {name: run.scratch / f"{name}.onnx" for name in ("fp32", "fp16")}
    export_fp32(run, paths["fp32"])
    export_fp16(run, paths["fp16"])
    return paths


def drawn(model: Path | bytes, image: np.ndarray) -> np.ndarray:
    import onnxruntime

    source = str(model) if isinstance(model, Path) else model
    session = onnxruntime.InferenceSession(source, providers=["CPUExecutionProvider"])
    result: np.ndarray = session.run(None, {"image": image})[0]
    return result


# float32 sums in another order; float16 has 11 bits, a mask's step near 1 is 2^-11 = 5e-4, and
# a few of them add up.
@pytest.mark.parametrize(("precision", "tolerance"), [("fp32", 1e-5), ("fp16", 2e-3)])
def test_the_file_draws_the_networks_mask(
    precision: str, tolerance: float, run: Run, files: dict[str, Path], network: U2Net
) -> None:
    image = photo_to_input(scene(3, 70, 90).photo, run.spec.image)
    with torch.no_grad():
        expected = Reference(network, run.spec)(torch.from_numpy(image)).numpy()
    mask = drawn(files[precision], image)
    assert mask.dtype == np.float32
    assert expected.max() - expected.min() > 0.5  # not flat, or the comparison means nothing
    assert np.abs(mask - expected).mean() <= tolerance


def test_float16_halves_the_weights_and_keeps_float32_outside(
    onnx: Any, files: dict[str, Path]
) -> None:
    model = onnx.load(str(files["fp16"]))
    kinds = onnx.TensorProto
    for value in (*model.graph.input, *model.graph.output):
        assert value.type.tensor_type.elem_type == kinds.FLOAT
    first, *_, last = model.graph.node
    assert (first.op_type, list(first.input)) == ("Cast", ["image"])
    assert (last.op_type, list(last.output)) == ("Cast", ["mask"])
    assert [node.op_type for node in model.graph.node].count("Cast") == 2
    matrices = [t for t in model.graph.initializer if len(t.dims) == 4]
    assert matrices
    assert {t.data_type for t in matrices} == {kinds.FLOAT16}


def half(onnx: Any, function: Callable[[Tensor], Tensor], folder: Path) -> tuple[Any, Any]:
    """A function's ONNX model, and what `to_half` makes of it."""

    class Module(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return function(x)

    path = folder / "half.onnx"
    torch.onnx.export(
        Module(),
        (torch.zeros(1, 3, 8, 6),),
        str(path),
        dynamo=False,
        opset_version=OPSET,
        input_names=["image"],
        output_names=["mask"],
    )
    before, after = onnx.load(str(path)), onnx.load(str(path))
    to_half(after)
    onnx.checker.check_model(after, full_check=True)
    return before, after


COLOR = torch.tensor([0.1, 0.2, 0.3]).reshape(1, 3, 1, 1)

FUNCTIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "scales of a resize": lambda x: F.interpolate(x, scale_factor=2.0, mode="bilinear"),
    "sizes of a resize": lambda x: F.interpolate(x, (11, 7), mode="bilinear"),
    "constants": lambda x: (1 - x) * 0.3 + COLOR,
    "the photo as the mask": lambda x: x.clone(),
    "the photo used twice": lambda x: torch.cat([x, x.relu()], 1),
    "casts of its own": lambda x: (x > 0.5).float() * x,
    "integers inside": lambda x: x.argmax(1, keepdim=True).float() * 0.25,
}


@pytest.mark.parametrize("case", FUNCTIONS)
def test_the_float16_model_computes_the_same(case: str, onnx: Any, tmp_path: Path) -> None:
    before, after = half(onnx, FUNCTIONS[case], tmp_path)
    # Multiples of 1/64 are float16 numbers, so that what rounds is the model's doing.
    image = np.random.default_rng(0).integers(0, 65, (1, 3, 8, 6)).astype(np.float32) / 64
    expected = drawn(before.SerializeToString(), image)
    np.testing.assert_allclose(drawn(after.SerializeToString(), image), expected, atol=1e-3)


def test_scales_of_a_resize_stay_float32(onnx: Any, tmp_path: Path) -> None:
    _, model = half(onnx, FUNCTIONS["scales of a resize"], tmp_path)
    (resize,) = [node for node in model.graph.node if node.op_type == "Resize"]
    held = {t.name: t for t in model.graph.initializer} | {
        node.output[0]: node.attribute[0].t
        for node in model.graph.node
        if node.op_type == "Constant"
    }
    assert held[resize.input[2]].data_type == onnx.TensorProto.FLOAT


def test_constants_in_attributes_become_float16(onnx: Any, tmp_path: Path) -> None:
    before, after = half(onnx, FUNCTIONS["constants"], tmp_path)

    def constants(model: Any) -> list[int]:
        nodes = [node for node in model.graph.node if node.op_type == "Constant"]
        return [node.attribute[0].t.data_type for node in nodes]

    assert set(constants(before)) == {onnx.TensorProto.FLOAT}  # or the test shows nothing
    assert set(constants(after)) == {onnx.TensorProto.FLOAT16}


def test_a_weight_beyond_float16_is_refused_by_name(onnx: Any, tmp_path: Path) -> None:
    network = nn.Sequential(nn.Conv2d(3, 1, 1), nn.Sigmoid())
    with torch.no_grad():
        network[0].weight[0, 0] = 70000.0  # the largest float16 is 65504
    run = run_of(network, tmp_path, (8, 6))
    with pytest.raises(ExportError, match=r"0\.weight holds 70000") as caught:
        export_fp16(run, tmp_path / "fp16.onnx")
    assert "onnx-fp16" in caught.value.remedy


def test_a_graph_with_branches_is_refused(onnx: Any) -> None:
    helper, kind = onnx.helper, onnx.TensorProto
    branches = {}
    for name in ("then_branch", "else_branch"):
        out = helper.make_tensor_value_info(f"{name}_out", kind.FLOAT, [1])
        node = helper.make_node("Identity", ["image"], [f"{name}_out"])
        branches[name] = helper.make_graph([node], name, [], [out])
    graph = helper.make_graph(
        [helper.make_node("If", ["which"], ["mask"], "choice", **branches)],
        "graph",
        [
            helper.make_tensor_value_info("image", kind.FLOAT, [1]),
            helper.make_tensor_value_info("which", kind.BOOL, []),
        ],
        [helper.make_tensor_value_info("mask", kind.FLOAT, [1])],
    )
    with pytest.raises(ExportError, match=r"choice \(If\)"):
        to_half(helper.make_model(graph))


def names_in(model: Any) -> set[str]:
    nodes = {name for n in model.graph.node for name in (n.name, *n.input, *n.output)}
    return nodes | {t.name for t in model.graph.initializer}


def test_names_are_those_of_the_networks_modules(onnx: Any, files: dict[str, Path]) -> None:
    model = onnx.load(str(files["fp32"]))
    names = names_in(model)
    assert not [name for name in names if "body" in name or "network" in name]
    assert "/stage1/rebnconvin/conv_s1/Conv" in {node.name for node in model.graph.node}
    assert {"image", "mask", "side1.weight"} <= names


class Wrapped(nn.Module):
    """Has modules with the names that the prepared view's wrapper has."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 1)
        self.network = nn.Module()
        self.network.conv = nn.Conv2d(4, 1, 1)

    def forward(self, x: Tensor) -> Tensor:
        return torch.sigmoid(self.network.conv(self.conv(x)))


def test_a_network_with_a_module_called_network_keeps_its_layers_apart(
    onnx: Any, tmp_path: Path
) -> None:
    network = Wrapped().eval()
    run = run_of(network, tmp_path, (8, 6))
    export_fp32(run, tmp_path / "fp32.onnx")
    model = onnx.load(str(tmp_path / "fp32.onnx"))
    results = [name for node in model.graph.node for name in node.output]
    assert len(results) == len(set(results))
    image = np.random.default_rng(0).random((1, 3, 8, 6), np.float32)
    with torch.no_grad():
        expected = Reference(network, run.spec)(torch.from_numpy(image)).numpy()
    np.testing.assert_allclose(drawn(tmp_path / "fp32.onnx", image), expected, atol=1e-6)


@pytest.mark.parametrize("precision", ["fp32", "fp16"])
def test_the_file_says_what_it_is(
    precision: str, onnx: Any, run: Run, files: dict[str, Path]
) -> None:
    model = onnx.load(str(files[precision]))
    properties = {prop.key: prop.value for prop in model.metadata_props}
    # ONNX has names of its own for two of them.
    assert properties.pop("model_author") == "the author"
    assert properties.pop("model_license") == "the licence"
    assert properties == contract(run.spec, CARD, "NCHW")
    assert model.graph.name == "nano"
    assert model.doc_string == "Draws a mask"
    assert [entry.version for entry in model.opset_import if not entry.domain] == [OPSET]
    # torch leaves the source lines of the machine that exported there.
    assert not any(node.doc_string for node in model.graph.node)


def test_phones_take_a_size_that_is_halved_without_a_remainder_whole(
    network: U2Net, tmp_path: Path
) -> None:
    run = run_of(network, tmp_path, (64, 48))
    for export in (export_fp32, export_fp16):
        providers = export(run, tmp_path / "whole.onnx").properties["mobile_providers"]
        assert len(providers) == 3
        for said in providers.values():
            assert (said["verdict"], said["partitions"], said["whole"]) == ("YES", 1, True)
            assert "Resize" in said["conditional"]


def test_the_same_network_gives_the_same_bytes(
    network: U2Net, files: dict[str, Path], tmp_path: Path
) -> None:
    again = run_of(network, tmp_path)
    for precision, export in (("fp32", export_fp32), ("fp16", export_fp16)):
        export(again, tmp_path / precision)
        assert (tmp_path / precision).read_bytes() == files[precision].read_bytes()


def test_a_result_that_onnxsim_does_not_stand_by_is_refused(
    onnx: Any, network: U2Net, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import onnxsim

    monkeypatch.setattr(onnxsim, "simplify", lambda model, check_n: (model, False))
    with pytest.raises(ExportError, match="onnxsim changed what nano computes"):
        export_fp32(run_of(network, tmp_path), tmp_path / "fp32.onnx")
