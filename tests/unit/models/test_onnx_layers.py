"""ONNX files of networks that can't be compared as a whole give their weights layer by layer."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from maskport.errors import CheckpointError
from maskport.models.checkpoints import load_weights
from maskport.models.isnet import ISNet, isnet
from maskport.models.seeding import draw
from maskport.models.u2net import u2net

from ...sdks import needed
from .test_isnet import NANO
from .test_onnx_checkpoint import assert_same_outputs, edit, export, renumber

onnx = needed("onnx", "onnx")
pytestmark = pytest.mark.sdk


class Gated(nn.Module):
    """Has what `structure` doesn't know: a gate by linear layers, a transposed convolution."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder = nn.Sequential(
            nn.Conv2d(3, 4, 3, stride=2, padding=1, bias=False), nn.BatchNorm2d(4), nn.ReLU()
        )
        self.deep = nn.Sequential(nn.Conv2d(4, 4, 3, padding=1), nn.BatchNorm2d(4), nn.Hardswish())
        self.squeeze, self.excite = nn.Linear(4, 2), nn.Linear(2, 4)
        self.up = nn.ConvTranspose2d(4, 2, 2, stride=2)
        self.head = nn.Conv2d(2, 1, 3, padding=1)

    def forward(self, x: Tensor) -> tuple[Tensor]:
        x = self.deep(self.encoder(x))
        gate = torch.sigmoid(self.excite(F.relu(self.squeeze(x.mean((2, 3))))))
        x = x * gate[:, :, None, None]
        return (torch.sigmoid(self.head(F.relu(self.up(x)))),)


class Deciding(Gated):
    """Can be run, and not traced by torch.fx nor without data."""

    def forward(self, x: Tensor) -> tuple[Tensor]:
        return super().forward(x if float(x.sum()) > -1e9 else -x)


class Twice(Gated):
    def forward(self, x: Tensor) -> tuple[Tensor]:
        return super().forward(x + self.head(x[:, :2]))


def number_nodes(graph: Any) -> None:
    """No names of modules, as exporters before PyTorch 1.13 wrote, or other tools."""
    for index, node in enumerate(graph.node):
        node.name = f"{node.op_type}_{index}"
        del node.metadata_props[:]


def anonymous(graph: Any) -> None:
    renumber(graph)
    number_nodes(graph)


def prefixed(graph: Any) -> None:
    """As exported inside of another module."""
    renumber(graph)
    for node in graph.node:
        node.name = f"/net{node.name}"


def make(kind: type[nn.Module], seed: int) -> nn.Module:
    network = kind().eval()
    draw(network, seed)
    return network


@pytest.mark.parametrize("kind", [Gated, Deciding])
@pytest.mark.parametrize("fold", [True, False])
@pytest.mark.parametrize(
    ("change", "how"),
    [(renumber, "names"), (prefixed, "names"), (number_nodes, "order"), (anonymous, "order")],
)
def test_layers_find_their_module_by_name_or_by_order(
    kind: type[nn.Module], fold: bool, change: Callable[[Any], None], how: str, tmp_path: Path
) -> None:
    source, network = make(kind, 1), make(kind, 2)
    path = edit(export(source, tmp_path / "w.onnx", fold=fold), change)
    taken = load_weights(network, path)
    assert_same_outputs(network, source)
    # Without folding the weights keep their own names, which is enough.
    if fold or change in (renumber, prefixed, anonymous):
        assert f"matched by the {how} of layers, not by what reads what" in str(taken)


def test_an_export_of_torch_export_is_read_too(tmp_path: Path) -> None:
    pytest.importorskip("onnxscript")
    source, network = make(Gated, 1), make(Gated, 2)
    torch.onnx.export(source, (torch.rand(1, 3, 40, 56),), tmp_path / "w.onnx", dynamo=True,
                      external_data=False, verbose=False)  # fmt: skip
    load_weights(network, edit(tmp_path / "w.onnx", renumber))
    assert_same_outputs(network, source)


def test_order_is_trusted_only_in_files_that_pytorch_wrote(tmp_path: Path) -> None:
    path = edit(export(make(Gated, 1), tmp_path / "w.onnx"), anonymous)
    model = onnx.load(path)
    model.producer_name = "converter"
    onnx.save(model, path)
    with pytest.raises(CheckpointError, match=r"only of files that PyTorch wrote.*'converter'"):
        load_weights(make(Gated, 2), path)


