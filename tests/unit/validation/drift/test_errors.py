"""Distances, against the same sums in float64."""

from __future__ import annotations

import math

import numpy as np
import pytest

from maskport.validation.drift.errors import Distance


@pytest.fixture
def pairs() -> list[tuple[np.ndarray, np.ndarray]]:
    rng = np.random.default_rng(0)
    shapes = [(1, 3, 100, 70), (1, 2, 5, 5)]  # one past a block of sums, one within
    expected = [rng.normal(1, 2, shape).astype(np.float32) for shape in shapes]
    return [(e + rng.normal(0, 0.1, e.shape).astype(np.float32), e) for e in expected]


def test_every_measure_is_over_all_values_of_all_pairs(
    pairs: list[tuple[np.ndarray, np.ndarray]],
) -> None:
    distance = Distance()
    for given, expected in pairs:
        distance.add(given, expected)
    given, expected = (np.concatenate([p[i].ravel() for p in pairs]).astype(float) for i in (0, 1))
    difference = given - expected
    # float32 sums within a block
    assert distance.mae == pytest.approx(np.abs(difference).mean(), rel=1e-5)
    assert distance.maximum == pytest.approx(np.abs(difference).max(), rel=1e-5)
    rms = math.sqrt((expected**2).mean())
    assert distance.relative == pytest.approx(math.sqrt((difference**2).mean()) / rms, rel=1e-5)
    cosine = given @ expected / np.linalg.norm(given) / np.linalg.norm(expected)
    assert distance.cosine == pytest.approx(cosine, abs=1e-6)


def test_a_unit_takes_the_place_of_the_references_size() -> None:
    distance = Distance(1.0)
    distance.add(np.full((1, 10), 0.25, np.float32), np.zeros((1, 10), np.float32))
    assert distance.relative == pytest.approx(0.25)


def test_something_where_nothing_was_expected_is_infinitely_wrong() -> None:
    distance = Distance()
    distance.add(np.ones((1, 4), np.float32), np.zeros((1, 4), np.float32))
    assert distance.relative == math.inf


def test_nothing_where_nothing_was_expected_is_right() -> None:
    distance = Distance()
    distance.add(np.zeros((1, 4), np.float32), np.zeros((1, 4), np.float32))
    assert (distance.relative, distance.cosine) == (0.0, 1.0)


def test_a_value_that_is_no_number_makes_errors_infinite() -> None:
    distance = Distance()
    distance.add(np.array([[1, np.nan]], np.float32), np.ones((1, 2), np.float32))
    assert distance.not_finite == 1
    assert distance.relative == distance.mae == distance.maximum == math.inf
