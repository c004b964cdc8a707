"""What comes from outside is a regular file of limited size, or is refused by name at once."""

from __future__ import annotations

import os
import signal
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType
from typing import Any

import pytest
import torch
from torch import nn

from maskport.artifacts.bundle import load_bundle
from maskport.errors import ArtifactError, BundleError, InputError
from maskport.imaging.photos import list_photos, read_photo
from maskport.models.checkpoints import load_weights
from maskport.models.checksums import sha256_of
from maskport.models.factory import spec_from_toml
from maskport.outside import files
from maskport.outside.files import Kind, measured, opened, read_bytes
from maskport.quantization.recipe import read_recipe
from maskport.training.config import read_config
from maskport.validation.gates import load_gates
from maskport.validation.results import read_results

SMALL = Kind("a note", 8)


def as_manifest(path: Path) -> object:
    path.rename(path.with_name("manifest.json"))
    return load_bundle(path.parent)


def as_weights(path: Path) -> object:
    return load_weights(nn.Conv2d(1, 1, 1), path)


READERS: dict[str, Callable[[Path], Any]] = {
    "manifest": as_manifest,
    "results": read_results,
    "recipe": read_recipe,
    "gates": load_gates,
    "specification": spec_from_toml,
    "photo": read_photo,
    "weights": as_weights,
    "checksum": sha256_of,
    "configuration": read_config,
}
THINGS: dict[str, Callable[[Path], object]] = {
    "a named pipe": os.mkfifo,
    "a device": lambda path: path.symlink_to(os.devnull),
    "a folder": Path.mkdir,
}


@pytest.fixture(autouse=True)
def in_time() -> Iterator[None]:
    """A test that waits for a pipe fails instead."""

    def give_up(_number: int, _frame: FrameType | None) -> None:
        raise TimeoutError

    before = signal.signal(signal.SIGALRM, give_up)
    signal.alarm(20)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


@pytest.mark.parametrize("thing", THINGS)
@pytest.mark.parametrize("reader", READERS)
def test_what_is_no_regular_file_is_refused_by_name(
    tmp_path: Path, reader: str, thing: str
) -> None:
    path = tmp_path / "given.pth"
    THINGS[thing](path)
    with pytest.raises(InputError) as caught:
        READERS[reader](path)
    name = "manifest.json" if reader == "manifest" else path.name
    said = {"a folder": "a "}.get(thing, thing)
    if (reader, thing) == ("manifest", "a device"):
        said = "a link that leads out"
    assert f"{tmp_path / name} is {said}" in caught.value.what
    assert caught.value.remedy
    assert caught.value.exit_code == 2


def test_a_socket_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)  # a socket's path may be no longer than 107 bytes
    with socket.socket(socket.AF_UNIX) as one:
        one.bind("s.toml")
        with pytest.raises(InputError, match=r"s\.toml is a socket, and not a TOML file"):
            load_gates(Path("s.toml"))


@pytest.mark.parametrize("thing", ["a named pipe", "a device"])
def test_a_list_of_photos_is_a_regular_file(tmp_path: Path, thing: str) -> None:
    THINGS[thing](tmp_path / "list.txt")
    with pytest.raises(InputError, match="no folder or list of photos"):
        list_photos(tmp_path / "list.txt")


def test_a_pipe_that_takes_a_files_place_is_not_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pipe, file = tmp_path / "pipe", tmp_path / "file"
    os.mkfifo(pipe)
    file.write_bytes(b"1234")
    looked, real = os.stat(file), os.stat
    monkeypatch.setattr(os, "stat", lambda path: looked if path == pipe else real(path))
    with pytest.raises(InputError, match="named pipe"):
        opened(pipe, SMALL)


def test_a_link_to_a_file_is_followed(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"1234")
    (tmp_path / "link").symlink_to("file")
    assert read_bytes(tmp_path / "link", SMALL, inside=tmp_path) == b"1234"
    assert measured(tmp_path / "link", SMALL, "md5")[0] == 4


def test_a_bundle_that_is_a_link_is_read(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "real" / "file").write_bytes(b"1234")
    (tmp_path / "link").symlink_to("real")
    assert read_bytes(tmp_path / "link" / "file", SMALL, inside=tmp_path / "link") == b"1234"


@pytest.mark.parametrize("place", ["elsewhere", "bundle-2"])
def test_a_link_that_leads_out_is_refused_by_name(tmp_path: Path, place: str) -> None:
    for folder in ("bundle", place):
        (tmp_path / folder).mkdir()
    (tmp_path / place / "file").write_bytes(b"1234")
    (tmp_path / "bundle" / "held").symlink_to(tmp_path / place / "file")
    (tmp_path / "bundle" / "below").symlink_to(tmp_path / place)
    for name in ("held", "below/file"):
        with pytest.raises(ArtifactError, match=f"{name} is a link that leads out of .*bundle"):
            opened(
                tmp_path / "bundle" / name, SMALL, inside=tmp_path / "bundle", error=ArtifactError
            )


def test_a_link_in_a_circle_is_an_error_of_the_system(tmp_path: Path) -> None:
    (tmp_path / "loop").symlink_to("loop")
    with pytest.raises(OSError, match="symbolic links"):
        opened(tmp_path / "loop", SMALL, inside=tmp_path)


def test_a_file_that_is_too_large_is_refused_before_it_is_read(tmp_path: Path) -> None:
    path = tmp_path / "manifest.json"
    with path.open("wb") as file:
        file.truncate(1 << 40)  # takes no space
    readers = (lambda: load_bundle(tmp_path), lambda: load_gates(path), lambda: sha256_of(path))
    for reader in readers:
        with pytest.raises(InputError, match=r"manifest.json is too large: .* has 1,024.0 GiB"):
            reader()


def test_a_file_that_grows_is_read_no_further(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"123456789")
    monkeypatch.setattr(files, "_check", lambda *_: None)
    for reader in (read_bytes, measured):
        with pytest.raises(InputError, match="too large"):
            reader(path, SMALL)


def test_a_name_that_can_be_none_is_refused() -> None:
    with pytest.raises(InputError, match="is no path"):
        opened("a\0b", SMALL)


def test_a_manifest_that_is_a_link_out_of_its_bundle_is_refused(tmp_path: Path) -> None:
    (tmp_path / "bundle").mkdir()
    (tmp_path / "else.json").write_text("{}")
    (tmp_path / "bundle" / "manifest.json").symlink_to(tmp_path / "else.json")
    with pytest.raises(BundleError, match="leads out"):
        load_bundle(tmp_path / "bundle")


def test_the_weights_of_a_network_may_be_a_link_of_the_users(tmp_path: Path) -> None:
    network = nn.Conv2d(1, 1, 1)
    torch.save(network.state_dict(), tmp_path / "blob")
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "weights.pth").symlink_to(tmp_path / "blob")
    load_weights(nn.Conv2d(1, 1, 1), tmp_path / "a" / "weights.pth")
