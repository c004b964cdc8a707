"""`maskport publish`, `pull` and `list`: what they print, and how they end."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from maskport.artifacts.bundle import verify
from maskport.cli.main import main

from ... import tiny_bundle
from ...store_cases import contents


@pytest.fixture
def bundle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MASKPORT_CACHE", str(tmp_path / "cache"))
    return tiny_bundle.make(tmp_path / "exports" / "demo")


def run(*arguments: str) -> int:
    with pytest.raises(SystemExit) as ended:
        main(list(arguments))
    return int(ended.value.code or 0)


def test_from_a_bundle_to_a_store_and_back(
    bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("publish", str(bundle), "store", "--version", "v1.2") == 0
    said = capsys.readouterr()
    assert f"demo v1.2 is published in {tmp_path / 'store'} (5 of 5 files uploaded, " in said.out
    assert "Tags that now mean it: latest." in said.out
    assert "published: 5 of 5" in said.err

    assert run("list", "store", "--json", "list.json") == 0
    row = capsys.readouterr().out.splitlines()[1].split("\t")
    assert row[:3] == ["demo", "v1.2", "latest"] and row[5] == "tflite-fp16, coreml-fp16"
    (found,) = json.loads(Path("list.json").read_text())
    assert (found["name"], found["version"], found["tags"]) == ("demo", "v1.2", ["latest"])

    assert run("pull", "store") == 0
    assert "demo: demo v1.2, 5 files, " in capsys.readouterr().out
    assert contents(Path("demo")) == contents(bundle)
    assert run("pull", "store", "--for", "ios") == 0
    assert verify("demo-ios") == []


def test_each_end_has_its_code(
    bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = tiny_bundle.make(tmp_path / "other" / "demo", b"other")
    assert run("publish", str(bundle), "store", "--version", "1") == 0
    assert run("publish", str(bundle), "store", "--version", "1") == 0
    assert run("publish", str(other), "store", "--version", "1") == 2
    assert "has another bundle as demo 1" in capsys.readouterr().err
    assert run("pull", "store", "--version", "2") == 2
    assert run("pull", "nowhere") == 2
    assert run("list", "nowhere") == 0
    (bundle / "a.tflite").write_bytes(b"changed")
    assert run("publish", str(bundle), "store", "--version", "3") == 1
    assert "differs from its manifest" in capsys.readouterr().err
    weights = next(p for p in (tmp_path / "store" / "objects").rglob("*") if p.is_file())
    weights.write_bytes(weights.read_bytes()[:-1])
    assert run("pull", "store") == 3
    assert "cut off" in capsys.readouterr().err
    (tmp_path / "store/bundles/demo/versions/1/manifest.json").write_text("{}")
    assert run("list", "store") == 1
    assert "damaged" in capsys.readouterr().out


@pytest.mark.parametrize(
    "arguments",
    [
        ("list", "sftp://me:hunter2@host/x", "sftp://me:hunter2@host/y"),
        ("list", "sftp://me:hunter2@host/x?y"),
        ("pull", "store", "--version", "sftp://me:hunter2@host/x"),
        ("pull", "store", "--for", "sftp://me:hunter2@host/x"),
        ("verify", "sftp://me:hunter2@host/x"),
        ("apply", "cutout", "sftp://me:hunter2@host/x", "--with", "demo"),
    ],
)
def test_no_command_prints_a_login(
    bundle: Path, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...]
) -> None:
    assert run("--debug", *arguments) == 2
    said = "".join(capsys.readouterr())
    assert "hunter2" not in said and said


@pytest.mark.skipif(sys.platform == "win32", reason="ends a process by a signal")
@pytest.mark.parametrize("what", ["publish", "pull"])
def test_ctrl_c_leaves_nothing_half_written(bundle: Path, tmp_path: Path, what: str) -> None:
    if what == "pull":
        assert run("publish", str(bundle), "store") == 0
    before = contents(tmp_path)
    code = (
        "import signal\n"
        "from maskport.artifacts.store.folder import Folder\n"
        "from maskport.cli.main import main\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "name = {'publish': 'upload', 'pull': 'blocks'}[WHAT]\n"
        "real = getattr(Folder, name)\n"
        "def interrupted(self, *a):\n"
        "    if name == 'upload' or a[0].startswith('objects'):\n"
        "        signal.raise_signal(signal.SIGINT)\n"
        "    return real(self, *a)\n"
        "setattr(Folder, name, interrupted)\n"
        "main([WHAT] + ARGUMENTS)\n"
    )
    arguments = [str(bundle), "store"] if what == "publish" else ["store"]
    code = f"WHAT, ARGUMENTS = {what!r}, {arguments!r}\n{code}"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 130, done.stderr
    assert "run it again to go on from there" in done.stderr
    assert contents(tmp_path) == before