def conv_nodes(graph: Any) -> list[Any]:
    return [node for node in graph.node if node.op_type == "Conv"]


def unstride(graph: Any) -> None:
    for attribute in conv_nodes(graph)[0].attribute:
        if attribute.name == "strides":
            attribute.ints[:] = [1, 1]


def drop(graph: Any) -> None:
    node = conv_nodes(graph)[-1]
    node.op_type = "Neg"
    del node.input[1:], node.attribute[:]


def repeat(graph: Any) -> None:
    node = conv_nodes(graph)[-1]
    again = onnx.helper.make_node("Conv", [*node.input], ["again"], "/again/Conv")
    again.attribute.extend(node.attribute)
    graph.node.append(again)


def compute(graph: Any) -> None:
    node = conv_nodes(graph)[0]
    graph.node.insert(0, onnx.helper.make_node("Abs", [node.input[1]], ["computed"]))
    node.input[1] = "computed"


@pytest.mark.parametrize("names", [renumber, anonymous])
@pytest.mark.parametrize(
    ("change", "said"),
    [
        (unstride, "or strides, padding, dilations or groups differ"),
        (drop, "has 5 layers with weights, the network 6"),
        (repeat, "has 7 layers with weights, the network 6"),
        (compute, "are computed"),
    ],
)
def test_other_layers_are_refused_and_nothing_is_changed(
    names: Callable[[Any], None], change: Callable[[Any], None], said: str, tmp_path: Path
) -> None:
    path = edit(edit(export(make(Gated, 1), tmp_path / "w.onnx"), names), change)
    network = make(Gated, 2)
    before = network.head.weight.clone()
    with pytest.raises(CheckpointError, match=said) as caught:
        load_weights(network, path)
    assert torch.equal(before, network.head.weight)
    assert ".safetensors" in caught.value.remedy


