"""Where the marks of the page's plots go. The template draws them.

Positions are percent of the plot's width and height, measured from the top left corner, or
pixels where the function says so.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from ..results import ArtifactResult
from .wording import metric_value, milliseconds

__all__ = [
    "Line",
    "Range",
    "Ranges",
    "Scatter",
    "Spot",
    "Tick",
    "latency_ranges",
    "latency_scatter",
    "sweep_line",
    "ticks",
]

# A 99th percentile beyond this many times the largest 90th is cut off, with its number beside it:
# one hiccup must not squeeze all the others.
LONGEST_TAIL = 1.5

# A logarithm has no zero; a tenth of float32's spacing below 1 is as good as none.
LEAST_MAE = 1e-8

# Pixels that a letter of a label takes, and a line's height, at the page's label size.
LETTER, LINE = 6.4, 14


@dataclass(frozen=True, slots=True)
class Tick:
    """A labelled position on an axis."""

    at: float
    label: str


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
    """All of them, fastest first, over one axis."""

    rows: list[Range]
    ticks: list[Tick]


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
    """Error over latency, in pixels of a plot of a given size."""

    width: int
    height: int
    left: int
    bottom: int
    spots: list[Spot]
    x_ticks: list[Tick]
    y_ticks: list[Tick]


@dataclass(frozen=True, slots=True)
class Line:
    """A curve as the points of an SVG polyline, in pixels, and its axes."""

    width: int
    height: int
    left: int
    bottom: int
    points: str
    x_ticks: list[Tick]
    y_ticks: list[Tick]


def ticks(top: float, most: int = 6) -> list[float]:
    """Round values from 0 to the first that is not below ``top``, at most ``most`` steps."""
    if top <= 0:
        return [0.0, 1.0]
    magnitude = 10.0 ** math.floor(math.log10(top / most))
    step = next(f * magnitude for f in (1, 2, 5, 10, 20) if f * magnitude * most >= top)
    return [k * step for k in range(math.ceil(top / step - 1e-9) + 1)]


def latency_ranges(artifacts: Iterable[ArtifactResult]) -> Ranges | None:
    """Minimum, median, 90th and 99th percentile of each; None where nothing was timed."""
    timed = [(a, a.latency_ms) for a in artifacts if a.latency_ms is not None]
    if not timed:
        return None
    longest = max(latency.p90 for _, latency in timed) * LONGEST_TAIL
    marks = ticks(min(longest, max(latency.p99 for _, latency in timed)))
    top = marks[-1]
    rows = []
    for artifact, latency in sorted(timed, key=lambda pair: pair[1].p50):
        least, p50, p90, p99 = (
            100 * min(value / top, 1)
            for value in (latency.min, latency.p50, latency.p90, latency.p99)
        )
        rows.append(
            Range(
                artifact=artifact,
                least=least,
                p50=p50,
                p90=p90,
                p99=p99,
                cut=milliseconds(latency.p99) if latency.p99 > top else "",
                text=(
                    f"{artifact.target}: median {milliseconds(latency.p50)} ms, "
                    f"fastest {milliseconds(latency.min)}, 90 % within "
                    f"{milliseconds(latency.p90)}, 99 % within {milliseconds(latency.p99)}"
                ),
            )
        )
    return Ranges(rows, [Tick(100 * mark / top, f"{mark:g}") for mark in marks])


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
    left, right, upper, bottom = 48, 16, 16, 40
    marks = ticks(max(p50 for _, p50, _ in measured) * 1.02, 4 if width < 500 else 8)
    floored = [max(mae, LEAST_MAE) for *_, mae in measured]
    lowest = math.floor(math.log10(min(floored)))
    highest = max(lowest + 1, math.ceil(math.log10(max(floored))))

    def across(value: float) -> float:
        return left + (width - left - right) * value / marks[-1]

    def down(value: float) -> float:
        share = (math.log10(value) - lowest) / (highest - lowest)
        return height - bottom - (height - bottom - upper) * share

    places = [(across(p50), down(mae)) for (_, p50, _), mae in zip(measured, floored, strict=True)]
    labels = _place_labels(
        places, [a.target for a, *_ in measured], (left, upper, width - 2, height - bottom)
    )
    spots = [
        Spot(
            x=round(x, 1),
            y=round(y, 1),
            label=artifact.target,
            label_x=label_x,
            label_y=label_y,
            anchor=anchor,
            text=f"{artifact.target}: MAE {metric_value('mae', mae)}, "
            f"median {milliseconds(p50)} ms",
            artifact=artifact,
        )
        for (artifact, p50, mae), (x, y), (label_x, label_y, anchor) in zip(
            measured, places, labels, strict=True
        )
    ]
    decades = range(lowest, highest + 1, 1 if highest - lowest < 7 else 2)
    return Scatter(
        width,
        height,
        left,
        height - bottom,
        spots,
        [Tick(round(across(mark), 1), f"{mark:g}") for mark in marks],
        [Tick(round(down(10.0**power), 1), _power(power)) for power in decades],
    )


def sweep_line(sweep: dict[str, float]) -> Line | None:
    """IoU by threshold; None where there are fewer than two thresholds.

    The axis starts at the tenth below the lowest value, and its label says so.
    """
    values = sorted((float(threshold), iou) for threshold, iou in sweep.items())
    if len(values) < 2:
        return None
    width, height, left, upper, bottom = 320, 150, 40, 10, 28
    low = min(0.9, math.floor(min(iou for _, iou in values) * 10) / 10)

    def across(value: float) -> float:
        return round(left + (width - left - 12) * value, 1)

    def down(value: float) -> float:
        return round(height - bottom - (height - bottom - upper) * (value - low) / (1 - low), 1)

    return Line(
        width,
        height,
        left,
        height - bottom,
        " ".join(f"{across(threshold)},{down(iou)}" for threshold, iou in values),
        [Tick(across(mark), f"{mark:g}") for mark in (0, 0.25, 0.5, 0.75, 1)],
        [Tick(down(mark), f"{mark:.2f}") for mark in (low, (low + 1) / 2, 1)],
    )


def _power(power: int) -> str:
    return "1e" + str(power) if power else "1"


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
