"""ONNX files give their weights back to the network that they were exported from."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from maskport.errors import CheckpointError
from maskport.models.checkpoints import load_weights
from maskport.models.seeding import draw, seeded
from maskport.models.u2net import U2Net, u2net, u2netp

from ...sdks import needed

onnx = needed("onnx", "onnx")
pytestmark = pytest.mark.sdk

SIZE = (40, 56)


def export(network: nn.Module, path: Path, *, fold: bool = True) -> Path:
    modes = torch.onnx.TrainingMode
    torch.onnx.export(
        network.eval(),
        (torch.rand(1, 3, *SIZE),),
        path,
        dynamo=False,
        opset_version=17,
        do_constant_folding=fold,
        # With EVAL the exporter fuses batch norms even where constants are not folded.
        training=modes.EVAL if fold else modes.PRESERVE,
    )
    return path


def edit(path: Path, change: Callable[[Any], None]) -> Path:
    model = onnx.load(path)
    change(model.graph)
    onnx.save(model, path)
    return path


def renumber(graph: Any) -> None:
    """Numeric names for all, as older exporters gave them."""
    names = {tensor.name: str(index) for index, tensor in enumerate(graph.initializer, 1000)}
    for tensor in graph.initializer:
        tensor.name = names[tensor.name]
    for node in graph.node:
        node.input[:] = [names.get(name, name) for name in node.input]


@pytest.fixture
def trained(nano) -> U2Net:
    network: U2Net = nano()
    seeded(network, 4, SIZE)
    return network


@pytest.fixture(scope="session")
def exported(nano, tmp_path_factory: pytest.TempPathFactory) -> dict[bool, bytes]:
    """The same network's exports, with batch norms folded or not; made once."""
    network = nano()
    seeded(network, 4, SIZE)
    folder = tmp_path_factory.mktemp("exported")
    return {
        fold: export(network, folder / f"{fold}.onnx", fold=fold).read_bytes()
        for fold in (True, False)
    }


@pytest.fixture
def file(exported: dict[bool, bytes], tmp_path: Path) -> Path:
    """An export of `trained` with folded batch norms."""
    (tmp_path / "w.onnx").write_bytes(exported[True])
    return tmp_path / "w.onnx"


