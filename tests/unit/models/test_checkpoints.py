"""Weights go in whole or not at all, and a file that can't be used says why."""

from __future__ import annotations

import argparse
import os
import pickle
import zipfile
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from maskport.errors import CheckpointError
from maskport.models.checkpoints import load_weights, read_state_dict, sha256_of
from maskport.models.seeding import seeded
from maskport.models.u2net import u2net, u2netp

TENSORS = {"a": torch.arange(3.0), "b": torch.ones(2, 2)}


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


@pytest.mark.parametrize("nest", ["state_dict", "model", "model_state_dict", "net", "params"])
@pytest.mark.parametrize("prefix", ["", "module.", "_orig_mod.", "module._orig_mod."])
def test_nesting_and_prefixes_of_training_programs_are_undone(
    tmp_path: Path, nest: str, prefix: str
) -> None:
    inner = {prefix + name: tensor for name, tensor in TENSORS.items()}
    path = save({"epoch": 3, "optimizer": {"lr": 0.1}, nest: inner}, tmp_path / "w.pth")
    assert read_state_dict(path).keys() == TENSORS.keys()


def test_a_prefix_that_only_some_names_have_is_a_name(tmp_path: Path) -> None:
    path = save({"module.a": torch.ones(1), "b": torch.ones(1)}, tmp_path / "w.pth")
    assert read_state_dict(path).keys() == {"module.a", "b"}


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_other_precisions_become_float32(tmp_path: Path, dtype: torch.dtype) -> None:
    state = read_state_dict(save({"a": torch.ones(3, dtype=dtype)}, tmp_path / "w.pth"))
    assert state["a"].dtype == torch.float32


def test_the_counter_of_batches_may_be_missing(nano, trained, tmp_path: Path) -> None:
    state = {k: v for k, v in trained.state_dict().items() if "num_batches" not in k}
    network = nano()
    load_weights(network, save(state, tmp_path / "w.pth"))
    assert_same_weights(network, trained)


@pytest.mark.shared
def test_trained_weights_load(shared: Path) -> None:
    path = shared / "weights" / "u2netp_sky.pth"
    network = u2netp()
    load_weights(network, path)
    assert torch.equal(network.side1.bias, read_state_dict(path)["side1.bias"])


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
def test_another_known_network_is_recognised(tmp_path: Path, outputs: int, said: str) -> None:
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


# Files that are something else.


class Harmful:
    """Makes a file when a pickle of it is read without care."""

    marker = ""

    def __reduce__(self):
        return os.system, (f"touch {self.marker}",)


@pytest.mark.parametrize("zipped", [True, False])
def test_a_pickle_that_runs_code_is_refused_and_does_not_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, zipped: bool
) -> None:
    monkeypatch.setattr(Harmful, "marker", str(tmp_path / "ran"))
    state = {"a": Harmful()}
    path = save(state, tmp_path / "w.pth", _use_new_zipfile_serialization=zipped)
    with pytest.raises(CheckpointError, match=r"asks for \w+\.system to be called") as caught:
        read_state_dict(path)
    assert "state_dict()" in caught.value.remedy
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("content", [nn.Conv2d(1, 1, 1), {"args": argparse.Namespace(), **TENSORS}])
def test_foreign_classes_are_named_with_the_remedy(tmp_path: Path, content: object) -> None:
    with pytest.raises(CheckpointError, match=r"asks for [\w.]*(Conv2d|Namespace)") as caught:
        read_state_dict(save(content, tmp_path / "w.pth"))
    assert "torch.save(network.state_dict()" in caught.value.remedy


def test_torchscript_archives_are_named_as_such(tmp_path: Path) -> None:
    torch.jit.trace(nn.Conv2d(1, 1, 1), torch.ones(1, 1, 2, 2)).save(str(tmp_path / "w.pt"))
    with pytest.raises(CheckpointError, match="TorchScript archive"):
        read_state_dict(tmp_path / "w.pt")


