"""`maskport sign`, `verify` with an option, `provenance`, and what demands a signature: what they
print, and how they end."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path

import pytest

from maskport.artifacts.bundle import BOM, PROVENANCE, SIGNATURE
from maskport.cli.main import main

from ... import tiny_bundle
from ..artifacts.signing.authority import certificate, pair

signing = pytest.mark.skipif(
    importlib.util.find_spec("model_signing") is None, reason="needs maskport[sign]"
)


@pytest.fixture
def bundle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MASKPORT_CACHE", str(tmp_path / "cache"))
    return tiny_bundle.make(tmp_path / "demo")


def run(*arguments: str) -> int:
    with pytest.raises(SystemExit) as ended:
        main(list(arguments))
    return int(ended.value.code or 0)


@signing
def test_from_a_key_to_a_store_and_back(
    bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pair(tmp_path, "mine")
    pair(tmp_path, "other")
    assert run("verify", "demo", "--key", "mine.pub") == 1
    assert "demo is not signed, and was to be by the key mine.pub." in capsys.readouterr().err
    assert run("sign", "demo", "--key", "mine.key") == 0
    said = capsys.readouterr().out
    assert said == f"demo: 8 files are signed by the key mine.key: demo/{SIGNATURE}.\n"
    assert run("verify", "demo") == 0
    assert run("verify", "demo", "--key", "mine.pub") == 0
    assert capsys.readouterr().out.endswith("All of it is signed by the key mine.pub.\n")
    assert run("verify", "demo", "--key", "other.pub") == 1
    assert run("publish", "demo", "store", "--version", "1") == 0
    assert "Its signature is there, too." in capsys.readouterr().out
    assert run("pull", "store", "--out", "there", "--require-signature", "other.pub") == 1
    assert not Path("there").exists()
    assert run("pull", "store", "--out", "there", "--require-signature", "mine.pub") == 0
    assert ", all as published, signed by the key mine.pub." in capsys.readouterr().out
    assert run("pull", "store", "--out", "part", "--for", "ios") == 0
    assert "signed" not in capsys.readouterr().out
    Path("there/a.tflite").write_bytes(b"weightS")
    assert run("verify", "there", "--key", "mine.pub") == 1
    assert "a.tflite: its content changed" in capsys.readouterr().out
    assert run("validate", "there", "--require-signature", "mine.pub") == 1
    assert "a.tflite: its content changed" in capsys.readouterr().err


@signing
def test_a_certificate_and_what_stands_above_it(
    bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root, between, mine = (pair(tmp_path, name) for name in ("root", "between", "mine"))
    certificate(tmp_path, "root", root, ("root", root), authority=True)
    certificate(tmp_path, "between", between, ("root", root), authority=True)
    certificate(tmp_path, "leaf", mine, ("between", between))
    by = ("--certificate", "leaf.pem", "--key", "mine.key")
    assert run("sign", "demo", *by, "--chain", "between.pem") == 0
    assert run("verify", "demo", "--certificate", "root.pem") == 0
    assert run("publish", "demo", "store") == 0
    assert run("pull", "store", "--out", "there", "--require-signature", "root.pem") == 0
    assert "signed by a certificate below root.pem" in capsys.readouterr().out
    assert run("sign", "demo", *by) == 0  # without what stands between
    assert run("verify", "demo", "--certificate", "root.pem") == 1
    assert "unable to get local issuer certificate" in capsys.readouterr().err
    certificate(tmp_path, "leaf", mine, ("root", root))
    assert run("sign", "demo", *by) == 0
    assert run("verify", "demo", "--certificate", "root.pem") == 0


@signing
def test_bad_keys_are_bad_usage(bundle: Path, tmp_path: Path) -> None:
    Path("none.key").write_text("no key")
    for arguments in (
        ("sign", "demo", "--key", "none.key"),
        ("sign", "demo", "--key", "missing.key"),
        ("verify", "demo", "--key", "none.key"),
        ("verify", "demo", "--certificate", "none.key"),
        ("pull", "store", "--require-signature", "missing.key"),
        ("validate", "demo", "--require-signature", "none.key"),
        ("verify", "nowhere", "--key", "none.key"),
    ):
        assert run(*arguments) == 2, arguments


@pytest.mark.parametrize(
    "arguments",
    [
        ("sign", "demo"),
        ("sign", "demo", "--certificate", "c.pem"),
        ("sign", "demo", "--key", "k", "--chain", "c.pem"),
        ("sign", "demo", "--keyless", "--key", "k"),
        ("verify", "demo", "--key", "k", "--certificate", "c"),
        ("verify", "demo", "--key", "k", "--identity", "me", "--issuer", "x"),
        ("verify", "demo", "--identity", "me"),
    ],
)
def test_options_that_dont_go_together_are_told(bundle: Path, arguments: tuple[str, ...]) -> None:
    assert run(*arguments) == 2


def test_a_missing_tool_is_named_with_its_extra(
    bundle: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    found = importlib.util.find_spec
    monkeypatch.setattr(
        "importlib.util.find_spec",
        lambda name, *more: None if name == "model_signing" else found(name, *more),
    )
    for arguments in (("sign", "demo", "--key", "k"), ("verify", "demo", "--key", "k")):
        assert run(*arguments) == 3
        said = capsys.readouterr().err
        assert "needs model-signing, which is not installed." in said
        assert "pip install 'maskport[sign]'" in said


def test_provenance_needs_nothing_installed(
    bundle: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("provenance", "demo") == 0
    assert json.loads(capsys.readouterr().out)["predicateType"] == "https://slsa.dev/provenance/v1"
    assert run("provenance", "demo", "--bom") == 0
    assert json.loads(capsys.readouterr().out)["bomFormat"] == "CycloneDX"
    assert not (bundle / PROVENANCE).exists() and not (bundle / BOM).exists()
    assert run("provenance", "nowhere") == 2
