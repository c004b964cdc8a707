"""What is said of times: percentiles, noise, and ratios that a slow minute can't bend."""

from __future__ import annotations

import numpy as np
import pytest

from maskport.validation.latency import RELEASE, STANDARD, ratios, summarize_times


def test_percentiles_are_over_all_rounds() -> None:
    rounds = [list(range(1, 51)), list(range(51, 101))]
    latency, timing = summarize_times(rounds, load=5, first=9, threads=2)
    assert (latency.min, latency.load, latency.first) == (1, 5, 9)
    # Linear interpolation over 1 .. 100, as numpy has it.
    assert latency.p50 == 50.5
    assert latency.p90 == pytest.approx(90.1)
    assert latency.p99 == pytest.approx(99.01)
    assert latency.iqr == pytest.approx(49.5)
    assert latency.mean == 50.5
    assert (timing.runs, timing.rounds, timing.threads) == (100, 2, 2)


@pytest.mark.parametrize(("spread", "noisy"), [(0.01, False), (0.3, True)])
def test_a_wide_interquartile_range_is_flagged(spread: float, noisy: bool) -> None:
    times = 100 * (1 + spread * np.linspace(-1, 1, 50))
    _, timing = summarize_times([times.tolist()], load=1, first=1, threads=1)
    assert timing.noisy is noisy


def test_a_slow_minute_that_hits_all_files_leaves_their_ratio_alone() -> None:
    """In the second round the machine was three times slower, for both."""
    fast, slow = [[10.0] * 10, [30.0] * 10], [[20.0] * 10, [60.0] * 10]
    assert ratios(slow, fast) == 2.0


def test_there_is_no_ratio_to_what_was_not_timed() -> None:
    assert ratios([[1.0]], None) is None
    assert ratios([[1.0]], []) is None
    assert ratios([], [[1.0]]) is None


def test_schedules_keep_what_they_promise() -> None:
    assert STANDARD.rounds * STANDARD.runs >= 50
    assert STANDARD.rounds * STANDARD.seconds >= 1
    assert RELEASE.rounds * RELEASE.runs >= 1024
    assert RELEASE.rounds * RELEASE.seconds >= 60
