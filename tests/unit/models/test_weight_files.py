"""A weights file that can't be used says why, and none runs code."""

from __future__ import annotations

import argparse
import contextlib
import io
import os
import pickle
import struct
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from maskport.errors import CheckpointError
from maskport.models.checkpoints import load_weights
from maskport.models.seeding import seeded


class Two(nn.Module):
    """A network of two tensors."""

    def __init__(self) -> None:
        super().__init__()
        self.a = nn.Parameter(torch.zeros(3))
        self.b = nn.Parameter(torch.zeros(2, 2))


TENSORS = {"a": torch.arange(3.0), "b": torch.ones(2, 2)}


with zipfile.ZipFile(_content := io.BytesIO(), "w") as _archive:
    _archive.writestr("readme.txt", "no weights")
EMPTY_ZIP = _content.getvalue()


@pytest.fixture
def trained(nano):
    """A nano network with weights worth comparing."""
    network = nano()
    seeded(network, 4, (40, 56))
    return network


def save(state: object, path: Path, **options: bool) -> Path:
    torch.save(state, path, **options)
    return path


def read(path: Path) -> None:
    load_weights(Two(), path)


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
        read(path)
    assert "state_dict()" in caught.value.remedy
    assert not (tmp_path / "ran").exists()


class Called:
    """What else a pickle may call on its way; none of it is to run."""

    def __init__(self, function: Callable[..., object], *arguments: object) -> None:
        self.call = function, arguments

    def __reduce__(self) -> Any:
        return self.call


@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize(
    "trap",
    [
        Called(eval, "open('ran', 'w')"),
        Called(exec, "open('ran', 'w')"),
        Called(__import__("subprocess").call, ["touch", "ran"]),
        Called(__import__("importlib").import_module, "trap"),
        Called(__import__("pathlib").Path("ran").touch),
        Called(__import__("runpy").run_path, "trap.py"),
    ],
    ids=["eval", "exec", "subprocess", "import", "a path's method", "runpy"],
)
def test_no_call_of_a_pickle_is_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, trap: object, zipped: bool
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "trap.py").write_text("open('ran', 'w')")
    state = {**TENSORS, "args": trap}
    path = save(state, tmp_path / "w.pth", _use_new_zipfile_serialization=zipped)
    with contextlib.suppress(CheckpointError):  # a few of them are blanks, and do nothing
        read(path)
    assert not (tmp_path / "ran").exists()


def test_the_functions_of_a_file_are_not_even_imported(tmp_path: Path, monkeypatch) -> None:
    """A class is known by its name; a module beside the file stays where it is."""
    (tmp_path / "trap.py").write_text("class Config: pass\nopen('ran', 'w')")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    module = __import__("trap")
    (tmp_path / "ran").unlink()
    path = save({**TENSORS, "config": module.Config()}, tmp_path / "w.pth")
    del sys.modules["trap"]
    read(path)
    assert "trap" not in sys.modules
    assert not (tmp_path / "ran").exists()


def test_what_is_allowed_while_a_file_is_read_is_not_afterwards(tmp_path: Path) -> None:
    before = set(torch.serialization.get_safe_globals())
    path = save({**TENSORS, "args": argparse.Namespace(lr=0.1)}, tmp_path / "w.pth")
    read(path)
    assert set(torch.serialization.get_safe_globals()) == before
    with pytest.raises(pickle.UnpicklingError):
        torch.load(path, weights_only=True)


