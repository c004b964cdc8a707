"""What no average may hide: masks that are unusable, or agree for a reason to look at."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from .overlap import classes_of
from .pairs import Mask, Masks, check_pairs, is_finite

__all__ = ["FATAL", "FLATNESS", "Objection", "is_lost", "objections"]

Objection = Literal["not-finite", "reference-not-finite", "flat", "out-of-range", "empty-both"]

# These fail an artifact whatever its averages say; the others are remarks.
FATAL: frozenset[Objection] = frozenset({"not-finite", "reference-not-finite", "flat"})

# One grey level: what is flatter can't be seen.
FLATNESS = 1 / 255
# Of a reference: a mask in bytes may be flat where a float mask spans a little more than a step.
FAINTNESS = 2 / 255
# Above what rounding and interpolation in float32 add, far below a grey level.
OVERSHOOT = 1e-5


def objections(
    masks: Masks, references: Masks, threshold: float = 0.5
) -> tuple[tuple[Objection, ...], ...]:
    """What is to be said against each photo's mask, beside any metric.

    * ``not-finite``: the mask has a NaN or an infinity; all its metrics are NaN.
    * ``reference-not-finite``: the reference has one.
    * ``flat``: the mask draws nothing where the reference draws something (`is_lost`).
    * ``out-of-range``: a value lies outside [0, 1] by more than rounding.
    * ``empty-both``: neither has an object, so metrics of objects agree without having compared
      one. With several channels: both are of one and the same class everywhere.

    Args:
        masks: (N, C, H, W), an artifact's.
        references: (N, C, H, W), the reference network's.
        threshold: The object is where the value is at least this.

    Returns:
        One tuple a photo, in the order above; empty where there is nothing to say.

    Raises:
        ValueError: The shapes differ, or are not (N, C, H, W).
    """
    check_pairs(masks, references)
    return tuple(
        tuple(_objections(mask, reference, threshold))
        for mask, reference in zip(masks, references, strict=True)
    )


def is_lost(masks: Masks, references: Masks) -> NDArray[np.bool_]:
    """Each mask is flat where its reference draws what bytes can say.

    Args:
        masks: (N, C, H, W).
        references: (N, C, H, W).

    Returns:
        (N,); False for a mask with a NaN, which is another objection.

    Raises:
        ValueError: The shapes are not the same (N, C, H, W).
    """
    check_pairs(masks, references)
    return np.array([_is_lost(*pair) for pair in zip(masks, references, strict=True)])


def _objections(mask: Mask, reference: Mask, threshold: float) -> list[Objection]:
    found: list[Objection] = []
    if not is_finite(mask):
        found.append("not-finite")
    if not is_finite(reference):
        found.append("reference-not-finite")
    if found:
        return found
    if _is_lost(mask, reference):
        found.append("flat")
    if mask.min() < -OVERSHOOT or mask.max() > 1 + OVERSHOOT:
        found.append("out-of-range")
    if _are_empty(mask, reference, threshold):
        found.append("empty-both")
    return found


def _is_flat(mask: Mask, tolerance: float) -> bool:
    return bool((np.ptp(mask, axis=(1, 2)) <= tolerance).all())


def _is_lost(mask: Mask, reference: Mask) -> bool:
    return _is_flat(mask, FLATNESS) and not _is_flat(reference, FAINTNESS)


def _are_empty(mask: Mask, reference: Mask, threshold: float) -> bool:
    if len(mask) > 1:
        classes = classes_of(mask)
        only = classes[0, 0]
        return bool((classes == only).all() and (classes_of(reference) == only).all())
    return bool(mask.max() < threshold and reference.max() < threshold)
