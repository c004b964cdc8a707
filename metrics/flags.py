"""What no average may hide: masks that are unusable, or agree for a reason to look at."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

import numpy as np

from .objects import drawn_objects, margins, stays
from .overlap import classes_of, intersection_over_union
from .pairs import Mask, Masks, Values, check_pairs, is_finite

__all__ = ["FATAL", "FLATNESS", "Objection", "objections"]

Objection = Literal[
    "not-finite",
    "reference-not-finite",
    "flat",
    "another-mask",
    "lost",
    "invented",
    "out-of-range",
    "empty-both",
]

# These fail an artifact whatever its averages say; the others are remarks.
FATAL: frozenset[Objection] = frozenset(
    {"not-finite", "reference-not-finite", "flat", "another-mask", "lost", "invented"}
)

# One grey level: what is flatter can't be seen.
FLATNESS = 1 / 255
# Of a reference: a mask in bytes may be flat where a float mask spans a little more than a step.
FAINTNESS = 2 / 255
# A mean error of a tenth: no photo's mask is the same then, not even one that the network is unsure
# of, of which the roughest integers move 0.085.
ANOTHER_MASK = 0.1
# An object is surely there where values are so far above the threshold (of several classes: half of
# what the plane leads by), in a square of 2 x 2 at least.
SURELY, FEWEST = 0.25, 4
# The share of it that must be drawn.
HALF = 0.5
# Above what rounding and interpolation in float32 add, far below a grey level.
OVERSHOOT = 1e-5


def objections(
    masks: Masks, references: Masks, threshold: float = 0.5
) -> tuple[tuple[Objection, ...], ...]:
    """What is to be said against each photo's mask, beside any metric.

    * ``not-finite``: the mask has a NaN or an infinity; all its metrics are NaN.
    * ``reference-not-finite``: the reference has one.
    * ``flat``: the mask draws nothing where the reference draws what bytes can say.
    * ``another-mask``: the mean error is above 0.1, or the object, where the reference is unsure of
      it, is another one than doubt explains: it overlaps less than the reference does itself when
      all values are moved by 0.25 down and up.
    * ``lost``: at most half of the pixels that are surely an object of the reference (0.25 above
      the threshold, four pixels or more) are drawn. However small it is: a mean doesn't tell.
    * ``invented``: the same with the two exchanged: what is surely an object of the mask is hardly
      one of the reference.
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


def _objections(mask: Mask, reference: Mask, threshold: float) -> list[Objection]:
    found: list[Objection] = []
    if not is_finite(mask):
        found.append("not-finite")
    if not is_finite(reference):
        found.append("reference-not-finite")
    if found:
        return found
    if _is_flattened(mask, reference):
        found.append("flat")
    else:
        found += _differences(mask, reference, threshold)
    if mask.min() < -OVERSHOOT or mask.max() > 1 + OVERSHOOT:
        found.append("out-of-range")
    if _are_empty(mask, reference, threshold):
        found.append("empty-both")
    return found


def _differences(mask: Mask, reference: Mask, threshold: float) -> Iterator[Objection]:
    ours, theirs = margins(mask, threshold), margins(reference, threshold)
    error = np.abs(np.subtract(mask, reference, dtype=np.float64)).mean()
    if error > ANOTHER_MASK or _is_beyond_doubt(mask, reference, theirs, threshold):
        yield "another-mask"
    if _is_missing(theirs, ours):
        yield "lost"
    if _is_missing(ours, theirs):
        yield "invented"


def _is_flat(mask: Mask, tolerance: float) -> bool:
    return bool((np.ptp(mask, axis=(1, 2)) <= tolerance).all())


def _is_flattened(mask: Mask, reference: Mask) -> bool:
    return _is_flat(mask, FLATNESS) and not _is_flat(reference, FAINTNESS)


def _is_beyond_doubt(mask: Mask, reference: Mask, margin: Values, threshold: float) -> bool:
    """The mask overlaps the reference less than the reference does itself when values are moved by
    a quarter; of an object that the network is unsure of, whose overlap no mean counts."""
    if drawn_objects(reference[None], threshold) != ("unsure",):
        return False
    (overlap,) = intersection_over_union(mask[None], reference[None], threshold)
    return bool(overlap < stays(margin, SURELY))


def _is_missing(objects: Values, drawn: Values) -> bool:
    """Of some plane's object, by its margins (C, H, W), at most half is drawn in the other's."""
    surely = objects >= SURELY
    there = np.count_nonzero(surely, axis=(1, 2))
    kept = np.count_nonzero(surely & (drawn >= 0), axis=(1, 2))
    return bool(((there >= FEWEST) & (kept <= HALF * there)).any())


def _are_empty(mask: Mask, reference: Mask, threshold: float) -> bool:
    if len(mask) > 1:
        classes = classes_of(mask)
        only = classes[0, 0]
        return bool((classes == only).all() and (classes_of(reference) == only).all())
    return bool(mask.max() < threshold and reference.max() < threshold)
