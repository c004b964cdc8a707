"""Weights go in whole or not at all, and a file that can't be used says why."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from maskport.errors import CheckpointError
from maskport.models.checkpoints import load_weights, sha256_of
from maskport.models.seeding import seeded
from maskport.models.u2net import u2net, u2netp


@pytest.fixture
def trained(nano):
    """A nano network with weights worth comparing."""
    network = nano()
    seeded(network, 4, (40, 56))
    return network


def assert_same_weights(one: nn.Module, other: nn.Module) -> None:
    for name, tensor in one.state_dict().items():
        assert torch.equal(tensor, other.state_dict()[name]), name


def save(state: object, path: Path, **options: bool) -> Path:
    torch.save(state, path, **options)
    return path


# Files that are fine.


@pytest.mark.parametrize("suffix", [".pth", ".pt", ".bin", ".ckpt"])
@pytest.mark.parametrize("zipped", [True, False])
def test_pytorch_files_of_both_formats_load(
    nano, trained, tmp_path: Path, suffix: str, zipped: bool
) -> None:
    state = trained.state_dict()
    path = save(state, tmp_path / f"w{suffix}", _use_new_zipfile_serialization=zipped)
    network = nano()
    load_weights(network, path)
    assert_same_weights(network, trained)


def test_safetensors_load(nano, trained, tmp_path: Path) -> None:
    save_file(trained.state_dict(), tmp_path / "w.safetensors")
    network = nano()
    load_weights(network, tmp_path / "w.safetensors")
    assert_same_weights(network, trained)


@pytest.mark.parametrize("name", ["w.pth.tar", "W.PTH", "w.CKPT", "w.model", "best", "w.tar"])
@pytest.mark.parametrize("zipped", [True, False])
def test_a_file_is_known_by_its_content_whatever_its_name(
    nano, trained, tmp_path: Path, name: str, zipped: bool
) -> None:
    state = trained.state_dict()
    path = save(state, tmp_path / name, _use_new_zipfile_serialization=zipped)
    network = nano()
    load_weights(network, path)
    assert_same_weights(network, trained)


@pytest.mark.parametrize("name", ["w.SAFETENSORS", "model", "w.bin", "w.pth"])
def test_safetensors_are_known_by_their_content(nano, trained, tmp_path: Path, name: str) -> None:
    save_file(trained.state_dict(), tmp_path / name)
    network = nano()
    load_weights(network, tmp_path / name)
    assert_same_weights(network, trained)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_other_precisions_become_float32(tmp_path: Path, dtype: torch.dtype) -> None:
    network = nn.Linear(3, 1, bias=False)
    load_weights(network, save({"weight": torch.full((1, 3), 0.5, dtype=dtype)}, tmp_path / "w"))
    assert network.weight.dtype == torch.float32
    assert network.weight.tolist() == [[0.5] * 3]


def test_the_counter_of_batches_may_be_missing(nano, trained, tmp_path: Path) -> None:
    state = {k: v for k, v in trained.state_dict().items() if "num_batches" not in k}
    network = nano()
    load_weights(network, save(state, tmp_path / "w.pth"))
    assert_same_weights(network, trained)


@pytest.mark.parametrize("kind", [torch.int32, torch.float16, torch.complex64, None], ids=str)
def test_a_counter_in_another_type_or_shape_is_no_reason_to_refuse(
    nano, trained, tmp_path: Path, kind: torch.dtype | None
) -> None:
    state = trained.state_dict()
    counter = next(name for name in state if name.endswith("num_batches_tracked"))
    state[counter] = state[counter].reshape(1) if kind is None else state[counter].to(kind)
    network = nano()
    torch.save(state, tmp_path / "w.pth")
    load_weights(network, tmp_path / "w.pth")
    weight = "stage1.rebnconvin.conv_s1.weight"
    assert torch.equal(network.state_dict()[weight], state[weight])


def test_weights_of_another_type_are_not_called_another_network(tmp_path: Path) -> None:
    """The network is U²-Netp already: its name is no remedy."""
    network = u2netp()
    state = network.state_dict()
    weight = "stage1.rebnconvin.conv_s1.weight"
    state[weight] = (state[weight] * 100).to(torch.int8)
    torch.save(state, tmp_path / "w.pth")
    with pytest.raises(CheckpointError, match="int8 in the file") as caught:
        load_weights(network, tmp_path / "w.pth")
    assert "the types are not" in caught.value.remedy
    assert "u2netp" not in caught.value.remedy


def test_counters_that_were_averaged_are_counters_all_the_same(
    nano, trained, tmp_path: Path
) -> None:
    """Averages of whole state dicts make floats of whole numbers, and NaN of what overflowed."""
    state = {**trained.state_dict()}
    counters = [name for name in state if name.endswith("num_batches_tracked")]
    state |= {name: torch.tensor(1234.6) for name in counters}
    state[counters[0]] = torch.tensor(float("nan"))
    network = nano()
    load_weights(network, save(state, tmp_path / "w.pth"))
    assert network.state_dict()[counters[1]].item() == 1235
    assert network.state_dict()[counters[1]].dtype == torch.int64


class Table(nn.Module):
    """A network with a table of whole numbers, as windowed attention has."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(1))
        self.register_buffer("index", torch.arange(4))


