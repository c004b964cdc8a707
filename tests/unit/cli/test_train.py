"""``maskport train`` from a shell: what it prints, how it ends, what its weights are good for."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from maskport.cli.main import INTERRUPTED, main

NETWORK = """
from maskport.models.u2net import FLAT, Stage, U2Net

def tiny():
    return U2Net((
        Stage("stage1", 4, 3, 2, 4),
        Stage("stage2", FLAT, 4, 2, 4),
        Stage("stage1d", 4, 8, 2, 4),
    ))
"""
SHORT = (
    "train", "--network", "cli_training_networks:tiny", "--scenes", "4", "--size", "32", "--crop",
    "32", "--batch", "2", "--workers", "0", "--threads", "1", "--device", "cpu",
)  # fmt: skip


@pytest.fixture(autouse=True)
def code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "code"
    folder.mkdir()
    (folder / "cli_training_networks.py").write_text(NETWORK)
    monkeypatch.syspath_prepend(folder)
    before = signal.getsignal(signal.SIGTERM)
    monkeypatch.setattr(signal, "signal", lambda *_: before)
    return folder


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[object, str, str]:
    with pytest.raises(SystemExit) as ended:
        main(list(arguments))
    printed = capsys.readouterr()
    return ended.value.code, printed.out, printed.err


def test_a_run_prints_its_scores_and_how_to_export(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    out = str(tmp_path / "run")
    code, printed, progress = run(capsys, *SHORT, "--steps", "3", "--val-scenes", "2", "--out", out)
    assert code == 0, progress
    assert f"{out}/best.safetensors: max-F 0." in printed
    assert f"maskport export cli_training_networks:tiny --size 32 --weights {out}/best" in printed
    assert "step 3/3   loss " in progress
    assert "images/s" in progress
    assert "the best so far" in progress


def test_what_is_missing_is_said(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    out = str(tmp_path / "run")
    assert run(capsys, "train", "--scenes", "4", "--steps", "1", "--out", out)[0] == 2
    code, _, error = run(capsys, *SHORT, "--out", out)
    assert (code, "--epochs or --steps" in error) == (2, True)
    code, _, error = run(capsys, "train", "--resume", "--out", out)
    assert (code, "holds no run" in error) == (2, True)
    assert not Path(out).exists()


@pytest.mark.skipif(os.name != "posix", reason="signals are sent")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["Ctrl-C", "SIGTERM"])
def test_a_signal_to_all_processes_ends_the_run_so_that_it_can_go_on(
    capsys: pytest.CaptureFixture[str], code: Path, tmp_path: Path, number: signal.Signals
) -> None:
    """As a terminal and `timeout` send it: to the processes that load samples as well."""
    out = tmp_path / "run"
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join([str(code), *filter(None, sys.path)]),
    }
    started = subprocess.Popen(
        [
            sys.executable,
            "-m",
            "maskport",
            *SHORT,
            "--steps",
            "100000",
            "--workers",
            "1",
            "--out",
            str(out),
        ],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    until = time.monotonic() + 120
    while not (out / "best.safetensors").exists() and time.monotonic() < until:
        time.sleep(0.1)
    os.killpg(started.pid, number)
    _, error = started.communicate(timeout=60)
    assert started.returncode == INTERRUPTED, error
    assert f"maskport train --resume --out {out} goes on from there" in error
    step = int(error.split("Interrupted; step ")[1].split()[0])
    ended, _, error = run(capsys, "train", "--resume", "--steps", str(step + 2), "--out", str(out))
    assert ended == 0, error
    ended, _, error = run(capsys, "train", "--resume", "--seed", "5", "--out", str(out))
    assert (ended, "seed: 0 in the run, 5 now" in error) == (2, True)
