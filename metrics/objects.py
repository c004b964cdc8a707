"""What a reference draws of each photo: whether there is an object that others can be held to.

Every table, gate and comparison asks here which photos a number is taken over, so that they speak
of one number.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Literal, get_args

import numpy as np

from .pairs import Mask, Masks, Values, check_masks

__all__ = ["OBJECTS", "Object", "counts", "drawn_objects", "margins", "stays"]

Object = Literal["sure", "unsure", "small", "none"]
OBJECTS: Final[tuple[Object, ...]] = get_args(Object)

# How far values are moved to see whether the object stays.
SHIFT: Final = 0.1
# So much of the object stays where the network is sure. Good INT8 files of two networks, on 76
# photos, lost at most 0.46 of what such a shift takes (0.36 where our recipe made them): 3 % here,
# which is what a photo may lose by their gates (docs/gates.md).
STAYS: Final = 0.93
# Below so many pixels a single one is more than a hundredth of the object.
FEW_PIXELS: Final = 100
# Share of a photo below which what is neither object nor background is the edge of something small.
FAINT: Final = 0.01


def drawn_objects(references: Masks, threshold: float = 0.5) -> tuple[Object, ...]:
    """What the reference draws of each photo, by itself: no other mask is looked at.

    * ``sure``: an object that keeps 93 % of its pixels when all values are moved from 0.1 below
      to 0.1 above where they are. Its overlap with another mask says how alike they are.
    * ``unsure``: an object, or the half of one, that doesn't. Whatever rounds draws another one.
    * ``small``: one of less than 100 pixels, with next to no grey: a few pixels decide its
      overlap. That it is lost is told by `objections`.
    * ``none``: nothing, surely.

    With several channels the object of a class is where its plane is the largest, values are moved
    against those of the next plane, and classes with as few pixels are passed over.

    Args:
        references: (N, C, H, W), real values in [0, 1].
        threshold: The object is where the value is at least this; unused with several channels.

    Returns:
        One word a photo; a photo with a value that is not finite is ``unsure``.

    Raises:
        ValueError: The shape is not (N, C, H, W).
    """
    check_masks(references)
    return tuple(_object(reference, threshold) for reference in references)


def margins(mask: Mask, threshold: float) -> Values:
    """How far each value is from changing sides, of (C, H, W): positive where it is the object's.

    One channel: its distance from the threshold. Several: half of its distance from the largest
    of the others, so that moving both by as much makes them equal.
    """
    values = np.asarray(mask, np.float64)
    if len(values) == 1:
        return values - threshold
    ranked = np.sort(values, axis=0)
    first, second = ranked[-1], ranked[-2]
    return np.asarray((values - np.where(values == first, second, first)) / 2)


def stays(margin: Values, shift: float) -> float:
    """What a reference's object overlaps with itself when all values are moved by ``shift`` down
    and up; the mean over planes of at least 100 pixels.

    Args:
        margin: Of the reference, (C, H, W), as `margins` gives it.
        shift: In (0, 0.5).

    Returns:
        In [0, 1]; 0 where there is no such plane.
    """
    kept, drawn, reached = (
        np.count_nonzero(margin >= limit, axis=(1, 2)) for limit in (shift, 0.0, -shift)
    )
    counted = drawn >= FEW_PIXELS if len(margin) > 1 else reached > 0
    return float((kept[counted] / reached[counted]).mean()) if counted.any() else 0.0


def _object(reference: Mask, threshold: float) -> Object:
    if not np.isfinite(reference).all():
        return "unsure"
    margin = margins(reference, threshold)
    drawn = np.count_nonzero(margin >= 0, axis=(1, 2))
    if float((np.abs(margin) < SHIFT).any(0).mean()) < FAINT:
        if len(margin) > 1 and np.count_nonzero(drawn) == 1:
            return "none"
        if len(margin) == 1 and drawn[0] < FEW_PIXELS:
            return "small" if drawn[0] else "none"
    return "sure" if stays(margin, SHIFT) >= STAYS else "unsure"


# What compares objects, at the network's size and (``photo_iou``) at the photo's.
_OF_OBJECTS = frozenset({"iou", "sweep_iou", "soft_iou", "boundary_f"})


def counts(objects: Sequence[Object | None], metric: str) -> list[bool]:
    """Whether each photo counts in a metric of agreement.

    Errors count photos that the network is not unsure of, overlaps of objects and outlines those
    with an object that it is sure of (`metrics.drawn_objects`); no artifact has a say in it. Where
    it is sure of no object, those that it is unsure of count in everything. Where it isn't known
    what it is sure of, as in older results, all count.

    Args:
        objects: What the reference draws of each photo; None where it isn't known.
        metric: A name of `AGREEMENT`, or ``photo_`` and one.

    Returns:
        Never True where the reference draws no object in any photo, and the metric is of objects.
    """
    wanted: set[Object | None] = {"sure", None}
    if wanted.isdisjoint(objects):
        wanted.add("unsure")
    if metric.removeprefix("photo_") not in _OF_OBJECTS:
        wanted |= {"small", "none"}
    return [kind in wanted for kind in objects]