def test_a_layer_that_is_used_twice_is_refused(tmp_path: Path) -> None:
    class Shared(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv2d(3, 3, 1)

        def forward(self, x: Tensor) -> tuple[Tensor]:
            return (self.conv(F.hardswish(self.conv(x))),)

    path = edit(export(make(Shared, 1), tmp_path / "w.onnx"), renumber)
    with pytest.raises(CheckpointError, match="uses conv twice"):
        load_weights(make(Shared, 2), path)


def test_weights_in_no_layer_are_read_by_their_names(tmp_path: Path) -> None:
    class Scaled(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Sequential(nn.Conv2d(3, 3, 1), nn.BatchNorm2d(3))
            self.scale = nn.Parameter(torch.ones(1, 3, 1, 1))

        def forward(self, x: Tensor) -> tuple[Tensor]:
            return (self.conv(x) * self.scale,)

    source, network = make(Scaled, 1), make(Scaled, 2)
    path = export(source, tmp_path / "w.onnx")
    load_weights(network, path)
    assert_same_outputs(network, source)
    with pytest.raises(CheckpointError, match="has no scale of 1x3x1x1"):
        load_weights(make(Scaled, 2), edit(path, renumber))


def test_values_of_a_folded_batch_norm_that_were_left_in_the_file_are_not_used(
    tmp_path: Path,
) -> None:
    source, network = make(Gated, 1), make(Gated, 2)

    def leave(graph: Any) -> None:
        renumber(graph)
        for name, tensor in source.encoder[1].state_dict().items():
            stored = onnx.numpy_helper.from_array(tensor.numpy(), f"encoder.1.{name}")
            graph.initializer.append(stored)

    load_weights(network, edit(export(source, tmp_path / "w.onnx"), leave))
    assert_same_outputs(network, source)


def test_a_batch_norm_that_is_not_alone_behind_its_layer_is_not_taken_for_folded(
    tmp_path: Path,
) -> None:
    class Forked(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv, self.norm = nn.Conv2d(3, 3, 1), nn.BatchNorm2d(3)

        def forward(self, x: Tensor) -> tuple[Tensor]:
            x = self.conv(x)
            return (self.norm(x) * F.hardswish(x),)

    source, network = make(Forked, 1), make(Forked, 2)
    path = export(source, tmp_path / "w.onnx")
    load_weights(network, path)
    assert_same_outputs(network, source)
    with pytest.raises(CheckpointError, match="told apart neither by name nor by place"):
        load_weights(make(Forked, 2), edit(path, renumber))


# Files that are compared as a whole.


def cast_at_the_end(graph: Any) -> None:
    """As converters to half precision write: each weight behind a cast, the photo too."""
    renumber(graph)
    casts = []
    photo = graph.input[0].name
    for node in graph.node:
        node.input[:] = ["cast_photo" if name == photo else name for name in node.input]
    casts.append(onnx.helper.make_node("Cast", [photo], ["cast_photo"], to=1))
    for node in conv_nodes(graph):
        casts.append(onnx.helper.make_node("Cast", [node.input[1]], [f"cast_{node.name}"], to=1))
        node.input[1] = f"cast_{node.name}"
    graph.node.extend(casts)


def test_nodes_may_stand_in_any_order(tmp_path: Path) -> None:
    source, network = ISNet(NANO).eval(), ISNet(NANO).eval()
    draw(source, 1)
    assert (
        str(load_weights(network, edit(export(source, tmp_path / "w.onnx"), cast_at_the_end))) == ""
    )
    assert_same_outputs(network, source)


def test_nodes_that_read_each_other_in_a_circle_are_refused(tmp_path: Path) -> None:
    def close(graph: Any) -> None:
        first, last = graph.node[0], graph.node[-1]
        first.input[0] = last.output[0]

    path = edit(export(ISNet(NANO), tmp_path / "w.onnx"), close)
    with pytest.raises(CheckpointError, match="in a circle"):
        load_weights(ISNet(NANO), path)


def only_the_mask(graph: Any) -> None:
    """As files for apps are written: one output, and what it needs."""
    renumber(graph)
    del graph.output[1:]
    needed = {graph.output[0].name}
    for node in reversed(list(graph.node)):
        if needed.isdisjoint(node.output):
            graph.node.remove(node)
        else:
            needed.update(node.input)


def test_a_file_with_the_mask_alone_leaves_the_other_sides(tmp_path: Path) -> None:
    source, network = ISNet(NANO).eval(), ISNet(NANO).eval()
    draw(source, 1)
    before = network.side2.weight.clone()
    taken = load_weights(network, edit(export(source, tmp_path / "w.onnx"), only_the_mask))
    assert str(taken) == "not in the file, and no part of the mask: side2, side3"
    photo = torch.rand(1, 3, 40, 56)
    with torch.no_grad():
        torch.testing.assert_close(network(photo)[0], source(photo)[0], atol=1e-5, rtol=0)
    assert torch.equal(before, network.side2.weight)


def test_of_other_networks_it_is_not_known_which_output_is_the_mask(tmp_path: Path) -> None:
    class Stranger(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.one, self.other = nn.Conv2d(3, 1, 1), nn.Conv2d(3, 1, 3, padding=1)

        def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
            return self.one(x), self.other(x)

    path = edit(export(Stranger(), tmp_path / "w.onnx"), only_the_mask)
    with pytest.raises(CheckpointError, match="the file lacks: other"):
        load_weights(Stranger(), path)


def test_a_network_of_another_family_is_recognized(tmp_path: Path) -> None:
    path = tmp_path / "w.onnx"
    torch.onnx.export(isnet().eval(), (torch.rand(1, 3, 64, 64),), path, dynamo=False)
    with torch.device("meta"):
        network = u2net()
    with pytest.raises(CheckpointError) as caught:
        load_weights(network, edit(path, renumber))
    assert "the file lacks: stage1.rebnconvin" in caught.value.what
    assert caught.value.remedy == "This looks like IS-Net: name isnet."


def test_quantized_files_are_named_as_such(tmp_path: Path) -> None:
    def quantize(graph: Any) -> None:
        conv_nodes(graph)[0].op_type = "ConvInteger"

    path = edit(export(ISNet(NANO), tmp_path / "w.onnx"), quantize)
    with pytest.raises(CheckpointError, match="is quantised"):
        load_weights(ISNet(NANO), path)


@pytest.mark.parametrize("kind", ["Conv", "Relu", "Concat"])
def test_nonsense_in_a_graph_is_damage(kind: str, tmp_path: Path) -> None:
    def break_(graph: Any) -> None:
        node = next(node for node in graph.node if node.op_type == kind)
        if kind == "Conv":
            del node.input[1:]
        elif kind == "Relu":
            del node.output[:]
        else:
            node.attribute[0].CopyFrom(onnx.helper.make_attribute("axis", [1.5, 2.5]))

    path = edit(export(ISNet(NANO), tmp_path / "w.onnx"), break_)
    with pytest.raises(CheckpointError, match="damaged"):
        load_weights(ISNet(NANO), path)
