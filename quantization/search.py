"""Finding the fastest recipe that holds a budget: which parts stay in float.

Parts are taken into float by what they win for the time they cost (`sensitivity.ranked`) until
the budget holds on the calibration photos; then each is tried back in integers, the most
expensive first, and stays there where the budget still holds. What is found is verified on other
photos; where it fails there, the next part is taken into float and verified again (so those
photos have then chosen a little, too). Mixed
precision by sensitivity: HAWQ (Dong et al., ICCV 2019), here with measured losses of the mask.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from ..errors import UsageError
from .sensitivity import Fidelity, PartCost, ranked

__all__ = ["Budget", "Found", "Prefer", "Try", "budget_of", "read_budget", "search"]

Prefer = Literal["latency", "fidelity"]
Score = Callable[[frozenset[str], Literal["calibration", "held-out"]], Fidelity]

_METRICS = ("iou", "worst_iou", "mae", "worst_mae")
_SIGNS = {">=": operator.ge, "<=": operator.le}
_FORM = re.compile(r"\s*([a-z_]+)\s*(>=|<=)\s*([0-9.eE+-]+)\s*")


@dataclass(frozen=True, slots=True)
class Budget:
    """What masks must hold: all of these.

    Attributes:
        terms: Metric of `Fidelity`, sign, limit.
    """

    terms: tuple[tuple[str, str, float], ...]

    def holds(self, found: Fidelity) -> bool:
        """Whether all terms do."""
        return all(_SIGNS[sign](getattr(found, name), limit) for name, sign, limit in self.terms)

    def shortfall(self, found: Fidelity) -> float:
        """How far the terms are missed, each in units of what it allows; 0 where all hold."""
        missed = 0.0
        for name, sign, limit in self.terms:
            allowed = max(1 - limit if sign == ">=" else limit, 1e-9)
            beyond = (limit - getattr(found, name)) * (1 if sign == ">=" else -1)
            missed += max(0.0, beyond) / allowed
        return missed

    def __str__(self) -> str:
        return ", ".join(f"{name}{sign}{limit:.10g}" for name, sign, limit in self.terms)


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
    photos: Literal["calibration", "held-out"]
    fidelity: Fidelity
    slower: float
    holds: bool
    why: str


@dataclass(frozen=True, slots=True)
class Found:
    """What a search found.

    Attributes:
        float_parts: Of the fastest found that holds on both sets; where none does, of the one
            that misses it least on the held-out photos.
        verified: Fidelity on the held-out photos.
        holds: Whether the budget holds on both.
        slower: Expected time added, in units of the integer network's.
        tries: Everything that was tried, in order.
    """

    float_parts: tuple[str, ...]
    verified: Fidelity
    holds: bool
    slower: float
    tries: tuple[Try, ...]


def budget_of(given: Budget | str) -> Budget:
    """A budget as it is, or from its text.

    Raises:
        UsageError: As `read_budget`.
    """
    return given if isinstance(given, Budget) else read_budget([given])


def read_budget(texts: Sequence[str]) -> Budget:
    """``iou>=0.999``, ``mae<=0.0006``, ``worst_iou>=0.997``; several by commas or as several.

    Raises:
        UsageError: One is none, or points the wrong way.
    """
    terms = []
    for text in (part for whole in texts for part in whole.split(",")):
        match = _FORM.fullmatch(text)
        if match is None or match[1] not in _METRICS:
            raise UsageError(
                f"{text.strip()!r} is no budget.",
                f"Write iou>=0.999; there are {', '.join(_METRICS)}.",
            )
        name, sign, limit = match[1], match[2], _number(match[3], text)
        if (sign == ">=") != name.endswith("iou"):
            raise UsageError(
                f"{text.strip()!r} asks for bad masks.",
                "An IoU is at least (>=), an error at most (<=) its limit.",
            )
        if not 0.0 <= limit <= 1.0:
            raise UsageError(f"{text.strip()!r} can't be.", "Metrics of masks are between 0 and 1.")
        terms.append((name, sign, limit))
    return Budget(tuple(terms))


def search(
    costs: Sequence[PartCost],
    budget: Budget,
    score: Score,
    *,
    prefer: Prefer = "latency",
    watch: Callable[[Try], None] = lambda tried: None,
) -> Found:
    """Find which parts stay in float.

    Args:
        costs: Of every part that may.
        budget: To hold.
        score: Draws with the given parts in float, on the calibration or the held-out photos.
        prefer: ``latency`` stops at the fastest that holds; ``fidelity`` goes on with parts that
            cost next to nothing (a hundredth of the integer network's time each).
        watch: Told of each try.
    """
    tries: list[Try] = []
    price = {cost.module: cost.slower for cost in costs}

    def judge(parts: frozenset[str], photos: Literal["calibration", "held-out"], why: str) -> Try:
        found = score(parts, photos)
        slower = sum(price[part] for part in parts)
        tried = Try(tuple(sorted(parts)), photos, found, slower, budget.holds(found), why)
        tries.append(tried)
        watch(tried)
        return tried

    waiting = [cost.module for cost in ranked(costs)]
    chosen: frozenset[str] = frozenset()
    if prefer == "fidelity":
        chosen = frozenset(part for part in waiting if price[part] <= NEXT_TO_NOTHING)
        waiting = [part for part in waiting if part not in chosen]
    held = judge(chosen, "calibration", "to begin with").holds
    last_added = ""
    while not held and waiting:
        last_added = waiting.pop(0)
        chosen |= {last_added}
        held = judge(chosen, "calibration", f"{last_added} wins most for its time").holds
    if held:
        # Without what came last the budget was missed already.
        for part in sorted(chosen - {last_added}, key=lambda name: (-price[name], name)):
            if prefer == "fidelity" and price[part] <= NEXT_TO_NOTHING:
                continue
            fewer = chosen - {part}
            if judge(fewer, "calibration", f"without {part}?").holds:
                chosen = fewer
                waiting.append(part)
        waiting = [cost.module for cost in ranked(costs) if cost.module in waiting]
    last = judge(chosen, "held-out", "verified on photos that were not calibrated on")
    while not last.holds and waiting:
        part = waiting.pop(0)
        chosen |= {part}
        last = judge(chosen, "held-out", f"{part} as well")
    holds = held and last.holds
    best = last
    if not holds:
        verified = [tried for tried in tries if tried.photos == "held-out"]
        best = min(verified, key=lambda t: (budget.shortfall(t.fidelity), -t.fidelity.iou))
    return Found(best.float_parts, best.fidelity, holds, best.slower, tuple(tries))


# Of the integer network's time.
NEXT_TO_NOTHING = 0.01


def _number(text: str, whole: str) -> float:
    try:
        return float(text)
    except ValueError as exc:
        raise UsageError(f"{whole.strip()!r} has no number.", "Write iou>=0.999.") from exc
