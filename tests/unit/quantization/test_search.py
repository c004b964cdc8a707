"""A search finds the parts that must stay in float, and says so where none will do."""

from __future__ import annotations

import pytest

from maskport.errors import UsageError
from maskport.quantization.budget import read_budget
from maskport.quantization.search import search, with_last_resort
from maskport.quantization.sensitivity import Fidelity, PartCost

# What each part loses in integers, and what it costs in float.
LOSSES = {"first": (0.004, 0.5), "middle": (0.0001, 1.0), "last": (0.006, 0.2), "side": (0.0, 0.01)}


def _costs() -> list[PartCost]:
    return [
        PartCost(name, 1, Fidelity(0, 0, 1 - loss, 1 - loss, loss), price)
        for name, (loss, price) in LOSSES.items()
    ]


def _score(extra: float = 0.0):
    """Losses add up; held-out photos lose a little more."""

    def score(parts, photos):
        lost = sum(loss for name, (loss, _) in LOSSES.items() if name not in parts)
        iou = 1 - lost - (extra if photos == "held-out" else 0)
        return Fidelity(1 - iou, 1 - iou, iou, iou, 1 - iou)

    return score


def _time(parts: frozenset[str]) -> float:
    return sum(LOSSES[part][1] for part in parts)


def test_nothing_stays_in_float_where_integers_hold_the_budget() -> None:
    found = search(_costs(), read_budget(["iou>=0.98"]), _score(), _time)
    assert found.holds and found.best.float_parts == () and found.best.slower == 0
    assert [tried.photos for tried in found.tries] == ["calibration", "held-out"]


def test_the_part_that_wins_most_for_its_time_stays_in_float() -> None:
    found = search(_costs(), read_budget(["iou>=0.995"]), _score(), _time)
    assert found.holds and found.best.float_parts == ("last",)
    assert found.best.slower == pytest.approx(0.2)


def test_parts_that_turn_out_not_to_be_needed_go_back_to_integers() -> None:
    """Together `last` and `first` win enough; had `side` been taken, it would go back."""
    costs = [
        PartCost("side", 1, Fidelity(0, 0, 0.99, 0.99, 0.9), 0.02),  # ranked first, wins nothing
        *(cost for cost in _costs() if cost.module != "side"),
    ]
    found = search(costs, read_budget(["iou>=0.9995"]), _score(), _time)
    assert found.holds and found.best.float_parts == ("first", "last")


def test_what_fails_on_other_photos_is_widened_until_it_holds_there() -> None:
    found = search(_costs(), read_budget(["iou>=0.995"]), _score(extra=0.003), _time)
    assert found.holds and found.best.float_parts == ("first", "last")
    verified = [tried.holds for tried in found.tries if tried.photos == "held-out"]
    assert not verified[0] and verified[-1]


def test_a_budget_that_nothing_holds_is_not_held() -> None:
    found = search(_costs(), read_budget(["iou>=0.999", "mae<=0.5"]), _score(extra=0.01), _time)
    assert not found.holds
    assert found.best.fidelity.iou == pytest.approx(0.99)  # the best there is


def test_what_fails_where_it_was_searched_does_not_hold() -> None:
    """Other photos may be easier; a recipe for them alone is none."""
    found = search(_costs(), read_budget(["iou>=0.9999"]), _easier, _time)
    assert not found.holds
    assert (found.best.photos, found.best.fidelity.iou) == ("calibration", 0.9)  # why it fails


def _easier(parts: frozenset[str], photos: str) -> Fidelity:
    return Fidelity(0, 0, 1, 1, 0) if photos == "held-out" else Fidelity(0.1, 0.1, 0.9, 0.9, 0.1)


def test_the_best_of_what_fails_misses_least() -> None:
    def score(parts: frozenset[str], photos: str) -> Fidelity:
        lost = 0.005 - 0.001 * len(parts)
        return Fidelity(lost, lost, 1.0, 1.0, lost)  # no pixel crosses the threshold

    found = search(_costs(), read_budget(["mae<=0"]), score, _time)
    assert not found.holds and len(found.best.float_parts) == len(LOSSES)


def test_fidelity_may_be_preferred_where_it_costs_next_to_nothing() -> None:
    found = search(_costs(), read_budget(["iou>=0.98"]), _score(), _time, prefer="fidelity")
    assert found.best.float_parts == ("side",)


