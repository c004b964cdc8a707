"""A gate's verdict in words: which photo, which metric, how far."""

from __future__ import annotations

from collections.abc import Sequence

from ..results import GateResult
from .gate import Bound
from .measure import Measured
from .quantities import Quantity

__all__ = ["described", "distance", "fact", "number", "verdict"]

_ASKED = {">=": "at least", ">": "more than", "<=": "at most", "<": "less than"}


def verdict(bound: Bound, found: Measured, where: Bound | None = None) -> str:
    """A sentence such as ``worst_iou 0.871 on boat.jpg, at least 0.95 is asked (short by
    0.079)``; of a gate that holds without the distance."""
    wanted = bound.quantity
    if found.value is None and not found.why:
        lack = f"no photo has {where}" if where else "the network draws no object in any photo"
        return f"{lack}, so {bound} has nothing to hold for"
    asked = f"{_ASKED[bound.operator]} {number(bound.limit, found.value)} is asked"
    if found.value is None:
        return f"{wanted.name} has no value ({found.why}), {asked}"
    text = f"{described(wanted, found, bound.limit)}{_among(found, where)}, {asked}"
    return text if bound.holds(found.value) else text + f" ({distance(found.value, bound)})"


def fact(
    gate: str,
    metric: str,
    passed: bool,
    text: str,
    photos: Sequence[str] = (),
    source: str = "built-in",
) -> GateResult:
    """The result of a gate that has no number: on the first of ``photos``, where it is of some."""
    return GateResult(
        gate=gate,
        metric=metric,
        value=None,
        limit=None,
        passed=passed,
        photo=photos[0] if photos else "",
        source=source,
        text=text,
    )


def described(wanted: Quantity, found: Measured, beside: float) -> str:
    """What was found, with the photo that decides it: ``mae 0.004 (worst on boat.jpg: 0.02)``.

    Args:
        wanted: The quantity.
        found: Its value, which is not None.
        beside: A number that it will be compared with; they are written so that they differ.
    """
    assert found.value is not None  # noqa: S101  # the caller has said why there is none
    text = f"{wanted.name} {number(found.value, beside)}"
    if not found.photo:
        return text
    if wanted.over == "worst":
        return f"{text} on {found.photo}"
    if found.photo_value is None:
        return text
    return f"{text} (worst on {found.photo}: {number(found.photo_value)})"


def distance(value: float, bound: Bound) -> str:
    """How far a value is on the wrong side: ``short by 0.079``, ``over by 0.0021``."""
    gap = abs(value - bound.limit)
    if gap == 0:
        return "equal is not enough"
    return f"{'short' if bound.quantity.better == 'higher' else 'over'} by {number(gap, digits=2)}"


def number(value: float, beside: float | None = None, digits: int = 4) -> str:
    """A number in few digits; in more where else it would read like the one beside it."""
    while digits < 17 and beside is not None and value != beside:
        if _plain(value, digits) != _plain(beside, digits):
            break
        digits += 2
    return _plain(value, digits)


def _plain(value: float, digits: int) -> str:
    return f"{value:.{digits}g}" if abs(value) < 10**digits else f"{value:.0f}"


def _among(found: Measured, where: Bound | None) -> str:
    if where is None:
        return ""
    return f" ({found.photos} photo{'s' if found.photos != 1 else ''} where {where})"
