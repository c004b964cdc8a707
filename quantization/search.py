"""Finding the fastest recipe that holds a budget: which parts of the network stay in float.

Parts are lined up by the squared error that they save for the time they cost
(`sensitivity.ranked`), and as many go into float, from the first, as the budget needs on the
calibration photos, with what lies between them and saves its conversions; then each that costs
time is tried back in integers, the most expensive first, and stays there where the budget still
holds. What is found is verified on other photos; where it fails there, as many more as are needed
join it (so those photos have then chosen a little, too).
Mixed precision by sensitivity: HAWQ (Dong et al., ICCV 2019), here with measured losses of the
mask.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from ..errors import UsageError
from ..metrics.conditions import Condition, parse_condition
from .sensitivity import Fidelity, PartCost, ranked

__all__ = [
    "Budget",
    "Prefer",
    "SearchResult",
    "Try",
    "budget_of",
    "read_budget",
    "search",
    "with_last_resort",
]

Prefer = Literal["latency", "fidelity"]
Photos = Literal["calibration", "held-out"]
Score = Callable[[frozenset[str], Photos], Fidelity]

_METRICS = ("iou", "worst_iou", "mae", "worst_mae")
_SIGNS = (">=", "<=")


@dataclass(frozen=True, slots=True)
class Budget:
    """What masks must hold: all of these.

    Attributes:
        terms: Conditions on metrics of `Fidelity`, each ``>=`` or ``<=``.
        time: The longest it may take, in units of the integer network's own time.
    """

    terms: tuple[Condition, ...]
    time: float = math.inf

    def holds(self, found: Fidelity) -> bool:
        """Whether all terms do."""
        return all(term.holds(getattr(found, term.metric)) for term in self.terms)

    def shortfall(self, found: Fidelity) -> float:
        """How far the terms are missed, each in units of what it allows; 0 where all hold."""
        missed = 0.0
        for term in self.terms:
            higher = term.wants == "higher"
            allowed = max(1 - term.limit if higher else term.limit, 1e-9)
            beyond = (term.limit - getattr(found, term.metric)) * (1 if higher else -1)
            missed += max(0.0, beyond) / allowed
        return missed

    def __str__(self) -> str:
        terms = [f"{t.metric}{t.operator}{t.limit:.10g}" for t in self.terms]
        return ", ".join([*terms, *([f"time<={self.time:.10g}"] if self.time < math.inf else [])])


@dataclass(frozen=True, slots=True)
class Try:
    """One set of parts in float.

    Attributes:
        float_parts: Their paths.
        photos: What it was judged on.
        fidelity: What came out.
        slower: Expected time added, in units of the integer network's.
        holds: Whether the budget does.
        why: For people: why it was tried.
    """

    float_parts: tuple[str, ...]
    photos: Photos
    fidelity: Fidelity
    slower: float
    holds: bool
    why: str


@dataclass(frozen=True, slots=True)
class SearchResult:
    """What a search found.

    Attributes:
        best: The fastest found that holds, on the held-out photos; where none does, the try that
            shows it: the nearest one, on the photos that it fails on.
        holds: Whether the budget does, on the calibration photos and on the held-out ones.
        tries: Everything that was tried, in order.
    """

    best: Try
    holds: bool
    tries: tuple[Try, ...]


def budget_of(given: Budget | str) -> Budget:
    """A budget as it is, or from its text.

    Raises:
        UsageError: As `read_budget`.
    """
    return given if isinstance(given, Budget) else read_budget([given])


def read_budget(texts: Sequence[str]) -> Budget:
    """``iou>=0.999``, ``mae<=0.0006``, ``worst_iou>=0.997``, ``time<=1.35``; several by commas or
    as several.

    Raises:
        UsageError: One is none, or points the wrong way.
    """
    terms: list[Condition] = []
    time = math.inf
    for text in (part.strip() for whole in texts for part in whole.split(",")):
        told = f"Write iou>=0.999; there are {', '.join(_METRICS)} and time."
        found = parse_condition(text, told)
        if found.metric not in (*_METRICS, "time") or found.operator not in _SIGNS:
            raise UsageError(f"{text!r} is no budget.", told)
        if found.metric == "time":
            if found.wants == "higher" or found.limit < 1.0:
                raise UsageError(
                    f"{text!r} can't be.",
                    "Time is at most (<=) so many times the integer network's: 1 or more.",
                )
            time = min(time, found.limit)
            continue
        if (found.wants == "higher") != found.metric.endswith("iou"):
            raise UsageError(
                f"{text!r} asks for bad masks.",
                "An IoU is at least (>=), an error at most (<=) its limit.",
            )
        if not 0.0 <= found.limit <= 1.0:
            raise UsageError(f"{text!r} can't be.", "Metrics of masks are between 0 and 1.")
        terms.append(found)
    if not terms:
        raise UsageError(
            f"{', '.join(texts)!r} says nothing of the mask.", "Add what it must hold: iou>=0.999."
        )
    return Budget(tuple(terms), time)


def search(
    costs: Sequence[PartCost],
    budget: Budget,
    score: Score,
    time: Callable[[frozenset[str]], float],
    *,
    prefer: Prefer = "latency",
    watch: Callable[[Try], None] = lambda tried: None,
) -> SearchResult:
    """Find which parts stay in float.

    Args:
        costs: Of every part that may.
        budget: To hold.
        score: Draws with the given parts in float, on the calibration or the held-out photos.
        time: What the given parts in float add, in units of the integer network's time.
        prefer: ``latency`` stops at the fastest that holds; ``fidelity`` takes parts in that
            cost next to nothing (a hundredth of the integer network's time each).
        watch: Told of each try.

    Raises:
        UsageError: The parts that stay in float anyway take longer than the budget allows.
    """
    tries: dict[tuple[frozenset[str], Photos], Try] = {}
    names = [cost.module for cost in ranked(costs)]
    start: frozenset[str] = frozenset()
    if 1 + time(start) > budget.time:
        raise UsageError(
            f"What the recipe leaves in float takes {1 + time(start):.2f} times the integer "
            f"network's time, and the budget says {budget}.",
            "Leave less of it in float, or allow more time.",
        )

    def judge(parts: frozenset[str], photos: Photos, why: str) -> Try:
        if (parts, photos) not in tries:
            found = score(parts, photos)
            holds = budget.holds(found)
            tried = Try(tuple(sorted(parts)), photos, found, time(parts), holds, why)
            tries[parts, photos] = tried
            watch(tried)
        return tries[parts, photos]

    def completed(chosen: frozenset[str]) -> frozenset[str]:
        """With parts that cost no time, because they lie between others."""
        while True:
            known = time(chosen)
            free = [n for n in names if n not in chosen and time(chosen | {n}) <= known]
            if not free:
                return chosen
            chosen |= {free[0]}

    def lined_up(chosen: frozenset[str], last: frozenset[str]) -> list[frozenset[str]]:
        """Growing sets, each within the budget's time; the parts of ``last`` join at the end."""
        sets: list[frozenset[str]] = []
        waiting = sorted((n for n in names if n not in chosen), key=last.__contains__)
        while True:
            within = (n for n in waiting if 1 + time(chosen | {n}) <= budget.time)
            if (name := next(within, None)) is None:
                return sets
            chosen = completed(chosen | {name})
            sets.append(chosen)
            waiting = [name for name in waiting if name not in chosen]

    def grown(chosen: frozenset[str], photos: Photos, last: frozenset[str]) -> frozenset[str]:
        """The first set of the line with which the budget holds; the last where none does."""
        sets = lined_up(chosen, last)
        if not sets:
            return chosen
        low, high = -1, len(sets) - 1
        if judge(sets[high], photos, "all that may be").holds:
            while high - low > 1:
                middle = (low + high) // 2
                if judge(sets[middle], photos, "those that win most for their time").holds:
                    high = middle
                else:
                    low = middle
        return sets[high]

    if prefer == "fidelity":
        start = frozenset(n for n in names if time(frozenset({n})) - time(start) <= NEXT_TO_NOTHING)
        start = start if 1 + time(start) <= budget.time else frozenset()
    chosen, sent_back = start, frozenset[str]()
    held = judge(chosen, "calibration", "to begin with")
    if not held.holds:
        chosen = grown(chosen, "calibration", sent_back)
        held = judge(chosen, "calibration", "all that may be")
        for part in sorted(chosen - start, key=lambda n: (time(chosen - {n}), n)):
            fewer = chosen - {part}
            saves = time(chosen) - time(fewer) > NEXT_TO_NOTHING
            if held.holds and saves and judge(fewer, "calibration", f"without {part}?").holds:
                chosen, sent_back = fewer, sent_back | {part}
    last = judge(chosen, "held-out", "verified on photos that were not calibrated on")
    if held.holds and not last.holds:
        chosen = grown(chosen, "held-out", sent_back)
        last = judge(chosen, "held-out", "all that may be")
        held = judge(chosen, "calibration", "with what joined for the other photos")
    if not held.holds:
        return SearchResult(held, False, tuple(tries.values()))
    if not last.holds:
        verified = [tried for tried in tries.values() if tried.photos == "held-out"]
        last = min(verified, key=lambda t: (budget.shortfall(t.fidelity), t.slower))
    return SearchResult(last, last.holds, tuple(tries.values()))


def with_last_resort(
    found: SearchResult, budget: Budget, score: Callable[[Photos], Fidelity], why: str
) -> SearchResult:
    """The same, where the nearest try's parts were scored once more after something was done.

    Args:
        found: Of a search that found nothing.
        budget: As there.
        score: On the calibration or the held-out photos.
        why: What was done, for people.

    Returns:
        Its ``best`` is the new try, on the photos that it fails on where it does.
    """
    again = []
    for photos in ("calibration", "held-out"):
        fidelity = score(photos)
        holds = budget.holds(fidelity)
        again.append(replace(found.best, photos=photos, fidelity=fidelity, holds=holds, why=why))
    last = next((tried for tried in again if not tried.holds), again[-1])
    return SearchResult(last, last.holds, (*found.tries, *again))


# Of the integer network's time.
NEXT_TO_NOTHING = 0.01
