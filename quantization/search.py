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

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from ..errors import UsageError
from .budget import Budget, Prefer
from .sensitivity import Fidelity, PartCost, ranked

__all__ = [
    "SearchResult",
    "Try",
    "search",
    "with_last_resort",
]

Photos = Literal["calibration", "held-out"]
Score = Callable[[frozenset[str], Photos], Fidelity]


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
