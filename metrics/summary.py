"""From a value per photo to what is reported: mean, worst photo, tail."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np

from .pairs import Values

__all__ = ["TAIL", "Better", "Summary", "mean_by_class", "summarize"]

Better = Literal["higher", "lower"]

# Percent of the photos that are worse than the tail.
TAIL = 5.0


@dataclass(frozen=True, slots=True)
class Summary:
    """A metric over photos, in numbers that JSON holds.

    Attributes:
        mean: Over all photos. None where a photo has no number (its mask is not finite): such a
            photo is a failure, and a mean of the others would hide it.
        worst: The worst photo's value; None where that photo has no number.
        worst_photo: Its index, from 0; the first of equals. A photo without a number is worse
            than any with one.
        tail: What all photos but the worst 5 % reach: the 5th percentile where higher is
            better, the 95th where lower is; linear between two photos. None as for ``mean``.
    """

    mean: float | None
    worst: float | None
    worst_photo: int
    tail: float | None


def summarize(values: Values, better: Better) -> Summary:
    """Mean, worst photo and tail.

    Args:
        values: (N,), one a photo; NaN where a photo has no number.
        better: Which way the metric is good; `AGREEMENT` and `SALIENCY` say it of each.

    Raises:
        ValueError: There is no photo, or more than one axis.
    """
    if values.ndim != 1 or values.size == 0:
        raise ValueError(f"A summary needs one value a photo, not {values.shape}.")
    lacking = np.flatnonzero(np.isnan(values))
    if lacking.size:
        return Summary(mean=None, worst=None, worst_photo=int(lacking[0]), tail=None)
    worst = int(values.argmin() if better == "higher" else values.argmax())
    tail = np.percentile(values, TAIL if better == "higher" else 100 - TAIL)
    return Summary(
        mean=math.fsum(values) / values.size,
        worst=float(values[worst]),
        worst_photo=worst,
        tail=float(tail),
    )


def mean_by_class(values: Values) -> tuple[float | None, ...]:
    """Mean of each class over the photos that have it.

    Args:
        values: (N, C), NaN where a photo lacks the class, as `intersection_over_union_by_class`
            gives it.

    Returns:
        C means; None for a class that no photo has.
    """
    present = ~np.isnan(values)
    return tuple(
        float(values[present[:, k], k].mean()) if present[:, k].any() else None
        for k in range(values.shape[1])
    )
