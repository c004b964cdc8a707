"""Where the marks of the page's plots go. The template draws them.

Positions of latencies are percent of the plot's width, all others pixels from the top left corner.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from ...svg import Axis, Line, PowerAxis, Text, across, elements, round_values, upright
from ..results import ArtifactResult
from .wording import metric_value, milliseconds

__all__ = ["Range", "Ranges", "Scatter", "Spot", "latency_ranges", "latency_scatter", "sweep_line"]

# A 99th percentile beyond this many times the largest 90th is cut off, with its number beside it:
# one hiccup must not squeeze all the others.
LONGEST_TAIL = 1.5

# A logarithm has no zero; a tenth of float32's spacing below 1 is as good as none.
LEAST_MAE = 1e-8

# Pixels that a letter of a label takes, and a line's height, at the page's label size.
LETTER, LINE = 6.4, 14


@dataclass(frozen=True, slots=True)
class Range:
    """One artifact's latency; positions in percent from zero milliseconds."""

    artifact: ArtifactResult
    least: float
    p50: float
    p90: float
    p99: float
    cut: str
    text: str


@dataclass(frozen=True, slots=True)
class Ranges:
    """All of them, fastest first, over one axis, whose marks have a position and a label."""

    rows: list[Range]
    ticks: list[tuple[float, str]]


@dataclass(frozen=True, slots=True)
class Spot:
    """A labelled point, in pixels; ``anchor`` says which end of the label is at ``label_x``."""

    x: float
    y: float
    label: str
    label_x: float
    label_y: float
    anchor: str
    text: str
    artifact: ArtifactResult


@dataclass(frozen=True, slots=True)
class Scatter:
    """Error over latency, in pixels of a plot of a given size; ``axes`` are SVG elements."""

    width: int
    height: int
    axes: str
    spots: list[Spot]


def latency_ranges(artifacts: Iterable[ArtifactResult]) -> Ranges | None:
    """Minimum, median, 90th and 99th percentile of each; None where nothing was timed."""
    timed = [(a, a.latency_ms) for a in artifacts if a.latency_ms is not None]
    if not timed:
        return None
    longest = max(latency.p90 for _, latency in timed) * LONGEST_TAIL
    marks = round_values(min(longest, max(latency.p99 for _, latency in timed)))
    axis = Axis(0, marks[-1], 0, 100)
    rows = []
    for artifact, latency in sorted(timed, key=lambda pair: pair[1].p50):
        times = (latency.min, latency.p50, latency.p90, latency.p99)
        least, median, most, tail = map(milliseconds, times)
        text = (
            f"{artifact.target}: median {median} ms, fastest {least}, 90 % within {most}, "
            f"99 % within {tail}"
        )
        cut = tail if latency.p99 > axis.high else ""
        start, p50, p90, p99 = map(axis.place, times)
        rows.append(Range(artifact, start, p50, p90, p99, cut, text))
    return Ranges(rows, [(axis.place(mark), f"{mark:g}") for mark in marks])


