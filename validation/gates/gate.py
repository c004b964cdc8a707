"""One gate and how it is written: ``tflite-int8: iou >= 0.99 where mae > 0.002``."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import Final

from ...errors import UsageError
from ...metrics.conditions import Condition, parse_condition
from .quantities import Quantity, quantity

__all__ = ["EVERY", "Bound", "Gate", "parse_bound", "parse_gate", "parse_gates"]

EVERY: Final[tuple[str, ...]] = ("*",)

_WHERE = re.compile(r"\s+where\s+")


@dataclass(frozen=True, slots=True)
class Bound(Condition):
    """A condition on a quantity that there is."""

    quantity: Quantity

    def __str__(self) -> str:
        return f"{self.quantity.name} {self.operator} {self.limit:.12g}"


@dataclass(frozen=True, slots=True)
class Gate:
    """What the artifacts that it selects have to reach.

    Attributes:
        quantity: What it looks at.
        bound: The condition; None lifts a gate that would hold otherwise.
        where: Only photos for which this holds count; with none of them, the gate passes.
        selectors: Targets, formats, precisions or patterns such as ``tflite-*``.
        source: Who asks: ``--gate``, a file's name, ``default (fp16)``.
        place: Where it stands in a file, for messages.
        beside_gpu: It holds only where the reference ran on a GPU.
    """

    quantity: Quantity
    bound: Bound | None
    where: Bound | None = None
    selectors: tuple[str, ...] = EVERY
    source: str = "--gate"
    place: str = ""
    beside_gpu: bool = False

    def __str__(self) -> str:
        if self.bound is None:
            return f"{self.quantity.name} not gated"
        return f"{self.bound} where {self.where}" if self.where else str(self.bound)


def parse_gate(text: str) -> Gate:
    """Read one gate: ``[SELECTOR, …:] METRIC OP NUMBER [where METRIC OP NUMBER]``.

    Raises:
        UsageError: It is no gate, is several, or can't be meant: an unknown metric, a limit that
            the metric never reaches, the wrong side.
    """
    gates = parse_gates(text)
    if len(gates) != 1:
        raise UsageError(f"{text!r} holds {len(gates)} gates where one is expected.", _EXAMPLE)
    return gates[0]


def parse_gates(text: str) -> tuple[Gate, ...]:
    """Read gates separated by commas; one without a selector has that of the one before it.

    ``tflite-int8, coreml-w8: iou >= 0.99, mae <= 0.01, coreml-fp16: mae <= 1e-3`` holds three
    conditions, two of them for two targets.

    Raises:
        UsageError: As `parse_gate`.
    """
    gates = []
    selectors: tuple[str, ...] = EVERY
    waiting: list[str] = []
    for piece in _split(text, ","):
        head, *rest = _split(piece, ":")
        if rest:
            selectors, waiting = (*waiting, head.strip()), []
            if not all(selectors):
                raise UsageError(f"The gate {text!r} has an empty selector.", _EXAMPLE)
            piece = ":".join(rest)  # noqa: PLW2901
        elif not re.search(r"[<>=]", piece):
            waiting.append(piece.strip())
            continue
        if waiting:
            break
        try:
            bound, where = parse_bound(piece)
        except UsageError as exc:
            raise UsageError(f"The gate {text!r}: {exc.what}", exc.remedy) from exc
        gates.append(Gate(bound.quantity, bound, where, selectors))
    if waiting or not gates:
        raise UsageError(
            f"The gate {text!r} can't be read: {', '.join(waiting) or 'it'} says no condition.",
            _EXAMPLE,
        )
    return tuple(gates)


def parse_bound(text: str) -> tuple[Bound, Bound | None]:
    """Read ``METRIC OP NUMBER [where METRIC OP NUMBER]``.

    Raises:
        UsageError: As `parse_gate`.
    """
    condition, *clauses = _WHERE.split(text)
    bound = _bound(condition)
    wanted = bound.quantity
    if bound.wants != wanted.better:
        expected = ">" if wanted.better == "higher" else "<"
        raise UsageError(
            f"{bound} asks for a bad value: of {wanted.name}, {wanted.better} is better.",
            f"Write {wanted.name} {expected}= {bound.limit:g}.",
        )
    if not clauses:
        return bound, None
    where = parse_where(clauses[0]) if len(clauses) == 1 else None
    if where is None:
        raise UsageError(f"{text.strip()!r} has more than one where.", _CONDITIONS)
    check_where(wanted)
    return bound, where


def parse_where(text: str) -> Bound:
    """Read what stands after ``where``: a condition on a metric that each photo has.

    Raises:
        UsageError: As `parse_gate`, or photos don't have that metric.
    """
    where = _bound(text)
    if where.quantity.family != "fidelity" or where.quantity.over != "mean":
        raise UsageError(
            f"`where {where}` chooses photos, and a photo has no {where.quantity.name}.",
            "Take a metric of a photo's mask, such as mae or iou.",
        )
    return where


def check_where(wanted: Quantity) -> None:
    """Refuse a ``where`` for a quantity that is not made from the photos' metrics.

    Raises:
        UsageError: It isn't.
    """
    if wanted.family != "fidelity":
        raise UsageError(
            f"{wanted.name} can't have a where: it is not taken over photos' masks.",
            "Leave out the where.",
        )


def _bound(text: str) -> Bound:
    condition = parse_condition(text, _CONDITIONS)
    wanted, limit = quantity(condition.metric), condition.limit
    if not wanted.lowest <= limit <= wanted.highest:
        raise UsageError(
            f"{wanted.name} is never {limit:g}: it is "
            + (
                f"at least {wanted.lowest:g}."
                if math.isinf(wanted.highest)
                else f"between {wanted.lowest:g} and {wanted.highest:g}."
            ),
            _CONDITIONS,
        )
    return Bound(condition.metric, condition.operator, limit, wanted)


def _split(text: str, separator: str) -> list[str]:
    """Split where the separator stands outside of brackets: labels are free text."""
    return re.split(rf"{re.escape(separator)}(?![^\[]*\])", text)


_EXAMPLE = "Write, for example, --gate 'tflite-int8: iou >= 0.99' or --gate 'mae <= 0.01'."
_CONDITIONS = "Conditions are such as iou >= 0.99, mae <= 0.01, worst_iou >= 0.9 where mae > 0.005."
