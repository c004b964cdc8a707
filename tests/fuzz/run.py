"""Starts `worker`s, and counts what becomes of their tries."""

from __future__ import annotations

import json
import os
import selectors
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from .worker import CURRENT, KEPT

__all__ = ["COUNT", "Tally", "run"]

# Of each class in tests.
COUNT = int(os.environ.get("MASKPORT_FUZZ", "200"))

ROOT = Path(__file__).resolve().parents[2]
# After so many seconds of silence our process hangs. Of a child's limits it bears several.
SECONDS = 100.0
START_SECONDS = 300.0


@dataclass
class Tally:
    """What became of the tries of one class.

    Attributes:
        name: Of the class.
        outcomes: How often each.
        faults: What is to be mended: a text a fault, with the command that repeats it.
        slowest: Of the tries, in seconds.
        memory: The most that one took of our process beside what it had, in bytes.
    """

    name: str
    outcomes: Counter[str] = field(default_factory=Counter)
    faults: list[str] = field(default_factory=list)
    slowest: float = 0.0
    memory: int = 0

    def count(self, number: int, outcome: str, what: str, kept: Path) -> None:
        self.outcomes[outcome] += 1
        if outcome not in {"accepted"} and not outcome.startswith("refused"):
            self.faults.append(
                f"{self.name} {number}: {outcome}: {what}\n"
                f"  again: python -m tests.fuzz {self.name} --first {number} --count 1\n"
                f"  the file: {kept}"
            )

    def check(self, count: int) -> None:
        """See that all is well, and that files were damaged neither too much nor too little."""
        assert not self.faults, "\n".join(self.faults)
        assert self.outcomes.total() == count
        if count >= 100:
            assert 0 < self.outcomes["accepted"] < count


def run(names: Sequence[str], first: int, count: int) -> dict[str, Tally]:
    """Try mutations of classes, one after another.

    Args:
        names: Of `subjects.SUBJECTS`.
        first: Number of the first mutation, which is its seed.
        count: Of each class.
    """
    folder = Path(tempfile.mkdtemp(prefix="maskport-fuzz-"))
    tallies = {name: Tally(name) for name in names}
    todo = [(name, first, count) for name in names]
    while todo:
        todo = _worked(todo, tallies, folder)
    for left in folder.iterdir():
        if left.name != KEPT:
            shutil.rmtree(left)
    if not any(folder.iterdir()):
        folder.rmdir()
    return tallies


Job = tuple[str, int, int]


def _worked(todo: list[Job], tallies: dict[str, Tally], folder: Path) -> list[Job]:
    """One process's work; what is left of it where the process ended before."""
    # The tree comes last: its rooms have names that SDKs' modules may have, too.
    code = f"import sys; sys.path.append({str(ROOT)!r}); from tests.fuzz.worker import main; main()"
    jobs = [":".join(map(str, job)) for job in todo]
    process = subprocess.Popen(
        [sys.executable, "-P", "-W", "ignore", "-c", code, str(folder), *jobs],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        start_new_session=True,
    )
    lines = _Lines(process)
    with process:
        for position, (name, first, count) in enumerate(todo):
            if not lines.next(START_SECONDS):
                raise RuntimeError(f"The sound files of {name} are not read; see above.")
            for number in range(first, first + count):
                line = lines.next(SECONDS)
                if not line:
                    outcome = "hang" if line is None else "crash"
                    what = f"{SECONDS:.0f} s passed" if line is None else process.wait()
                    process.kill()
                    kept = folder / KEPT / f"{name}-{number}"
                    shutil.copytree(folder / CURRENT, kept)
                    tallies[name].count(number, outcome, str(what), kept)
                    rest = (name, number + 1, first + count - number - 1)
                    return [job for job in (rest, *todo[position + 1 :]) if job[2]]
                found = json.loads(line)
                tally = tallies[name]
                kept = folder / KEPT / f"{name}-{number}-*"
                tally.count(number, found["outcome"], found["what"], kept)
                tally.slowest = max(tally.slowest, found["seconds"])
                tally.memory = max(tally.memory, found["memory"])
    return []


class _Lines:
    """What a process says, line by line."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        assert process.stdout is not None
        self._stream = process.stdout
        self._said = b""
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._stream, selectors.EVENT_READ)

    def next(self, seconds: float) -> bytes | None:
        """A line; None where none comes in time, and nothing where the process ended."""
        while b"\n" not in self._said:
            if not self._selector.select(seconds):
                return None
            if not (block := os.read(self._stream.fileno(), 1 << 16)):
                return b""
            self._said += block
        line, _, self._said = self._said.partition(b"\n")
        return line
