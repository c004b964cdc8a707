"""TorchScript Lite and ExecuTorch files say what is image and what is mask, where they can."""

from __future__ import annotations

import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from maskport.artifacts.inspect import executorch, torchscript_lite
from maskport.exporters.executorch import _NamedEnds
from maskport.exporters.torchscript import _name_values, _Numbers, _rewrite, _source_of
from maskport.models.prepared import PreparedMask

from ...sdks import needed

pytestmark = pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::DeprecationWarning")


class Block(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, 4, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        return torch.relu(self.conv(x)) + 1


class Network(nn.Module):
    """The mask is returned as it comes, or once it was used again."""

    def __init__(self, again: bool) -> None:
        super().__init__()
        self.first, self.blocks = Block(3), nn.Sequential(Block(4), Block(4))
        self.again = again

    def forward(self, x: Tensor) -> Tensor:
        mask = torch.sigmoid(self.blocks(self.first(x)).mean(1, keepdim=True))
        return mask + mask * mask if self.again else mask


class Alike(nn.Module):
    """Its mask is a value that it computed with afterwards, in place of the last one."""

    def forward(self, x: Tensor) -> Tensor:
        mask = torch.sigmoid(x)
        return torch.where(mask > 0.5, mask, mask * mask)


Lite = Callable[[nn.Module], tuple[Path, Path]]


@pytest.fixture
def lite(tmp_path: Path) -> Lite:
    """Writes a network as torch does, and as maskport does."""

    def write(network: nn.Module) -> tuple[Path, Path]:
        traced = torch.jit.trace(PreparedMask(nn.Identity(), network), torch.rand(1, 3, 8, 8))
        torch.jit.save(traced, str(tmp_path / "trace.pt"))
        plain, ours = tmp_path / "plain.ptl", tmp_path / "ours.ptl"
        frozen = torch.jit.freeze(torch.jit.load(str(tmp_path / "trace.pt")))
        frozen._save_for_lite_interpreter(str(plain))
        _name_values(frozen.graph)
        frozen._save_for_lite_interpreter(str(tmp_path / "whole.ptl"))
        _rewrite(tmp_path / "whole.ptl", ours, _source_of(frozen))
        return plain, ours

    return write


NETWORKS = [Network(again=False), Network(again=True), Alike()]


@pytest.mark.parametrize("network", NETWORKS, ids=["as it comes", "used again", "where"])
def test_a_lite_file_names_image_and_mask(network: nn.Module, lite: Lite) -> None:
    _, ours = lite(network)
    bytecode = torchscript_lite.Bytecode(ours)
    assert (bytecode.inputs, bytecode.outputs) == (["image"], ["mask"])


@pytest.mark.parametrize("network", NETWORKS, ids=["as it comes", "used again", "where"])
def test_names_change_neither_the_bytecode_nor_what_its_torchscript_draws(
    network: nn.Module, lite: Lite
) -> None:
    plain, ours = lite(network)
    codes = [record(path, "bytecode.pkl") for path in (plain, ours)]
    assert _Numbers().repickled(codes[0]) == codes[1]
    assert torchscript_lite.Bytecode(plain).operators == torchscript_lite.Bytecode(ours).operators
    image = torch.rand(1, 3, 8, 8)
    assert torch.equal(torch.jit.load(str(ours))(image), torch.jit.load(str(plain))(image))


def test_what_the_process_has_made_before_is_not_seen(lite: Lite) -> None:
    """torch numbers the classes of all traces of a process."""
    network, image = Network(again=True), torch.rand(1, 3, 8, 8)
    first = lite(network)[1].read_bytes()
    for _ in range(12):
        torch.jit.freeze(torch.jit.trace(PreparedMask(nn.Identity(), network), image))
    plain, ours = lite(network)
    assert ours.read_bytes() == first != plain.read_bytes()


def test_values_are_named_after_modules_and_operators(lite: Lite) -> None:
    _, ours = lite(Network(again=False))
    source = record(ours, "___torch_mangle", "PreparedMask", "prepared").decode()
    for name in ("first_conv_convolution", "first_relu", "blocks_1_conv_convolution", "mean"):
        assert f"    {name} = torch." in source
    assert "body" not in source


def record(path: Path, *endings: str) -> bytes:
    """The one record whose name has one of these words."""
    with zipfile.ZipFile(path) as archive:
        (name,) = {n for n in archive.namelist() for word in endings if word in n}
        return archive.read(name)


@pytest.mark.sdk
@pytest.mark.slow
def test_an_executorch_file_names_image_and_mask(tmp_path: Path) -> None:
    needed("executorch.exir", "executorch")
    from executorch.backends.xnnpack.partition.xnnpack_partitioner import XnnpackPartitioner
    from executorch.exir import ExecutorchBackendConfig, to_edge_transform_and_lower

    view = PreparedMask(nn.Identity(), Network(again=False))
    program = torch.export.export(view, (torch.rand(1, 3, 8, 8),), strict=False)
    lowered = to_edge_transform_and_lower(program, partitioner=[XnnpackPartitioner()])
    path = tmp_path / "file.pte"
    config = ExecutorchBackendConfig(memory_planning_pass=_NamedEnds())
    path.write_bytes(lowered.to_executorch(config).buffer)
    found = executorch.Program(path)
    tensors = [found.values[i]["val"] for i in (*found.plan["inputs"], *found.plan["outputs"])]
    names = [tensor["extra_tensor_info"]["fully_qualified_name"] for tensor in tensors]
    assert names == ["image", "mask"]
    assert (found.identifier, found.version) == ("ET12", 0)
