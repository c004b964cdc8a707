"""What a quantity is of one artifact, and which photo decides it."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np

from ...metrics import summarize
from ..results import ArtifactResult, Results
from .gate import Bound
from .quantities import Quantity, photo_values, value_of, why_no_value

__all__ = ["Measured", "chosen_photos", "measure"]


@dataclass(frozen=True, slots=True)
class Measured:
    """A quantity's value.

    Attributes:
        value: None where there is none.
        photo: The worst photo, for quantities that photos have; else empty.
        photo_value: That photo's own value.
        photos: How many photos it was taken over.
        why: Why there is no value; empty where there is one.
    """

    value: float | None
    photo: str = ""
    photo_value: float | None = None
    photos: int = 0
    why: str = ""


def chosen_photos(
    results: Results, artifact: ArtifactResult, wanted: Quantity, where: Bound | None = None
) -> list[str]:
    """The photos that a quantity is taken over: of those that count in it, the ones for which a
    condition holds, and those that have no value to hold it against: a mask that is not finite must
    not drop out of what it fails."""
    counting = photo_values(results, artifact, wanted)
    if where is None:
        return list(counting)
    values = photo_values(results, artifact, where.quantity)
    return [n for n in counting if n in values and ((v := values[n]) is None or where.holds(v))]


def measure(
    results: Results,
    artifact: ArtifactResult,
    wanted: Quantity,
    photos: Collection[str] | None = None,
) -> Measured:
    """A quantity over all photos that count, as it was reported, or over some, taken anew.

    Args:
        results: That hold the artifact.
        artifact: Of ``results.artifacts``.
        wanted: What to measure.
        photos: Names of those that count, one at least; None for all. Only for quantities of
            the family ``fidelity``.
    """
    values = photo_values(results, artifact, wanted)
    if photos is None:
        value = value_of(results, artifact, wanted)
    else:
        values = {name: value for name, value in values.items() if name in photos}
        value = _over(values, wanted)
    worst = _worst(values, wanted)
    return Measured(
        value=value,
        photo=worst,
        photo_value=values.get(worst),
        photos=len(values),
        why=why_no_value(results, artifact, wanted) if value is None else "",
    )


def _over(values: dict[str, float | None], wanted: Quantity) -> float | None:
    numbers = [value for value in values.values() if value is not None]
    if not numbers or len(numbers) < len(values):
        return None
    summary = summarize(np.array(numbers), wanted.better)
    return {"mean": summary.mean, "worst": summary.worst, "p5": summary.tail}[wanted.over]


def _worst(values: dict[str, float | None], wanted: Quantity) -> str:
    """A mask without a number is worse than any with one; a class or a ground truth may lack."""
    sign = 1.0 if wanted.better == "higher" else -1.0
    lacking = [n for n, v in values.items() if v is None and wanted.family == "fidelity"]
    numbers = {name: sign * value for name, value in values.items() if value is not None}
    if lacking and numbers:
        return lacking[0]
    return min(numbers, key=numbers.__getitem__, default="")
