"""`maskport inspect`: what is in any file, and a clear refusal of what is none."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest

from maskport.cli.main import main
from maskport.processes.sandbox import landlock_version

from ..artifacts.inspect.openvino_files import NET, write_xml

OK, WRONG_USE = 0, 2


class Ended(NamedTuple):
    code: int
    out: str
    err: str


Command = Callable[..., Ended]


@pytest.fixture
def inspect(capfd: pytest.CaptureFixture[str]) -> Command:
    """`inspect(file, *options)`: the command in this process, the file read in another."""

    def run(*arguments: str | Path) -> Ended:
        with pytest.raises(SystemExit) as caught:
            main(["inspect", *map(str, arguments)])
        assert isinstance(caught.value.code, int)
        return Ended(caught.value.code, *capfd.readouterr())

    return run


@pytest.fixture
def stand_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Path]:
    """`stand_in(code)`: an ONNX file, and ``code`` in the place of the SDK that reads it."""

    def make(code: str) -> Path:
        (tmp_path / "sdk").mkdir()
        (tmp_path / "sdk" / "onnx.py").write_text(code)
        monkeypatch.setenv("PYTHONPATH", str(tmp_path / "sdk"), prepend=os.pathsep)
        (tmp_path / "net.onnx").write_bytes(b"\x08\x08")
        return tmp_path / "net.onnx"

    return make


def refused(ended: Ended, *said: str) -> None:
    assert ended.code == WRONG_USE, ended
    assert ended.out == "" and "Traceback" not in ended.err
    assert all(text in ended.err for text in ("Error:", *said)), ended.err


def test_a_file_is_described(inspect: Command, tmp_path: Path) -> None:
    ended = inspect(write_xml(tmp_path))
    assert ended.code == OK, ended.err
    assert ended.out.startswith("net.xml: openvino, ")
    assert "takes\timage\tfloat32\t1×3×4×5\tNCHW\t\n" in ended.out
    assert "weights\tfloat16\t1\t6\t12 B\t100.0%\n" in ended.out
    assert "6 parameters; 120 MACs for a photo\n" in ended.out
    assert "Operations: 1 Convert, 1 Convolution\n" in ended.out
    assert "Needs OpenVINO 2023.1 or newer: Convolution of opset12\n" in ended.out


def test_json_has_all_of_it_and_nothing_stands_beside_it(inspect: Command, tmp_path: Path) -> None:
    path = write_xml(tmp_path)
    ended = inspect(path, "--json", "-")
    found = json.loads(ended.out)
    assert ended.code == OK
    assert (found["schema_version"], found["format"], found["macs"]) == (1, "openvino", 120)
    assert found["outputs"][0]["layout"] == "NCHW"
    assert found["heaviest_layers"] == [
        {"kind": "Convolution", "name": "conv", "shape": [1, 2, 4, 5], "macs": 120}
    ]
    assert inspect(path, "--json", tmp_path / "out.json").out.startswith("net.xml")
    assert json.loads((tmp_path / "out.json").read_text()) == found


def test_json_that_could_not_be_written_is_refused_first(inspect: Command, tmp_path: Path) -> None:
    ended = inspect(write_xml(tmp_path), "--json", tmp_path / "no" / "out.json")
    refused(ended, "can't be written")


def test_names_from_a_file_do_not_steer_the_terminal(inspect: Command, tmp_path: Path) -> None:
    ended = inspect(write_xml(tmp_path, NET.replace('name="conv"', 'name="&#x9b;31m&#xa;conv"')))
    assert ended.code == OK
    assert "\x9b" not in ended.out and " 31m conv\n" in ended.out


def test_what_is_not_there_or_no_file_is_refused(inspect: Command, tmp_path: Path) -> None:
    refused(inspect(tmp_path / "gone.onnx"), "gone.onnx", "No such file")
    os.mkfifo(tmp_path / "endless.onnx")
    refused(inspect(tmp_path / "endless.onnx"), "neither a file nor a folder")
    refused(inspect(Path("/dev/zero")), "neither a file nor a folder")


def test_an_unknown_format_is_refused_with_those_that_are_known(
    inspect: Command, tmp_path: Path
) -> None:
    (tmp_path / "net.pth").write_bytes(b"weights")
    refused(inspect(tmp_path / "net.pth"), "of no format that is known here", ".mlpackage")


def test_an_endless_file_is_given_up(inspect: Command, tmp_path: Path) -> None:
    with (tmp_path / "net.xml").open("wb") as file:
        file.truncate(1 << 35)
    refused(inspect(tmp_path / "net.xml", "--time-limit", "3"), "more than 3 s", "--time-limit")


def test_entities_that_grow_are_refused(inspect: Command, tmp_path: Path) -> None:
    grown = "".join(f'<!ENTITY e{n} "{f"&e{n - 1};" * 20}">' for n in range(1, 12))
    bomb = f'<!DOCTYPE net [<!ENTITY e0 "ha">{grown}]><net>&e11;</net>'
    refused(inspect(write_xml(tmp_path, bomb), "--time-limit", "60"), "net.xml")


def test_a_file_that_ends_its_reader_is_refused(
    inspect: Command, stand_in: Callable[[str], Path]
) -> None:
    code = "import os, sys\nsys.stderr.write('tensor.cc:42: check failed\\n')\nos.abort()"
    refused(inspect(stand_in(code)), "died (SIGABRT): tensor.cc:42: check failed")


def test_a_file_that_holds_its_reader_is_refused(
    inspect: Command, stand_in: Callable[[str], Path]
) -> None:
    ended = inspect(stand_in("import time\ntime.sleep(1000)"), "--time-limit", "3")
    refused(ended, "took more than 3 s to read")


def test_a_file_that_takes_too_much_memory_is_refused(
    inspect: Command, stand_in: Callable[[str], Path]
) -> None:
    code = "import os, time\nkept = os.urandom(1 << 20) * 1000\ntime.sleep(1000)"
    refused(inspect(stand_in(code), "--memory-limit", "0.6"), "took more than 0.6 GB to read")


@pytest.mark.parametrize("error", ["ValueError('tensor 7 has no buffer')", "RecursionError()"])
def test_whatever_a_reader_raises_is_said(
    error: str, inspect: Command, stand_in: Callable[[str], Path]
) -> None:
    said = "tensor 7 has no buffer" if "tensor" in error else "RecursionError"
    code = f"def load(*_, **__):\n    raise {error}"
    refused(inspect(stand_in(code)), "can't be read as onnx", said, "damaged")


def test_the_function_gives_what_the_command_shows(tmp_path: Path) -> None:
    import maskport
    from maskport.errors import ArtifactError

    found = maskport.inspect(write_xml(tmp_path))
    assert (found.format, found.parameters, found.macs) == ("openvino", 6, 120)
    with pytest.raises(ArtifactError, match="gone"):
        maskport.inspect(tmp_path / "gone")


@pytest.mark.skipif(not landlock_version(), reason="this kernel has no Landlock")
def test_a_file_that_takes_over_its_reader_writes_nothing(
    inspect: Command, stand_in: Callable[[str], Path], tmp_path: Path
) -> None:
    target = tmp_path / "written"
    refused(inspect(stand_in(f"open({str(target)!r}, 'w').write('x')")), "can't be read as onnx")
    assert not target.exists()
