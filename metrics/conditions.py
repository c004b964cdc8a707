"""Conditions on metrics as people write them: ``iou >= 0.99``."""

from __future__ import annotations

import math
import operator
import re
from dataclasses import dataclass
from typing import Final, Literal, cast

from ..errors import UsageError

__all__ = ["Condition", "Operator", "parse_condition"]

Operator = Literal[">=", "<=", ">", "<"]

_OPERATORS: Final = {">=": operator.ge, "<=": operator.le, ">": operator.gt, "<": operator.lt}
# A metric's label stands in brackets and may hold anything else.
_FORM = re.compile(r"\s*([\w.]+(?:\[[^\]]+\])?)\s*([<>=!~]+)\s*(\S+)\s*")
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")


@dataclass(frozen=True, slots=True)
class Condition:
    """A metric on one side of a limit.

    Attributes:
        metric: Its name, which may be none that there is.
        operator: How it is compared.
        limit: With what; finite.
    """

    metric: str
    operator: Operator
    limit: float

    def holds(self, value: float) -> bool:
        """Whether a value is on the right side; NaN never is."""
        return bool(_OPERATORS[self.operator](value, self.limit))

    @property
    def wants(self) -> Literal["lower", "higher"]:
        """The side on which values hold."""
        return "higher" if self.operator.startswith(">") else "lower"


def parse_condition(text: str, example: str) -> Condition:
    """Read ``METRIC OP NUMBER``.

    Args:
        text: What was written.
        example: The remedy where it is no condition.

    Raises:
        UsageError: It is none, or what it compares with is no number.
    """
    found = _FORM.fullmatch(text)
    if not found:
        raise UsageError(f"{text.strip()!r} is no condition.", example)
    if found[2] not in _OPERATORS:
        raise UsageError(
            f"{text.strip()!r} compares with {found[2]}.", "Compare with >=, <=, > or <."
        )
    limit = float(found[3]) if _NUMBER.fullmatch(found[3]) else math.nan
    if not math.isfinite(limit):
        raise UsageError(
            f"{text.strip()!r} compares with {found[3]!r}, which is no number.",
            "Give plain numbers, without units or percents: 0.99, 1e-4, 120.",
        )
    return Condition(found[1], cast("Operator", found[2]), limit)