def test_nothing_joins_that_takes_longer_than_the_budget_allows() -> None:
    """`last` alone would do without `first`'s half; with both it would be held."""
    found = search(_costs(), read_budget(["iou>=0.9985", "time<=1.6"]), _score(), _time)
    assert not found.holds and found.best.float_parts == ("last", "side")
    assert max(tried.slower for tried in found.tries) <= 0.6
    found = search(_costs(), read_budget(["iou>=0.9985,time<=1.75"]), _score(), _time)
    assert found.holds and found.best.float_parts == ("first", "last")


def test_parts_between_others_join_where_they_save_conversions() -> None:
    """`middle` wins nothing; alone it costs, between `first` and `last` it saves two borders."""

    def time(parts: frozenset[str]) -> float:
        return 0.1 * len(parts) - 0.3 * (len(parts) == 3)

    costs = [
        PartCost(name, 1, Fidelity(0, 0, 1, 1, loss), 0.1)
        for name, loss in (("first", 0.3), ("last", 0.2), ("middle", 0.0))
    ]

    def score(parts: frozenset[str], photos: str) -> Fidelity:
        lost = 0.01 * len({"first", "last"} - parts)
        return Fidelity(lost, lost, 1 - lost, 1 - lost, lost)

    found = search(costs, read_budget(["mae<=0"]), score, time)
    assert found.holds and found.best.float_parts == ("first", "last", "middle")


def test_a_part_goes_back_to_integers_only_where_that_saves_time() -> None:
    def time(parts: frozenset[str]) -> float:
        return 0.1 * ("side" in parts) + (0.2 if {"first", "last"} <= parts else 0.3) * bool(
            parts & {"first", "last"}
        )

    def score(parts: frozenset[str], photos: str) -> Fidelity:
        lost = 0.01 * ("first" not in parts)
        return Fidelity(lost, lost, 1 - lost, 1 - lost, lost)

    costs = [
        PartCost(name, 1, Fidelity(0, 0, 1, 1, loss), 0.1)
        for name, loss in (("side", 0.3), ("last", 0.2), ("first", 0.1))
    ]
    found = search(costs, read_budget(["mae<=0"]), score, time)
    assert found.holds and found.best.float_parts == ("first", "last")


def test_parts_that_take_longer_than_the_budget_anyway_are_refused() -> None:
    with pytest.raises(UsageError, match=r"2\.00 times"):
        search(_costs(), read_budget(["iou>=0", "time<=1.5"]), _score(), lambda parts: 1.0)


def test_few_mixes_are_judged_to_find_how_many_parts_are_needed() -> None:
    names = [f"part{number:03}" for number in range(200)]
    costs = [PartCost(name, 1, Fidelity(0, 0, 1, 1, 1.0), 0.001) for name in names]

    def score(parts: frozenset[str], photos: str) -> Fidelity:
        lost = max(0, 120 - len(parts)) / 1e4
        return Fidelity(lost, lost, 1 - lost, 1 - lost, lost)

    found = search(costs, read_budget(["mae<=0"]), score, lambda parts: len(parts) / 1e3)
    assert found.holds and found.best.float_parts == tuple(names[:120])
    assert len(found.tries) < 15


@pytest.mark.parametrize(
    "text", ["iou", "iou>0.9", "iou<=0.9", "mae>=0.1", "psnr>=3", "iou>=e", "iou>=99", "time<=1.3"]
)
def test_a_budget_that_makes_no_sense_is_refused(text: str) -> None:
    with pytest.raises(UsageError):
        read_budget([text])


def test_budgets_are_read_as_they_are_written() -> None:
    texts = ["iou>=0.999,mae<=0.0006", "time<=1.35", " worst_iou >= .99 "]
    assert str(read_budget(texts)) == "iou>=0.999, mae<=0.0006, worst_iou>=0.99, time<=1.35"


@pytest.mark.parametrize(
    ("there", "here", "holds", "shown"),
    [
        (0.999, 0.999, True, "held-out"),
        (0.99, 0.999, False, "calibration"),
        (0.999, 0.99, False, "held-out"),
    ],
)
def test_a_last_resort_has_to_hold_on_both_kinds_of_photos(
    there: float, here: float, holds: bool, shown: str
) -> None:
    budget = read_budget(["iou>=0.9985"])
    failed = search(_costs(), budget, _score(extra=0.01), _time)
    assert not failed.holds
    ious = {"calibration": there, "held-out": here}
    found = with_last_resort(
        failed, budget, lambda photos: Fidelity(0, 0, ious[photos], ious[photos], 0), "tuned"
    )
    assert (found.holds, found.best.photos) == (holds, shown)
    assert found.best.float_parts == failed.best.float_parts
    assert [tried.why for tried in found.tries[-2:]] == ["tuned", "tuned"]
    assert found.tries[:-2] == failed.tries
