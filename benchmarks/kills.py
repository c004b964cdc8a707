"""`kill -9` at moments all over an export and a validation, and what is left of each.

    python benchmarks/kills.py [--moments 20] [--seed 0] [--targets ...] [--only export]

A tiny network is exported and validated once undisturbed; then the same runs are killed at seeded
moments of their whole duration. Of each: whether children ran, how long they took to end, what is
left in the temporary folder, whether what the run began is whole, whether the next run works, and,
for a validation, what of the journal that one made again. Ends with code 1 where anything is.
Linux only.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import psutil
from PIL import Image

from maskport.artifacts.bundle import verify
from maskport.scenes import scene
from maskport.validation.latency import STANDARD

NETWORK = """
from maskport.models.u2net import FLAT, Stage, U2Net

def make():
    return U2Net((Stage("stage1", 4, 3, 2, 4), Stage("stage2", 4, 4, 2, 4),
                  Stage("stage3", FLAT, 4, 2, 4), Stage("stage2d", 4, 8, 2, 4),
                  Stage("stage1d", 4, 8, 2, 4)), 1)
"""
TARGETS = "onnx-fp32,tflite-fp32,coreml-fp16,executorch"
PHOTOS = 4
# Children have so many seconds to end.
PATIENCE = 2.0
# A folder that torch makes when it is imported, killed or not, for all of a user's processes.
TORCHS = "torchinductor_"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--moments", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--targets", default=TARGETS)
    parser.add_argument("--only", choices=["export", "validation"])
    parser.add_argument("--no-latency", action="store_true", help="validate without timing")
    options = parser.parse_args()
    wrong = 0
    with tempfile.TemporaryDirectory() as name:
        place = Place(Path(name), options.targets, options.no_latency)
        for kind, run in (("export", place.export), ("validation", place.validate)):
            whole = run()
            if whole.code:
                print(f"the undisturbed {kind} ended with code {whole.code}:\n{whole.said}")
                return 1
            if options.only not in (None, kind):
                continue
            print(f"\n{kind}: {whole.seconds:.1f} s undisturbed\n\n{Row.head(kind)}", flush=True)
            chosen = random.Random(f"{kind} {options.seed}")  # the same moments every time
            moments = sorted(chosen.uniform(0, whole.seconds) for _ in range(options.moments))
            rows = []
            for moment in moments:
                rows.append(place.killed(kind, moment))
                print(rows[-1], flush=True)
            wrong += sum(bool(row.faults) for row in rows)
            alive = sum(bool(row.children) for row in rows)
            slowest = max(row.seconds for row in rows)
            print(f"\nchildren ran at {alive} of {len(rows)}; the slowest took {slowest:.2f} s")
    return 1 if wrong else 0


@dataclass
class Ran:
    """A run that came to its end."""

    code: int
    seconds: float
    said: str


@dataclass
class Row:
    """What became of a run that was killed."""

    kind: str
    moment: float
    children: int = 0
    seconds: float = 0.0
    left: list[str] = field(default_factory=list)
    kept: int = 0
    again: int = 0
    faults: list[str] = field(default_factory=list)

    @staticmethod
    def head(kind: str) -> str:
        names = ["killed at", "children", "they ended after", "left in the temporary folder"]
        names += ["facts kept", "made again"] * (kind == "validation") + ["the next run"]
        return f"| {' | '.join(names)} |\n|{'--:|' * (len(names) - 1)}---|"

    def __str__(self) -> str:
        cells = [f"{self.moment:.1f} s", str(self.children), f"{self.seconds:.2f} s"]
        cells += [", ".join(self.left) or "nothing"]
        cells += [str(self.kept), str(self.again)] * (self.kind == "validation")
        return f"| {' | '.join([*cells, '; '.join(self.faults) or 'works'])} |"


class Place:
    """A folder with a network, its bundle, and what its runs leave."""

    def __init__(self, folder: Path, targets: str, no_latency: bool) -> None:
        (folder / "killed_nets.py").write_text(NETWORK)
        self.folder, self.temporary = folder, folder / "tmp"
        self.temporary.mkdir()
        self.cache, self.bundle = folder / "cache", folder / "bundle"
        network = ["killed_nets:make", "--output", "0", "--weights", "random:0", "--size", "64x48"]
        self.exporting = ["export", *network, "--targets", targets, "--out", str(self.bundle)]
        photos = folder / "photos"
        photos.mkdir()
        for seed in range(PHOTOS):
            Image.fromarray(scene(seed, 60, 80).photo).save(photos / f"{seed}.png")
        self.validating = ["validate", str(self.bundle), "--network", "killed_nets:make"]
        self.validating += ["--images", str(photos)]
        self.validating += ["--no-latency"] * no_latency

    def export(self) -> Ran:
        return self._run(self.exporting)

    def validate(self, *more: str) -> Ran:
        return self._run([*self.validating, *more])

    def killed(self, kind: str, moment: float) -> Row:
        """Kill a run, and have the next one."""
        shutil.rmtree(self.cache, ignore_errors=True)
        row = Row(kind, moment)
        process = self._start(self.exporting if kind == "export" else self.validating)
        time.sleep(moment)
        if process.poll() is not None:  # it was quicker this time
            return self.killed(kind, 0.9 * moment)
        process.send_signal(signal.SIGSTOP)  # or it might start another meanwhile
        children = [child for child in process.children(recursive=True) if is_running(child)]
        row.children = sum(not is_keeper(child) for child in children)
        process.kill()
        row.seconds = _ended(children)
        if row.seconds > PATIENCE:
            row.faults.append("children outlived it")
        process.communicate()
        row.left = self._left()
        if row.left:
            row.faults.append("files were left")
        if verify(self.bundle):
            row.faults.append("the bundle was damaged")
        (self._export_again if kind == "export" else self._resume)(row)
        if left := self._left():
            row.faults.append(f"then left {left}")
        return row

    def _export_again(self, row: Row) -> None:
        ran = self.export()
        if ran.code:
            row.faults.append(f"code {ran.code}: {ran.said[-300:]}")
        if verify(self.bundle):
            row.faults.append("the next bundle is damaged")
        if strays := [p.name for p in self.folder.glob(".bundle*")]:
            row.faults.append(f"{strays} are left beside the bundle")

    def _resume(self, row: Row) -> None:
        """What the journal has more often than a run finds it was done again."""
        journal = self.folder / "journal.jsonl"
        journal.unlink(missing_ok=True)
        for found in self.cache.glob("runs/*/*/journal.jsonl"):
            journal.hardlink_to(found)  # a run that ends well removes its own
        before = _facts(journal)
        ran = self.validate("--resume")
        if ran.code:
            row.faults.append(f"code {ran.code}: {ran.said[-300:]}")
        after = _facts(journal)
        row.kept = before.total()
        row.again = sum(max(0, times - _most(fact)) for fact, times in after.items())
        if row.again or before - after:
            row.faults.append("finished work was done again")
        if list((self.cache / "runs").rglob("*")):
            row.faults.append("the cache holds files of the run")

    def _left(self) -> list[str]:
        names = (path.name for path in self.temporary.iterdir())
        return sorted(name for name in names if not name.startswith(TORCHS))

    def _run(self, arguments: list[str]) -> Ran:
        began = time.monotonic()
        process = self._start(arguments)
        said = process.communicate()[0]
        return Ran(process.returncode, time.monotonic() - began, said)

    def _start(self, arguments: list[str]) -> psutil.Popen:
        return psutil.Popen(
            [sys.executable, "-m", "maskport", *arguments],
            cwd=self.folder,
            env=os.environ | {"TMPDIR": str(self.temporary), "MASKPORT_CACHE": str(self.cache)},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )


def is_running(process: psutil.Process) -> bool:
    try:
        return bool(process.is_running() and process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def is_keeper(process: psutil.Process) -> bool:
    try:
        return any(part.endswith("keeper.py") for part in process.cmdline())
    except psutil.Error:
        return False


def _ended(processes: list[psutil.Process]) -> float:
    """Seconds until they have, at most ten; then they are made to."""
    began = time.monotonic()
    while any(map(is_running, processes)) and time.monotonic() - began < 10:
        time.sleep(0.01)
    seconds = time.monotonic() - began
    for process in filter(is_running, processes):
        process.kill()
    return seconds


def _facts(journal: Path) -> Counter[str]:
    """What a journal says was done, each with how often; not what was being written."""
    found: Counter[str] = Counter()
    lines = journal.read_bytes().splitlines(keepends=True)[1:] if journal.exists() else []
    for fact in (json.loads(line) for line in lines if line.endswith(b"\n")):
        found[f"{fact['target']} {fact['fact']} {fact.get('position', '')}"] += 1
    return found


def _most(fact: str) -> int:
    """How often a run finds it."""
    return STANDARD.rounds if " round " in fact else 1


if __name__ == "__main__":
    sys.exit(main())
