"""What the page's tables hold: cells with the text that is read and the value that is sorted."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from ..results import ArtifactResult, Results
from .wording import (
    METRICS,
    STATUSES,
    amount,
    megabytes,
    metric_label,
    metric_value,
    milliseconds,
    ratio,
)

__all__ = [
    "COLUMNS",
    "Cell",
    "Column",
    "TruthTable",
    "fidelity_rows",
    "table_row",
    "tally",
    "truth_table",
]


Write = Callable[[float | None], str]


@dataclass(frozen=True, slots=True)
class Cell:
    """What is read, and what is sorted by; None sorts last either way."""

    text: str
    value: float | str | None


@dataclass(frozen=True, slots=True)
class Column:
    """A column of the table of artifacts.

    Attributes:
        key: For style and script.
        label: Its heading.
        meaning: In a sentence, for the heading's tooltip.
        room: 1 where it shows on phones too, 2 from tablets on, 3 only on wide screens.
        cell: What an artifact has in it.
    """

    key: str
    label: str
    meaning: str
    room: int
    cell: Callable[[ArtifactResult], Cell]

    @property
    def numeric(self) -> bool:
        """Numbers stand right."""
        return self.key not in {"status", "format", "precision"}


def _metric(name: str) -> Callable[[ArtifactResult], Cell]:
    def cell(artifact: ArtifactResult) -> Cell:
        value = (artifact.fidelity or {}).get(name)
        return Cell(metric_value(name, value), value)

    return cell


def _number(part: str, name: str, write: Write) -> Callable[[ArtifactResult], Cell]:
    """A number of a part of the result that may be missing."""

    def cell(artifact: ArtifactResult) -> Cell:
        value = getattr(getattr(artifact, part), name, None)
        return Cell(write(value), value)

    return cell


def _memory(artifact: ArtifactResult) -> Cell:
    value = artifact.peak_memory_mb
    return Cell("–" if value is None else f"{value:.0f}", value)


def _status(artifact: ArtifactResult) -> Cell:
    return Cell(STATUSES[artifact.status].label, f"{list(STATUSES).index(artifact.status):02}")


# fmt: off
COLUMNS = (
    Column("status", "Status", "Whether it ran, and every gate holds", 1, _status),
    Column("format", "Format", "Family of files", 3, lambda a: Cell(a.format, a.format)),
    Column("precision", "Precision", "How weights and activations are stored", 3,
           lambda a: Cell(a.precision, a.precision)),
    Column("iou", "IoU", "Mean overlap with the reference's object; 1 is the same", 2,
           _metric("iou")),
    Column("worst_iou", "Worst IoU", "Overlap in the photo where it is least", 1,
           _metric("worst_iou")),
    Column("mae", "MAE", "Mean distance from the reference's mask; 0 is the same", 2,
           _metric("mae")),
    Column("max_error", "Max error", "Largest distance at a pixel, mean over the photos", 3,
           _metric("max_error")),
    Column("boundary_f", "Bound. F", "How well outlines match within 3 pixels; 1 is the same", 3,
           _metric("boundary_f")),
    Column("p50", "p50 ms", "Median time of a photo in milliseconds", 1,
           _number("latency_ms", "p50", milliseconds)),
    Column("p90", "p90 ms", "Nine of ten photos take at most this many milliseconds", 2,
           _number("latency_ms", "p90", milliseconds)),
    Column("to_fp32", "to fp32", "Median over that of the fp32 file of the same format", 2,
           _number("timing", "ratio_to_fp32", ratio)),
    Column("to_pytorch", "to PyTorch", "Median over that of the reference in PyTorch, on the CPU",
           3, _number("timing", "ratio_to_pytorch", ratio)),
    Column("memory", "Peak MB", "Peak memory of the process that ran it, runtime included", 3,
           _memory),
    Column("size", "Size MB", "Of the file, in millions of bytes", 2,
           lambda a: Cell(megabytes(a.bytes), a.bytes or None)),
    Column("macs", "MACs", "Multiply-accumulates of one photo", 3,
           _number("cost", "macs", amount)),
)
# fmt: on


def table_row(artifact: ArtifactResult) -> list[tuple[Column, Cell]]:
    """Its cells, in the order of `COLUMNS`."""
    return [(column, column.cell(artifact)) for column in COLUMNS]


def tally(results: Results) -> list[tuple[str, int, float, float]]:
    """Tone, count, and start and width in percent, of the bar under the verdict."""
    tones = [STATUSES[a.status].tone for a in results.artifacts.values()]
    parts: list[tuple[str, int, float, float]] = []
    start = 0.0
    for tone in ("good", "bad", "unknown"):
        if count := tones.count(tone):
            share = 100 * count / len(tones)
            parts.append((tone, count, round(start, 2), round(share, 2)))
            start += share
    return parts


# Of the map at the network's size: mean, worst, tail; of the mask at the photo's: mean, worst.
_OF_EACH = ("", "worst_", "p5_", "photo_", "worst_photo_")


def fidelity_rows(artifact: ArtifactResult) -> Iterator[list[str]]:
    """One a metric, known ones first: its label, and a value for each of `_OF_EACH`."""
    fidelity = artifact.fidelity or {}
    bases = {name: None for name in METRICS if name in fidelity}
    bases |= dict.fromkeys(re.sub("^(worst_|p5_)?(photo_)?", "", name) for name in fidelity)
    for base in bases:
        values = (metric_value(base, fidelity.get(prefix + base)) for prefix in _OF_EACH)
        yield [metric_label(base), *values]


@dataclass(frozen=True, slots=True)
class TruthTable:
    """Against the ground truth: the reference first, then the artifacts with their drops."""

    labels: list[str]
    reference: list[Cell]
    rows: list[tuple[ArtifactResult, list[tuple[Cell, str, bool]]]]


def truth_table(results: Results) -> TruthTable | None:
    """None where no ground truth was given. Drops below half a last digit are not shown."""
    reference = results.reference.truth
    if not reference:
        return None
    rows = []
    for artifact in (*results.pytorch.values(), *results.artifacts.values()):
        if not artifact.truth:
            continue
        drops = artifact.truth_drop or {}
        cells = []
        for name in reference:
            value, drop = artifact.truth.get(name), drops.get(name, 0.0)
            shown = f"{abs(drop):.4f}" if abs(drop) >= 0.00005 else ""
            cells.append((Cell(metric_value(name, value), value), shown, drop > 0))
        rows.append((artifact, cells))
    return TruthTable(
        [metric_label(name) for name in reference],
        [Cell(metric_value(name, value), value) for name, value in reference.items()],
        rows,
    )
