"""Runs that are killed, told to end, or lose a child: what is left, and what the next one does."""

from __future__ import annotations

import json
import random
import signal
import sys
import time
from collections import Counter
from collections.abc import Iterator
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

OK, WRONG_USE, BROKEN = 0, 2, 3
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
# The end of a terminal; SIGTERM is handled alike. And the end at once, which nobody can handle.
TO_END, AT_ONCE = signal.SIGHUP, signal.SIGKILL
ENDS = (TO_END, AT_ONCE, AT_ONCE)
# Moments at which children run; those of whole runs are `benchmarks/kills.py`'s.
RANDOM = random.Random(18)
# Seconds after the first child: it imports torch for longer.
EXPORT_ENDS = list(zip(ENDS, sorted(RANDOM.uniform(0, 1) for _ in ENDS), strict=True))
# Facts in the journal, of which a run finds 23, the last eight with another child.
VALIDATION_ENDS = list(zip(ENDS, sorted(RANDOM.sample(range(4, 16), len(ENDS))), strict=True))


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
    """Made by the run after some that came to no end of their own; it outlives its terminal."""
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
    run = command.start(*EXPORT, "--out", "bundle", ignore=[TO_END])  # as by nohup
    assert comes(run.children), run.said
    run.process.send_signal(TO_END)
    assert run.wait() == OK, run.said
    return out


def end(run: Run, number: signal.Signals) -> None:
    """And with it all that it has started: its keeper at least."""
    assert run.others() and is_running(run.process), run.said
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


def test_a_target_whose_process_is_killed_is_lost_with_the_reason(command: Command) -> None:
    run = command.start(*EXPORT, "--out", "other")
    assert comes(run.children), run.said
    run.children()[0].kill()
    assert run.wait() == BROKEN
    assert "was killed" in run.said and "maskport broke" not in run.said
    assert not (command.folder / "other").exists()
    assert list(command.folder.glob(".other*")) == []
    assert command.left() == []


FULL = "has no room"


@pytest.mark.parametrize(
    ("arguments", "place", "size", "code", "said"),
    [
        # In the midst of the conversion, whose reason is one of C++ streams.
        ((*EXPORT, "--out", "disk/bundle"), "disk", 65536, BROKEN, FULL),
        ((*EXPORT, "--out", "disk/bundle"), "disk", None, WRONG_USE, "Read-only file system"),
        (VALIDATE, "cache", 4096, BROKEN, FULL),
        # The photos have room, what is kept of the first file has none.
        (VALIDATE, "cache", 49152, BROKEN, FULL),
        (VALIDATE, "cache", None, WRONG_USE, "MASKPORT_CACHE"),
    ],
)
def test_a_disk_that_is_full_or_read_only_is_named(
    bundle: Path,
    command: Command,
    arguments: tuple[str, ...],
    place: str,
    size: int | None,
    code: int,
    said: str,
) -> None:
    disk = command.folder / place
    disk.mkdir(exist_ok=True)
    run = command.start(*arguments, disks={disk: size})
    assert run.wait() == code, run.said
    assert said in run.said and str(disk) in run.said
    assert "maskport broke" not in run.said and "Traceback" not in run.said
    assert not any("partial" in name for name in run.left_on_disks)
    assert command.left() == []


def test_a_home_that_is_none_is_named(bundle: Path, command: Command) -> None:
    nowhere = {"HOME": "/proc", "MASKPORT_CACHE": None, "XDG_CACHE_HOME": None}
    run = command.start(*VALIDATE, environment=nowhere)
    assert run.wait() == WRONG_USE, run.said
    assert "/proc/.cache/maskport" in run.said and "MASKPORT_CACHE" in run.said
