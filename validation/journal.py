"""What a run has found so far, kept in a file as it is found, so that a killed run can go on."""

from __future__ import annotations

import base64
import json
import zlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..metrics import SaliencyScores
from .results import Cost, PhotoResult

__all__ = ["Facts", "Journal", "packed", "unpacked"]

VERSION = 2


@dataclass
class Facts:
    """What is known of one target.

    Attributes:
        runtime: What ran it; empty before it was loaded.
        photos: Results by the photo's position.
        sweeps: IoU at each threshold of the sweep, likewise.
        scores: Of the photos with ground truth, over the data set.
        rounds: Milliseconds of the timed runs, by round.
        saturating: Operations whose integers can saturate; None before they were looked for.
        lost: Status and reason, where it was given up.
    """

    runtime: str = ""
    emulated: bool = False
    load_ms: float = 0.0
    first_ms: float | None = None
    photos: dict[int, PhotoResult] = field(default_factory=dict)
    sweeps: dict[int, list[float]] = field(default_factory=dict)
    scores: SaliencyScores = field(default_factory=SaliencyScores, compare=False)
    rounds: list[list[float]] = field(default_factory=list)
    peak_memory_mb: float | None = None
    cost: Cost | None = None
    no_cost: str = ""
    saturating: list[str] | None = None
    lost: tuple[str, str] | None = None


class Journal:
    """A journal of facts, a JSON object a line, and what they amount to.

    Args:
        file: The journal.
        identity: What the run measures and how; facts of another identity are worthless.
        resume: Take up the facts that are there; else they are dropped.

    Attributes:
        resumed: Facts of an earlier run were taken up.
        reference_seconds: The longest that the reference took for a photo.
    """

    def __init__(self, file: Path, identity: str, *, resume: bool) -> None:
        self._file = file
        self._targets: dict[str, Facts] = {}
        self._drawn: set[int] = set()
        self.reference_seconds = 0.0
        self.resumed = False
        head = {"journal": VERSION, "identity": identity}
        good = self._take_up(head) if resume else 0
        file.parent.mkdir(parents=True, exist_ok=True)
        if good:
            with file.open("r+b") as opened:
                opened.truncate(good)  # a line that was being written when the run was killed
            self.resumed = True
            for facts in self._targets.values():
                facts.lost = None  # another limit, or a quieter machine, may let it through
        else:
            file.write_text(json.dumps(head) + "\n", encoding="utf-8")
        self._opened = file.open("a", encoding="utf-8")

    def close(self) -> None:
        """No more facts."""
        self._opened.close()

    def of(self, target: str) -> Facts:
        """What is known of a target; nothing where nothing is."""
        return self._targets.setdefault(target, Facts())

    def reference_drawn(self, position: int) -> bool:
        """The reference's mask of that photo is in its file."""
        return position in self._drawn

    def facts(self) -> list[dict[str, Any]]:
        """All of them, as they were entered."""
        return [json.loads(line) for line in self._file.read_bytes().splitlines()[1:]]

    def enter(self, kind: str, target: str = "", **values: Any) -> None:
        """Keep a fact, on disk first.

        Args:
            kind: ``drawn`` (position, seconds),
                ``loaded`` (runtime, emulated, load_ms), ``first`` (ms),
                ``photo`` (position, result, sweep, and the row that `packed` gives),
                ``round`` (times), ``memory`` (mb), ``cost`` (cost, reason),
                ``saturating`` (names), ``lost`` (status, reason).
            target: Which artifact; empty for the reference.
            values: Plain ones.
        """
        fact = {"fact": kind, "target": target, **values}
        self._opened.write(json.dumps(fact) + "\n")
        self._opened.flush()
        self._apply(fact)

    def _apply(self, fact: dict[str, Any]) -> None:
        kind = fact["fact"]
        if kind == "drawn":
            self._drawn.add(fact["position"])
            self.reference_seconds = max(self.reference_seconds, fact["seconds"])
            return
        facts = self.of(fact["target"])
        if kind == "loaded":
            facts.runtime, facts.emulated = fact["runtime"], fact["emulated"]
            facts.load_ms = fact["load_ms"]
        elif kind == "first":
            facts.first_ms = fact["ms"]
        elif kind == "photo":
            result = PhotoResult.model_validate(fact["result"])
            if fact["row"] is not None:
                facts.scores.take(unpacked(fact["row"]))
            facts.photos[fact["position"]] = result
            facts.sweeps[fact["position"]] = fact["sweep"]
        elif kind == "round":
            facts.rounds.append(fact["times"])
        elif kind == "memory":
            facts.peak_memory_mb = fact["mb"]
        elif kind == "cost":
            facts.cost = Cost.model_validate(fact["cost"]) if fact["cost"] else None
            facts.no_cost = fact["reason"]
        elif kind == "saturating":
            facts.saturating = fact["names"]
        elif kind == "lost":
            facts.lost = (fact["status"], fact["reason"])

    def _take_up(self, head: dict[str, Any]) -> int:
        """Apply the journal's facts; how many bytes of it are good, 0 where it is another's."""
        try:
            lines = self._file.read_bytes().splitlines(keepends=True)
        except OSError:
            return 0
        good = 0
        for number, line in enumerate(lines):
            try:
                fact = json.loads(line)
                if not line.endswith(b"\n"):
                    break
                if number == 0:
                    if fact != head:
                        return 0
                else:
                    self._apply(fact)
            except (ValueError, KeyError, TypeError, zlib.error):
                break
            good += len(line)
        return good if len(lines) > 1 else 0


def packed(row: NDArray[np.float64]) -> str:
    """A row of `metrics.saliency_rows`, as text: to the bit, and short."""
    return base64.b64encode(zlib.compress(row.astype("<f8").tobytes(), 1)).decode()


def unpacked(text: str) -> NDArray[np.float64]:
    """The row again."""
    return np.frombuffer(zlib.decompress(base64.b64decode(text)), "<f8").astype(np.float64)