def latency_scatter(artifacts: Iterable[ArtifactResult], width: int, height: int) -> Scatter | None:
    """MAE, by powers of ten, over the median latency; None for fewer than three artifacts.

    An MAE below `LEAST_MAE`, zero among them, stands on its line.
    """
    measured = [
        (a, a.latency_ms.p50, a.fidelity["mae"])
        for a in artifacts
        if a.latency_ms is not None and a.fidelity and "mae" in a.fidelity
    ]
    if len(measured) < 3:
        return None
    left, right, upper, bottom = 48, 16, 28, 40
    marks = round_values(max(p50 for _, p50, _ in measured) * 1.02, 4 if width < 500 else 8)
    floored = [max(mae, LEAST_MAE) for *_, mae in measured]
    lowest = math.floor(math.log10(min(floored)))
    highest = max(lowest + 1, math.ceil(math.log10(max(floored))))
    x = Axis(0, marks[-1], left, width - right)
    y = PowerAxis(10.0**lowest, 10.0**highest, height - bottom, upper)
    places = [
        (x.place(p50), y.place(mae)) for (_, p50, _), mae in zip(measured, floored, strict=True)
    ]
    labels = _place_labels(
        places, [a.target for a, *_ in measured], (left, upper, width - 2, height - bottom)
    )
    spots = [
        Spot(
            x=round(at, 1),
            y=round(level, 1),
            label=artifact.target,
            label_x=label_x,
            label_y=label_y,
            anchor=anchor,
            text=f"{artifact.target}: MAE {metric_value('mae', mae)}, "
            f"median {milliseconds(p50)} ms",
            artifact=artifact,
        )
        for (artifact, p50, mae), (at, level), (label_x, label_y, anchor) in zip(
            measured, places, labels, strict=True
        )
    ]
    axes = (
        *across(y, y.decades(), left, width),
        *upright(x, [(mark, f"{mark:g}") for mark in marks], upper - 8, height - bottom),
        Text("tick", width - 2, height - bottom + 34, "median ms →", "end"),
        Text("tick", 4, 12, "MAE"),
    )
    return Scatter(width, height, elements(axes), spots)


def sweep_line(sweep: dict[str, float]) -> str | None:
    """IoU by threshold on 320 x 150 pixels; None where there are fewer than two thresholds.

    The axis starts at the tenth below the lowest value, and its label says so.
    """
    values = sorted((float(threshold), iou) for threshold, iou in sweep.items())
    if len(values) < 2:
        return None
    low = min(0.9, math.floor(min(iou for _, iou in values) * 10) / 10)
    x, y = Axis(0, 1, 40, 308), Axis(low, 1, 122, 10)
    points = tuple((x.place(threshold), y.place(iou)) for threshold, iou in values)
    return elements(
        [
            *across(y, [(mark, f"{mark:.2f}") for mark in (low, (low + 1) / 2, 1)], 40, 308),
            *upright(x, [(mark, f"{mark:g}") for mark in (0, 0.25, 0.5, 0.75, 1)], 10, 122),
            Line("curve", points),
        ]
    )


Box = tuple[float, float, float, float]


def _place_labels(
    places: Sequence[tuple[float, float]], names: Sequence[str], frame: Box
) -> list[tuple[float, float, str]]:
    """A place beside each point that covers as little as can be: greedy, crowded points first."""
    taken: list[Box] = [(x - 5, y - 5, x + 5, y + 5) for x, y in places]
    found: dict[int, tuple[float, float, str]] = {}

    def crowd(index: int) -> float:
        x, y = places[index]
        return -sum(math.hypot(x - other, y - level) < 60 for other, level in places)

    for index in sorted(range(len(places)), key=crowd):
        x, y = places[index]
        length = LETTER * len(names[index])
        options = []
        for rank, (dx, dy, anchor) in enumerate(
            (side * 9 if side else 0, lift, anchor)
            for lift in (4, -9, 18, -22, 31, -35, 44)
            for side, anchor in ((1, "start"), (-1, "end"), (0, "middle"))
            if side or lift != 4
        ):
            start = x + dx - {"start": 0, "middle": length / 2, "end": length}[anchor]
            box = (start, y + dy - LINE + 3, start + length, y + dy + 3)
            covered = sum(_overlap(box, other) for other in taken)
            outside = _area(box) - _overlap(box, frame)
            options.append((covered + 4 * outside + 12 * rank, x + dx, y + dy, anchor, box))
        _, label_x, label_y, anchor, box = min(options, key=lambda option: option[0])
        taken.append(box)
        found[index] = (round(label_x, 1), round(label_y, 1), anchor)
    return [found[index] for index in range(len(places))]


def _area(box: Box) -> float:
    return (box[2] - box[0]) * (box[3] - box[1])


def _overlap(first: Box, second: Box) -> float:
    across = min(first[2], second[2]) - max(first[0], second[0])
    down = min(first[3], second[3]) - max(first[1], second[1])
    return max(across, 0) * max(down, 0)
