"""Which photos a number over photos is taken over: those of which the network itself is sure.

Every table, gate and comparison asks here, so that they speak of one number.
"""

from __future__ import annotations

from collections.abc import Sequence

from .objects import Object

__all__ = ["counts"]

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