def test_a_state_of_a_harmless_class_is_forgotten(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(Harmful, "marker", str(tmp_path / "ran"))
    trapped = argparse.Namespace()
    vars(trapped).update({"__setstate__": Harmful(), "__class__": Harmful, "__del__": Harmful()})
    with pytest.raises(CheckpointError, match=r"asks for \w+\.system to be called"):
        read(save({**TENSORS, "args": trapped}, tmp_path / "w.pth"))
    assert not (tmp_path / "ran").exists()


def test_a_pickle_of_more_classes_than_any_program_saves_is_refused(tmp_path: Path) -> None:
    """Each costs time while a pickle is read, so that many would be a way to waste it."""
    kinds = [type(f"Kind{i}", (), {"__module__": __name__}) for i in range(300)]
    for kind in kinds:
        globals()[kind.__name__] = kind
    with pytest.raises(CheckpointError, match="asks for"):
        read(save({**TENSORS, "kinds": kinds}, tmp_path / "w.pth"))


@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize(
    ("content", "message"),
    [
        (nn.Conv2d(1, 1, 1), "holds a (Conv2d|network as a whole), not tensors by name"),
        (
            {"model": nn.Conv2d(1, 1, 1), "epoch": 3},
            r"no tensors by name:\n  model: a Conv2d|network as a whole",
        ),
    ],
)
def test_whole_networks_are_named_with_the_remedy(
    tmp_path: Path, content: object, message: str, zipped: bool
) -> None:
    path = save(content, tmp_path / "w.pth", _use_new_zipfile_serialization=zipped)
    with pytest.raises(CheckpointError, match=message) as caught:
        read(path)
    assert "torch.save(network.state_dict()" in caught.value.remedy


def test_torchscript_archives_are_named_as_such(tmp_path: Path) -> None:
    torch.jit.trace(nn.Conv2d(1, 1, 1), torch.ones(1, 1, 2, 2)).save(str(tmp_path / "w.pt"))
    with pytest.raises(CheckpointError, match="TorchScript archive"):
        read(tmp_path / "w.pt")


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
        read(tmp_path / "bomb.pth")


def pickled_as(content: bytes, path: Path) -> Path:
    """A PyTorch file with another pickle in it."""
    good = save(TENSORS, path.with_name("good.pth"))
    with zipfile.ZipFile(good) as source, zipfile.ZipFile(path, "w") as target:
        for member in source.namelist():
            target.writestr(member, content if member.endswith("data.pkl") else source.read(member))
    return path


@pytest.mark.parametrize("kind", ["zip", "old"])
@pytest.mark.parametrize(
    "content",
    [
        b"\x80\x02)" + b"\x85" * 1_500_000 + b".",  # tuples in tuples; six millions take 30 s
        b"\x80\x02" + b"]" * 1_500_000 + b"a" * 1_499_999 + b".",
        b"\x80\x02](" + b"K\x01" * 1_500_000 + b"e.",
    ],
)
def test_a_pickle_of_too_many_operations_is_refused_unread(
    tmp_path: Path, content: bytes, kind: str, monkeypatch
) -> None:
    path = tmp_path / "w.pth"
    if kind == "zip":
        pickled_as(content, path)
    else:
        path.write_bytes(content)
    monkeypatch.setattr(torch, "load", lambda *_, **__: pytest.fail("torch reads it"))
    with pytest.raises(CheckpointError, match="more than 1,000,000 operations"):
        read(path)


@pytest.mark.parametrize("kind", ["zip", "old"])
def test_a_pickle_of_too_many_bytes_is_refused_unread(
    tmp_path: Path, kind: str, monkeypatch
) -> None:
    content = b"\x80\x02X" + (10_000).to_bytes(4, "little") + b"a" * 10_000 + b"."
    path = tmp_path / "w.pth"
    if kind == "zip":
        pickled_as(content, path)
    else:
        path.write_bytes(content)
    monkeypatch.setattr("maskport.models.weight_files.LARGEST_PICKLE", 5_000)
    monkeypatch.setattr(torch, "load", lambda *_, **__: pytest.fail("torch reads it"))
    with pytest.raises(CheckpointError, match="more than 5,000 bytes beside its tensors"):
        read(path)


def test_a_list_of_more_things_than_networks_have_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="more than 200,000 things"):
        read(save(dict.fromkeys(map(str, range(250_000)), 1), tmp_path / "w.pth"))


def test_an_archive_of_several_disks_is_damaged(tmp_path: Path) -> None:
    path = save(TENSORS, tmp_path / "w.pth")
    whole = bytearray(path.read_bytes())
    end = whole.rindex(b"PK\x05\x06")
    locator = b"PK\x06\x07" + struct.pack("<LQL", 1, end, 2)
    path.write_bytes(whole[:end] + locator + whole[end:])
    with pytest.raises(CheckpointError, match="damaged archive"):
        read(path)