def test_an_archive_that_inflates_is_refused(tmp_path: Path) -> None:
    good = save(TENSORS, tmp_path / "good.pth")
    with (
        zipfile.ZipFile(good) as source,
        zipfile.ZipFile(tmp_path / "bomb.pth", "w", zipfile.ZIP_DEFLATED) as bomb,
    ):
        for member in source.namelist():
            data = bytes(10_000_000) if member.endswith("data/0") else source.read(member)
            bomb.writestr(member, data)
    with pytest.raises(CheckpointError, match="inflate"):
        read_state_dict(tmp_path / "bomb.pth")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"a": torch.ones(1).expand(10**6, 10**6)}, r"a: shape .* larger than the data behind it"),
        ({str(i): v for i, v in enumerate([torch.ones(10**5)] * 9)}, "tensors of 3,600,000 bytes"),
        ({"a": torch.empty(3, device="meta")}, "a: a tensor without data"),
        ({"a": torch.eye(2).to_sparse()}, "a: a sparse or quantised tensor"),
        ({"a": torch.ones(1), "b": 3, 4: "x"}, "b: not a tensor but int\n  4: its name is not"),
        ([torch.ones(1)], "holds a list"),
        ({}, "holds nothing"),
        ({"model": TENSORS, "net": TENSORS}, "several sets of weights: model, net"),
    ],
)
def test_what_is_no_state_dict_is_described(tmp_path: Path, content: object, message: str) -> None:
    with pytest.raises(CheckpointError, match=message):
        read_state_dict(save(content, tmp_path / "w.pth"))


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("w.pth", b"", "is empty"),
        ("w.pth", b"\n<!DOCTYPE html><html>Sign in</html>", "web page"),
        ("w.pth", b"version https://git-lfs.github.com/spec/v1\noid sha256:00", "Git LFS pointer"),
        ("w.pth", b"just some text\n" * 9, "damaged, incomplete or no PyTorch file"),
        ("w.pth", b"\x80\x02" + b"]" * 100_000 + b"a" * 99_999 + b".", "damaged, incomplete"),
        ("w.pth", b"PK\x03\x04" + bytes(99), "damaged, incomplete or no PyTorch file"),
        ("w.pth", pickle.dumps({"a": 1}), "damaged, incomplete or no PyTorch file"),
        ("w.safetensors", b"\xff" * 8 + b"{}", "no safetensors file"),
        ("w.safetensors", b"hello", "no safetensors file"),
        ("w.onnx", b"\x08\x07" + bytes(99), "no ONNX file"),
        ("w.onnx", b"\x08\x07", "no ONNX file"),
        ("w.zip", b"PK\x03\x04", "suffix '.zip'; weights are read from .pth, .pt"),
    ],
)
def test_foreign_files_are_refused(
    nano, tmp_path: Path, name: str, content: bytes, message: str
) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(CheckpointError, match=message):
        load_weights(nano(), tmp_path / name)


@pytest.mark.parametrize("kind", ["zip", "old", "safetensors"])
@pytest.mark.parametrize("kept", [0.1, 0.5, 0.99])
def test_truncated_files_are_refused(trained, tmp_path: Path, kind: str, kept: float) -> None:
    path = tmp_path / ("w.safetensors" if kind == "safetensors" else "w.pth")
    if kind == "safetensors":
        save_file(trained.state_dict(), path)
    else:
        save(trained.state_dict(), path, _use_new_zipfile_serialization=kind == "zip")
    whole = path.read_bytes()
    path.write_bytes(whole[: int(len(whole) * kept)])
    with pytest.raises(CheckpointError, match="damaged, incomplete"):
        read_state_dict(path)


def test_missing_files_and_directories_are_named(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="There is no file"):
        read_state_dict(tmp_path / "absent.pth")
    with pytest.raises(CheckpointError, match="is a directory"):
        read_state_dict(tmp_path)
