"""Runs that are killed, told to end, or lose a child: what is left, and what the next one does."""

from __future__ import annotations

import json
import random
import signal
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from maskport.artifacts.bundle import verify
from maskport.cli.main import INTERRUPTED
from maskport.scenes import scene

from ..forked import Command, Run, comes, forking, is_running

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="forks and kills; written for Linux"),
]

OK, FAILED_CHECK, BROKEN = 0, 1, 3
NETWORK = """
import torch
from torch import nn

def make():
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 1, 3, padding=1), nn.Sigmoid())
"""
TARGET = "torchscript-lite"
EXPORT = ("export", "ended_nets:make", "--size", "24", "--targets", TARGET, "--photos", "photos")
VALIDATE = (
    *("validate", "bundle", "--network", "ended_nets:make", "--images", "photos"),
    *("--masks", "photos/masks", "--no-latency"),
)
TO_END, AT_ONCE = (signal.SIGHUP, signal.SIGTERM), signal.SIGKILL
# Moments at which children run; those of whole runs are `benchmarks/kills.py`'s.
RANDOM = random.Random(18)
# Seconds after the first child: it imports torch for longer.
EXPORT_ENDS = [
    (number, moment)
    for number, moment in zip(
        (*TO_END, AT_ONCE, AT_ONCE), sorted(RANDOM.uniform(0, 1) for _ in range(4)), strict=True
    )
]
# Facts in the journal, of which a run finds 23, the last eight with another child.
VALIDATION_ENDS = list(
    zip((*TO_END, AT_ONCE, AT_ONCE, AT_ONCE), sorted(RANDOM.sample(range(4, 16), 5)), strict=True)
)


@pytest.fixture(scope="module")
def command(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Command]:
    folder = tmp_path_factory.mktemp("ends")
    (folder / "ended_nets.py").write_text(NETWORK)
    masks = folder / "photos" / "masks"
    masks.mkdir(parents=True)
    for seed in range(4):
        made = scene(seed, 60, 80)
        Image.fromarray(made.photo).save(masks.parent / f"{seed}.png")
        Image.fromarray((np.asarray(made.mask) * 255).astype(np.uint8)).save(masks / f"{seed}.png")
    with forking() as server:
        yield Command(server, folder)


@pytest.fixture(scope="module")
def bundle(command: Command) -> Path:
    """Made by the run after some that came to no end of their own."""
    out = command.folder / "bundle"
    for number, moment in EXPORT_ENDS:
        run = command.start(*EXPORT, "--out", "bundle")
        assert comes(run.children), run.said
        time.sleep(moment)
        end(run, number)
        assert not out.exists()
        # Nobody is left who could remove what a killed one wrote beside it.
        assert number == AT_ONCE or list(command.folder.glob(".bundle*")) == []
        assert command.left() == []
    run = command.start(*EXPORT, "--out", "bundle")
    assert run.wait() == OK, run.said
    return out


def end(run: Run, number: signal.Signals) -> None:
    """And with it all that it has started, of which something runs."""
    assert run.children() and is_running(run.process), run.said
    if number == AT_ONCE:
        run.kill()
    else:
        run.process.send_signal(number)
        assert run.wait() == INTERRUPTED, run.said
        assert "Interrupted" in run.said and "Traceback" not in run.said
        assert run.others() == []
    assert comes(lambda: not run.others() and not is_running(run.process), 10)


def test_an_export_that_is_ended_leaves_nothing_in_the_way_of_the_next(
    bundle: Path, command: Command
) -> None:
    assert verify(bundle) == []
    assert list(command.folder.glob(".bundle*")) == []
    assert command.left() == []


def test_a_validation_that_is_ended_again_and_again_finds_everything_once(
    bundle: Path, command: Command
) -> None:
    kept = command.folder / "journal.jsonl"
    for number, facts in VALIDATION_ENDS:
        run = command.start(*VALIDATE, "--resume")
        reached = partial(_has_reached, run, command, facts)
        assert comes(reached), run.said
        if not kept.exists():
            (journal,) = command.cache.glob("runs/*/*/journal.jsonl")
            kept.hardlink_to(journal)  # the run that ends well removes its own
        end(run, number)
        assert "--resume" in run.said or number == AT_ONCE
        assert command.left() == []
    run = command.start(*VALIDATE, "--resume", "--json", "results.json")
    assert run.wait() == OK, run.said
    found = Counter(
        (fact["target"], fact["fact"], fact.get("position"))
        for fact in map(json.loads, kept.read_text().splitlines()[1:])
    )
    assert [fact for fact, times in found.items() if times > 1] == []
    assert sum(kind == "photo" and target == TARGET for target, kind, _ in found) == 4
    assert json.loads((command.folder / "results.json").read_text())["run"]["resumed"]
    assert list((command.cache / "runs").rglob("*")) == []
    assert command.left() == []


def _has_reached(run: Run, command: Command, facts: int) -> bool:
    return len(_journal(command)) > facts and bool(run.children())


def _journal(command: Command) -> list[str]:
    found = command.cache.glob("runs/*/*/journal.jsonl")
    return [line for journal in found for line in journal.read_text().splitlines()]


def test_a_file_whose_process_is_killed_is_lost_and_the_run_goes_on(
    bundle: Path, command: Command
) -> None:
    run = command.start(*VALIDATE, "--json", "lost.json")
    kill_a_child(run, lambda: len(_journal(command)) > 4)  # the reference is drawn
    assert run.wait() == FAILED_CHECK, run.said
    results = json.loads((command.folder / "lost.json").read_text())
    assert results["artifacts"][TARGET]["status"] == "crashed"
    assert "SIGKILL" in results["artifacts"][TARGET]["reason"]
    assert results["pytorch"]["pytorch-prepared"]["fidelity"]["iou"] > 0.99
    assert command.left() == []


def test_a_target_whose_process_is_killed_is_lost_with_the_reason(command: Command) -> None:
    run = command.start(*EXPORT, "--out", "other")
    kill_a_child(run, run.children)
    assert run.wait() == BROKEN
    assert "was killed" in run.said and "maskport broke" not in run.said
    assert not (command.folder / "other").exists()
    assert list(command.folder.glob(".other*")) == []
    assert command.left() == []


def kill_a_child(run: Run, reached: Callable[[], object]) -> None:
    """The first that it has, once it runs and something is reached."""
    assert comes(lambda: run.children() and reached()), run.said
    run.children()[0].kill()


def test_a_run_that_shall_outlive_its_terminal_does(bundle: Path, command: Command) -> None:
    run = command.start(*EXPORT, "--out", "other", ignore=[signal.SIGHUP])
    assert comes(run.children), run.said
    run.process.send_signal(signal.SIGHUP)
    assert run.wait() == OK, run.said