def test_a_tensor_that_is_marked_as_a_folder_is_refused(tmp_path: Path) -> None:
    """PyTorch would read nothing, and take what happens to be in memory."""
    path = save(TENSORS, tmp_path / "w.pth")
    whole = bytearray(path.read_bytes())
    entry = whole.index(b"/data/0", whole.index(b"PK\1\2"))  # its name in the directory
    start = whole.rindex(b"PK\1\2", 0, entry)
    whole[start + 38] |= 0x10
    path.write_bytes(whole)
    with pytest.raises(CheckpointError, match="data/0 is marked as a folder"):
        read(path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"a": torch.ones(1).expand(10**6, 10**6)}, r"a: shape .* larger than the data behind it"),
        ({str(i): v for i, v in enumerate([torch.ones(10**5)] * 9)}, "tensors of 3,600,000 bytes"),
        ({"a": torch.empty(3, device="meta")}, "a: a tensor without data"),
        ({"a": torch.eye(2).to_sparse()}, "a: a sparse or quantised tensor"),
        ({"a": torch.ones(3), "b": 3, 4: "x"}, "b: not a tensor but int"),
        ({"a": torch.ones(3), "b": np.ones((2, 2))}, "b: not a tensor but _reconstruct"),
        ([torch.ones(1)], "holds 1 tensors without names"),
        ({}, "holds nothing"),
        ([], "holds nothing"),
        ({"epoch": 3, "lr": 0.1}, "no tensors by name:\n  epoch: a int"),
        ({"model": [torch.ones(3), torch.ones(2, 2)]}, "holds 2 tensors without names"),
        ({"c.a": torch.ones(3), "c": {"a": torch.ones(3)}}, "two tensors of one name"),
    ],
)
def test_what_is_no_state_dict_is_described(tmp_path: Path, content: object, message: str) -> None:
    with pytest.raises(CheckpointError, match=message):
        read(save(content, tmp_path / "w.pth"))


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
        ("w.xyz", b"what is this", r"suffix '\.xyz' is none of \.pth, \.pt"),
        ("best", b"what is this", "suffix '' is none of"),
        ("w.zip", EMPTY_ZIP, "ZIP archive, but not one that PyTorch wrote"),
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
        read(path)


def test_missing_files_and_directories_are_named(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="There is no file"):
        read(tmp_path / "absent.pth")
    with pytest.raises(CheckpointError, match="is a directory"):
        read(tmp_path)


def test_a_pickle_that_is_named_safetensors_is_refused(tmp_path: Path) -> None:
    """Whoever was given a file of that name trusts that it is no pickle."""
    path = save(TENSORS, tmp_path / "w.safetensors")
    with pytest.raises(CheckpointError, match="no safetensors file"):
        read(path)


def flip(path: Path, member: str) -> None:
    """Change one bit in the middle of a member of an archive."""
    with zipfile.ZipFile(path) as archive:
        name = next(n for n in archive.namelist() if n.endswith(member))
        data = archive.read(name)
    content = bytearray(path.read_bytes())
    content[content.index(data) + len(data) // 2] ^= 1
    path.write_bytes(content)


@pytest.mark.parametrize("member", ["data/0", "data.pkl"])
def test_a_bit_that_was_flipped_is_seen(tmp_path: Path, member: str) -> None:
    """torch reads such a file without a word, and draws another mask with it."""
    noise = torch.rand(3, generator=torch.Generator().manual_seed(0))
    path = save({**TENSORS, "a": noise}, tmp_path / "w.pth")
    flip(path, member)
    with pytest.raises(CheckpointError, match=rf"damaged: what it holds as .*{member}"):
        read(path)


def test_files_that_were_written_without_checksums_load(tmp_path: Path) -> None:
    before = torch.serialization.get_crc32_options()
    torch.serialization.set_crc32_options(False)
    try:
        path = save(TENSORS, tmp_path / "w.pth")
    finally:
        torch.serialization.set_crc32_options(before)
    read(path)