def test_a_table_that_was_averaged_is_the_same_or_refused(tmp_path: Path) -> None:
    # 0.9 and 0.1 parts of a whole number in float32 miss it by a rounding.
    averaged = torch.arange(4) * 0.9 + torch.arange(4) * 0.1
    state = {"scale": torch.ones(1), "index": averaged}
    network = Table()
    load_weights(network, save(state, tmp_path / "w.pth"))
    assert network.index.tolist() == [0, 1, 2, 3]
    state["index"] = averaged.flip(0)
    with pytest.raises(CheckpointError, match="1 of the wrong shape or type:\n  index"):
        load_weights(network, save(state, tmp_path / "w.pth"))


@pytest.mark.shared
def test_trained_weights_load(shared: Path) -> None:
    path = shared / "weights" / "u2netp_sky.pth"
    network = u2netp()
    load_weights(network, path)
    saved = torch.load(path, weights_only=True)
    assert torch.equal(network.side1.bias, saved["side1.bias"])


def test_the_checksum_is_the_standards(tmp_path: Path) -> None:
    (tmp_path / "abc").write_bytes(b"abc")
    # FIPS 180-4, first example of SHA-256.
    assert sha256_of(tmp_path / "abc").startswith("ba7816bf8f01cfea414140de5dae2223")


# Files that don't fit.


def test_a_misfit_lists_what_is_wrong_and_changes_nothing(nano, trained, tmp_path: Path) -> None:
    state = dict(trained.state_dict())
    del state["side1.weight"]
    state["side9.weight"] = torch.ones(1)
    state["outconv.weight"] = torch.ones(2, 3, 1, 1)
    path = save(state, tmp_path / "w.pth")
    network = nano()
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    with pytest.raises(CheckpointError) as caught:
        load_weights(network, path)
    assert "1 missing from the file:\n  side1.weight" in caught.value.what
    assert "1 unexpected in the file:\n  side9.weight" in caught.value.what
    assert "outconv.weight: 2x3x1x1 in the file, 1x3x1x1 in the network" in caught.value.what
    assert all(torch.equal(before[name], t) for name, t in network.state_dict().items())


def test_ten_names_are_listed_and_the_rest_counted(nano, tmp_path: Path) -> None:
    path = save({f"x{index:02}": torch.ones(1) for index in range(37)}, tmp_path / "w.pth")
    with pytest.raises(CheckpointError, match=r"37 unexpected(.*\n)*  x09\n  and 27 more"):
        load_weights(nano(), path)


def test_integers_are_no_weights(nano, trained, tmp_path: Path) -> None:
    state = {**trained.state_dict(), "side1.bias": torch.ones(1, dtype=torch.int8)}
    with pytest.raises(CheckpointError, match=r"side1\.bias: 1 int8 in the file, 1 in the network"):
        load_weights(nano(), save(state, tmp_path / "w.pth"))


@pytest.mark.parametrize(("outputs", "said"), [(1, "name u2netp"), (4, "u2netp(4)")])
def test_another_known_network_is_recognized(tmp_path: Path, outputs: int, said: str) -> None:
    path = save(u2netp(outputs).state_dict(), tmp_path / "w.pth")
    with torch.device("meta"):
        network = u2net(outputs)
    with pytest.raises(CheckpointError) as caught:
        load_weights(network, path)
    assert said in caught.value.remedy


def test_weights_that_are_not_finite_are_named(nano, trained, tmp_path: Path) -> None:
    with torch.no_grad():
        trained.side2.weight[0, 0, 0, 0] = float("nan")
        trained.outconv.bias[0] = float("inf")
    path = save(trained.state_dict(), tmp_path / "w.pth")
    with pytest.raises(CheckpointError, match="2 tensors with NaN or inf") as caught:
        load_weights(nano(), path)
    assert "side2.weight" in caught.value.what and "outconv.bias" in caught.value.what