def assert_same_outputs(one: nn.Module, other: nn.Module) -> None:
    photo = torch.rand(1, 3, *SIZE, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        for given, expected in zip(one(photo), other(photo), strict=True):
            torch.testing.assert_close(given, expected, atol=1e-5, rtol=0)


@pytest.mark.parametrize("fold", [True, False])
def test_an_export_loads_into_its_network(nano, trained, exported, file: Path, fold: bool) -> None:
    file.write_bytes(exported[fold])
    kinds = {node.op_type for node in onnx.load(file).graph.node}
    assert ("BatchNormalization" in kinds) is not fold
    network = nano()
    load_weights(network, file)
    assert_same_outputs(network, trained)


@pytest.mark.parametrize("fold", [True, False])
def test_names_are_not_needed(nano, trained, exported, file: Path, fold: bool) -> None:
    file.write_bytes(exported[fold])
    path = edit(file, renumber)
    network = nano()
    load_weights(network, path)
    assert_same_outputs(network, trained)


def test_the_order_of_nodes_is_not_needed(nano, trained, file: Path) -> None:
    def shuffle(graph: Any) -> None:
        """Any order in which each node comes after what it reads."""
        renumber(graph)
        waiting, ready = list(graph.node), {t.name for t in graph.initializer}
        ready |= {value.name for value in graph.input} | {""}
        del graph.node[:]
        chance = random.Random(0)
        while waiting:
            node = chance.choice([n for n in waiting if ready.issuperset(n.input)])
            waiting.remove(node)
            ready.update(node.output)
            graph.node.append(node)

    path = edit(file, shuffle)
    network = nano()
    load_weights(network, path)
    assert_same_outputs(network, trained)


def test_a_folded_batch_norm_becomes_an_exact_identity(nano, file: Path) -> None:
    network = nano()
    load_weights(network, file)
    norms = [module for module in network.modules() if isinstance(module, nn.BatchNorm2d)]
    assert norms
    values = torch.randn(1, 4, 8, 8) * 100
    for norm in norms:
        with torch.no_grad():
            x = values[:, : norm.num_features]
            torch.testing.assert_close(norm(x), x, rtol=1e-6, atol=0)


def test_a_loaded_file_computes_what_the_runtime_computes(nano, file: Path) -> None:
    runtime = pytest.importorskip("onnxruntime")
    network = nano()
    load_weights(network, file)
    photo = torch.rand(1, 3, *SIZE)
    session = runtime.InferenceSession(file, providers=["CPUExecutionProvider"])
    expected = session.run(None, {session.get_inputs()[0].name: photo.numpy()})
    with torch.no_grad():
        for given, wanted in zip(network(photo), expected, strict=True):
            np.testing.assert_allclose(given.numpy(), wanted, atol=1e-5)


def test_half_precision_files_load_as_float32(nano, trained, file: Path) -> None:
    def halve(graph: Any) -> None:
        for tensor in graph.initializer:
            array = onnx.numpy_helper.to_array(tensor)
            if array.dtype == np.float32:
                tensor.CopyFrom(onnx.numpy_helper.from_array(array.astype(np.float16), tensor.name))

    network = nano()
    load_weights(network, edit(file, halve))
    assert network.side1.weight.dtype == torch.float32
    torch.testing.assert_close(network.side1.weight, trained.side1.weight, rtol=1e-3, atol=1e-3)


def test_biases_find_a_place_where_convolutions_have_none(tmp_path: Path) -> None:
    def make() -> nn.Module:
        return nn.Sequential(
            nn.Conv2d(3, 4, 3, padding="same", bias=False), nn.BatchNorm2d(4), nn.ReLU()
        ).eval()

    source, network = make(), make()
    draw(source, 1)
    load_weights(network, edit(export(source, tmp_path / "w.onnx"), renumber))
    photo = torch.rand(1, 3, *SIZE)
    with torch.no_grad():
        torch.testing.assert_close(network(photo), source(photo), atol=1e-5, rtol=0)


def test_twins_that_read_one_value_are_told_apart(tmp_path: Path) -> None:
    class Heads(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.left, self.right = nn.Conv2d(3, 4, 1), nn.Conv2d(3, 4, 1)
            self.last = nn.Conv2d(8, 1, 1)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.last(torch.cat((self.left(x), self.right(x).relu()), 1))

    source, network = Heads().eval(), Heads().eval()
    load_weights(network, edit(export(source, tmp_path / "w.onnx"), renumber))
    assert torch.equal(network.right.weight, source.right.weight)


@pytest.mark.shared
def test_trained_u2netp_survives_the_journey(shared: Path, tmp_path: Path) -> None:
    source, network = u2netp().eval(), u2netp().eval()
    load_weights(source, shared / "weights" / "u2netp_sky.pth")
    load_weights(network, edit(export(source, tmp_path / "w.onnx"), renumber))
    assert_same_outputs(network, source)


# Files that don't fit.


def test_another_known_network_is_recognized(tmp_path: Path) -> None:
    path = edit(export(u2netp(4, sigmoid=False), tmp_path / "w.onnx"), renumber)
    with torch.device("meta"):
        network = u2net(4)
    with pytest.raises(CheckpointError) as caught:
        load_weights(network, path)
    assert "the file lacks: stage1.rebnconv1.conv_s1 (32x64x3x3)" in caught.value.what
    assert "U²-Netp with 4 output channels" in caught.value.remedy


def conv_nodes(graph: Any) -> list[Any]:
    return [node for node in graph.node if node.op_type == "Conv"]


def undilate(graph: Any) -> None:
    for node in conv_nodes(graph):
        for attribute in node.attribute:
            if attribute.name == "dilations" and attribute.ints[0] == 2:
                attribute.ints[:] = [1, 1]
                return


def swap_sources(graph: Any) -> None:
    concat = next(n for n in graph.node if n.op_type == "Concat" and len(n.input) == 2)
    concat.input[:] = reversed(concat.input)


def soften(graph: Any) -> None:
    next(node for node in graph.node if node.op_type == "Relu").op_type = "LeakyRelu"


def drop_last(graph: Any) -> None:
    last = conv_nodes(graph)[-1]
    last.op_type = "Neg"
    del last.input[1:], last.attribute[:]


def nearest(graph: Any) -> None:
    for node in graph.node:
        for attribute in node.attribute:
            if node.op_type == "Resize" and attribute.name == "mode":
                attribute.s = b"nearest"


@pytest.mark.parametrize("change", [undilate, swap_sources, soften, drop_last, nearest])
def test_another_graph_is_refused_with_the_first_difference(
    nano, file: Path, change: Callable[[Any], None]
) -> None:
    path = edit(edit(file, renumber), change)
    network = nano()
    before = network.side1.weight.clone()
    with pytest.raises(CheckpointError, match="first one that the file lacks: "):
        load_weights(network, path)
    assert torch.equal(before, network.side1.weight)


def test_external_data_is_refused(nano, file: Path) -> None:
    onnx.save(onnx.load(file), file, save_as_external_data=True, location="data", size_threshold=0)
    with pytest.raises(CheckpointError, match="keeps tensors in other files"):
        load_weights(nano(), file)


def test_computed_weights_are_refused(nano, file: Path) -> None:
    def compute(graph: Any) -> None:
        conv = conv_nodes(graph)[0]
        graph.node.insert(0, onnx.helper.make_node("Abs", [conv.input[1]], ["computed"]))
        conv.input[1] = "computed"

    path = edit(file, compute)
    with pytest.raises(CheckpointError, match="are computed"):
        load_weights(nano(), path)


def test_tensors_smaller_than_they_claim_are_refused(nano, file: Path) -> None:
    def claim(graph: Any) -> None:
        graph.initializer[0].dims[:] = [10**6, 10**6]

    path = edit(file, claim)
    with pytest.raises(CheckpointError, match="damaged, incomplete or no ONNX file"):
        load_weights(nano(), path)


@pytest.mark.parametrize("kept", [0.1, 0.5, 0.99])
def test_truncated_files_are_refused(nano, file: Path, kept: float) -> None:
    whole = file.read_bytes()
    file.write_bytes(whole[: int(len(whole) * kept)])
    with pytest.raises(CheckpointError):
        load_weights(nano(), file)


def test_weights_that_are_not_finite_are_named(nano, trained, tmp_path: Path) -> None:
    with torch.no_grad():
        trained.side2.weight[0, 0, 0, 0] = float("nan")
    path = edit(export(trained, tmp_path / "w.onnx"), renumber)
    with pytest.raises(CheckpointError, match=r"NaN or infinite values:\n  side2\.weight"):
        load_weights(nano(), path)


def test_a_network_with_other_layers_asks_for_a_file_with_names(file: Path) -> None:
    network = nn.Sequential(nn.Conv2d(3, 1, 1), nn.ConvTranspose2d(1, 1, 2))
    with pytest.raises(CheckpointError, match=r"weights outside of convolutions \(1\)") as caught:
        load_weights(network, file)
    assert ".safetensors" in caught.value.remedy


def test_the_weights_of_an_onnx_file_have_no_key(nano, file: Path) -> None:
    with pytest.raises(CheckpointError, match="is an ONNX file"):
        load_weights(nano(), file, "ema")


def test_a_file_without_a_suffix_is_known_by_its_content(nano, file: Path) -> None:
    load_weights(nano(), file.rename(file.with_name("best")))
