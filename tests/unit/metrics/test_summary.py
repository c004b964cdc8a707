"""Mean, worst photo and tail, whichever way a metric is good."""

from __future__ import annotations

import json
from dataclasses import asdict

import numpy as np
import pytest

from maskport.metrics import Summary, summarize


def test_the_worst_is_the_lowest_or_the_highest() -> None:
    values = np.array([0.9, 0.2, 0.7, 0.2])
    assert summarize(values, "higher").worst_photo == 1  # the first of two equals
    assert summarize(values, "higher").worst == 0.2
    assert summarize(values, "lower").worst_photo == 0
    assert summarize(values, "lower").worst == 0.9
    assert summarize(values, "lower").mean == pytest.approx(0.5)


def test_the_tail_lies_on_the_worse_side() -> None:
    values = np.random.default_rng(0).permutation(np.arange(101.0))  # percentile p is p
    assert summarize(values, "higher").tail == pytest.approx(5)
    assert summarize(values, "lower").tail == pytest.approx(95)


def test_one_photo_is_its_own_mean_worst_and_tail() -> None:
    assert summarize(np.array([0.25]), "lower") == Summary(0.25, 0.25, 0, 0.25)


def test_a_photo_without_a_number_is_the_worst_and_hides_in_no_mean() -> None:
    summary = summarize(np.array([0.1, np.nan, 0.0]), "higher")
    assert summary == Summary(mean=None, worst=None, worst_photo=1, tail=None)


def test_it_holds_what_json_holds() -> None:
    for values in ([0.1, 0.2], [np.nan, 0.2]):
        text = json.dumps(asdict(summarize(np.array(values), "lower")), allow_nan=False)
        assert json.loads(text)["worst_photo"] in {0, 1}


def test_no_photo_is_no_summary() -> None:
    with pytest.raises(ValueError, match="one value a photo"):
        summarize(np.array([]), "lower")
    with pytest.raises(ValueError, match="one value a photo"):
        summarize(np.zeros((2, 3)), "lower")
