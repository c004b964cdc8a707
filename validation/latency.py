"""How long a file takes: when it is timed, and what is said of the times."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from .options import LatencyMode
from .results import Latency, Timing

__all__ = ["NOISY", "RELEASE", "SCHEDULES", "STANDARD", "Schedule", "ratios", "summarize_times"]

# An interquartile range above this part of the median makes a comparison of medians doubtful.
NOISY = 0.1


@dataclass(frozen=True, slots=True)
class Schedule:
    """Artifacts take turns, so that a slow minute of the machine hits all of them alike.

    Attributes:
        name: As results call it.
        rounds: Turns of each artifact.
        runs: Timed runs in a turn, at least.
        seconds: That the timed runs of a turn last, at least.
        warm_up: Untimed runs at the start of a turn: another file has had the caches since.
    """

    name: Literal["standard", "release"]
    rounds: int
    runs: int
    seconds: float
    warm_up: int = 1


# At least 50 runs and one second of each artifact.
STANDARD = Schedule("standard", rounds=5, runs=10, seconds=0.2)
# As MLPerf's single stream: at least 1,024 runs and 60 seconds.
RELEASE = Schedule("release", rounds=32, runs=32, seconds=60 / 32)
SCHEDULES: dict[LatencyMode, Schedule | None] = {
    "none": None,
    "standard": STANDARD,
    "release": RELEASE,
}


def summarize_times(
    rounds: Sequence[Sequence[float]], *, load: float, first: float, threads: int
) -> tuple[Latency, Timing]:
    """Percentiles over all rounds; linear between two runs.

    Args:
        rounds: Milliseconds of each timed run, by round; at least one.
        load: Milliseconds to load the file.
        first: Milliseconds of the first run.
        threads: CPU threads used.
    """
    times = np.concatenate([np.asarray(part, dtype=np.float64) for part in rounds])
    low, median, high, p90, p99 = np.percentile(times, (25, 50, 75, 90, 99))
    latency = Latency(
        load=load,
        first=first,
        min=float(times.min()),
        p50=float(median),
        p90=float(p90),
        p99=float(p99),
        mean=float(times.mean()),
        iqr=float(high - low),
    )
    noisy = bool(high - low > NOISY * median)
    return latency, Timing(runs=times.size, rounds=len(rounds), threads=threads, noisy=noisy)


def ratios(
    rounds: Sequence[Sequence[float]], base: Sequence[Sequence[float]] | None
) -> float | None:
    """How much slower than ``base``: the median over the rounds of the medians' ratio.

    Both were timed in the same rounds, so what slowed the machine in one of them divides out.
    None where there is nothing to compare with.
    """
    if not base or not rounds:
        return None
    pairs = zip(rounds, base, strict=False)
    return float(np.median([np.median(own) / np.median(other) for own, other in pairs]))
