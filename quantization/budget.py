"""What the masks of a network that is quantised must hold, and what of two that do is better."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from ..errors import UsageError
from ..metrics.conditions import Condition, parse_condition

if TYPE_CHECKING:
    from .sensitivity import Fidelity

__all__ = ["Budget", "Prefer", "budget_of", "read_budget"]

Prefer = Literal["latency", "fidelity"]

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
