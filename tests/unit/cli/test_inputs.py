"""Checkpoints and photos as people have them, through the command line and into the manifest."""

from __future__ import annotations

import argparse
import json
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import click
import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from maskport.cli.main import cli, main
from maskport.errors import UsageError

NETWORK = """
import torch
from torch import nn

def net():
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 1, 3, padding=1), nn.Sigmoid())
"""
EXPORT = ("export", "inputs_networks:net", "--size", "16", "--targets", "torchscript-lite")

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def maskport(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> Iterator[Run]:
    """Runs a command line in this process, in a folder with a network; exit code and outputs."""
    (tmp_path / "inputs_networks.py").write_text(NETWORK)
    monkeypatch.chdir(tmp_path)
    before = signal.getsignal(signal.SIGTERM)

    def run(*arguments: str) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as caught:
            main(list(arguments))
        assert isinstance(caught.value.code, int)
        return (caught.value.code, *capfd.readouterr())

    yield run
    signal.signal(signal.SIGTERM, before)
    sys.modules.pop("inputs_networks", None)


def weights(seed: int, prefix: str = "") -> dict[str, torch.Tensor]:
    torch.manual_seed(seed)
    network = nn.Sequential(nn.Conv2d(3, 1, 3, padding=1))
    return {f"{prefix}{name}": tensor for name, tensor in network.state_dict().items()}


def manifest() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(Path("out/manifest.json").read_text())
    return found


def options_of(command: click.Command) -> set[str]:
    return {name for parameter in command.params for name in parameter.opts}


def test_every_command_that_reads_weights_takes_their_key() -> None:
    context = click.Context(cli)
    commands = {name: cli.get_command(context, name) for name in cli.list_commands(context)}
    reading = {
        name
        for name, command in commands.items()
        if command is not None and ({"--weights", "--init"} & options_of(command))
    }
    taking = {
        name
        for name, command in commands.items()
        if command is not None and "--weights-key" in options_of(command)
    }
    # An evaluation's argument is its weights, and so are a server's.
    assert taking == reading | {"evaluate", "serve"}
    assert reading == {
        *("adopt", "export", "validate", "bench", "drift", "train", "sensitivity", "quantize"),
    }


@pytest.fixture
def phone(monkeypatch: pytest.MonkeyPatch, maskport: Run) -> str:
    """A folder of one photo that is read here and two that are not."""
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    folder = Path("phone")
    folder.mkdir()
    Image.new("RGB", (20, 20), "red").save(folder / "a.png")
    for name in ("IMG_1.HEIC", "IMG_2.HEIC"):
        (folder / name).write_bytes(b"\0\0\0\x24ftypheic\0\0\0\0mif1heic")
    return str(folder)


SAID = "2 (IMG_1.HEIC, IMG_2.HEIC): HEIC is read where pillow-heif is installed"


@pytest.fixture
def stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever was read, no file is made of it, which would take seconds."""

    def stop(*_arguments: object, **_options: object) -> None:
        raise UsageError("All was read.")

    monkeypatch.setattr("maskport.exporters.export.run_export", stop)
    monkeypatch.setattr("maskport.api.analyse", stop)


def test_an_export_takes_the_set_that_is_asked_for_and_says_so(maskport: Run, phone: str) -> None:
    content = {
        "epoch": 3,
        "model": weights(1),
        "ema": weights(2, "module."),
        "args": argparse.Namespace(lr=0.1, out=Path("runs")),
        "best": np.float64(0.9),
    }
    torch.save(content, "last.pth.tar")
    given = (*EXPORT, "--weights", "last.pth.tar", "--calibration", phone, "--out", "out")
    code, _, err = maskport(*given)
    assert code == 2
    assert "model       2 tensors\n  ema.module  2 tensors" in err
    assert "--weights-key" in err
    code, _, err = maskport(*given, "--weights-key", "ema")
    assert code == 0, err
    said = "taken from ema; module. taken off the names; ignored: epoch, model (2 tensors), args"
    assert f"Weights of last.pth.tar: {said}, best" in err
    checkpoint = manifest()["checkpoint"]
    assert (checkpoint["key"], checkpoint["prefix"]) == ("ema", "module.")
    assert checkpoint["ignored"] == ["epoch", "model (2 tensors)", "args", "best"]
    # Files are calibrated and checked on the same photos, and it is said once.
    assert err.count(f"Photos left out: {SAID}") == 1
    calibration = manifest()["calibration"]
    assert (calibration["images"], calibration["left_out"]) == (1, 2)
    assert calibration["unread"] == [f"{SAID}: pip install 'maskport[heif]'"]


@pytest.mark.usefixtures("stopped")
def test_a_plain_file_needs_no_words(maskport: Run) -> None:
    torch.save(weights(1), "w.pth")
    _, _, err = maskport(*EXPORT, "--weights", "w.pth")
    assert err == "Error: All was read.\n"


@pytest.mark.parametrize("given", [(), ("--weights", "random:0")])
def test_a_key_without_a_file_is_an_error(maskport: Run, given: tuple[str, ...]) -> None:
    code, _, err = maskport(*EXPORT, *given, "--weights-key", "ema")
    assert code == 2
    assert "no file of weights to take 'ema' from" in err


@pytest.mark.usefixtures("stopped")
@pytest.mark.parametrize("value", [1, torch.ones(1)], ids=["ignored", "refused"])
def test_a_name_in_a_file_does_not_steer_the_terminal(maskport: Run, value: object) -> None:
    torch.save({**weights(1), "\x1b[2Jevil": value}, "w.pth")
    code, _, err = maskport(*EXPORT, "--weights", "w.pth")
    assert code == 2
    assert "evil" in err and "\x1b[2J" not in err


@pytest.mark.usefixtures("stopped")
def test_an_export_says_which_photos_it_did_not_check_on(maskport: Run, phone: str) -> None:
    assert f"Photos left out: {SAID}" in maskport(*EXPORT, "--photos", phone)[2]


@pytest.mark.usefixtures("stopped")
@pytest.mark.parametrize("command", ["sensitivity", "quantize"])
def test_a_search_says_what_it_took_and_left_out(maskport: Run, phone: str, command: str) -> None:
    torch.save({"model": weights(1), "ema": weights(2)}, "w.pth")
    code, _, err = maskport(
        *(command, "inputs_networks:net", "--size", "16", "--calibration", phone),
        *("--weights", "w.pth", "--weights-key", "model"),
    )
    assert code == 2
    assert f"Photos left out: {SAID}" in err
    assert "Weights of w.pth: taken from model; ignored: ema (2 tensors)" in err


@pytest.mark.parametrize("name", ["mediapipe", "torchscript-light"])
def test_a_runtime_that_does_not_run_the_files_is_answered_with_those_that_do(
    maskport: Run, name: str
) -> None:
    code, _, _ = maskport(*EXPORT, "--weights", "random:0", "--out", "out")
    assert code == 0
    code, _, said = maskport("validate", "out", "--runtime", name, "--no-latency")
    assert code == 2
    assert f"{name} doesn't run torchscript-lite." in said
    assert "torchscript-lite by torchscript-lite" in said
