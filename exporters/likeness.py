"""Whether a few masks can stand for others: what every precision promises, and four photos show."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..metrics import FATAL, drawn_objects, intersection_over_union, mean_absolute_error, objections
from ..models.devices import best_device
from ..precisions import PRECISIONS, Bounds

__all__ = ["bounds_of", "objection"]

Masks = NDArray[np.float32]

# Where the network is sure of no photo: what no precision loses, and an error that shows.
UNSURE_IOU, VISIBLE_ERROR = 0.9, 0.02


def bounds_of(precision: str) -> Bounds:
    """What files of a precision have to reach beside a reference that is drawn here."""
    row = PRECISIONS[precision]
    return row.beside_gpu if row.beside_gpu and best_device() != "cpu" else row.bounds


def objection(
    masks: Masks, references: Masks, threshold: float, bounds: Bounds, than: str = "PyTorch"
) -> str:
    """Why masks can't stand for the references, in a sentence; empty where they can.

    What no average may hide (`metrics.objections`) is looked for in every photo. Errors are those
    of the photos that the network is not unsure of, overlaps those of the photos with an object
    that it is sure of; where there is none, masks only have to be alike.

    Args:
        masks: (N, C, H, W), as a file gave them.
        references: (N, C, H, W).
        threshold: The object is where the value is at least this.
        bounds: What they have to reach.
        than: What drew the references, for the sentence.
    """
    if not np.isfinite(masks).all():
        return f"it gives {np.count_nonzero(~np.isfinite(masks))} values that are not numbers"
    errors = mean_absolute_error(masks, references)
    overlaps = intersection_over_union(masks, references, threshold)
    for number, complaints in enumerate(objections(masks, references, threshold), 1):
        for complaint in complaints:
            if complaint in FATAL:
                return _COMPLAINTS[complaint].format(
                    number, masks[number - 1].mean(), errors[number - 1], than
                )
    kinds = np.array(drawn_objects(references, threshold))
    sure, unsure = np.flatnonzero(kinds == "sure"), np.flatnonzero(kinds == "unsure")
    firm = np.flatnonzero(kinds != "unsure")
    for what, values, photos, sign, worst, mean in (
        ("MAE", errors, firm, 1, bounds.worst_mae, bounds.mae),
        ("IoU", overlaps, sure, -1, bounds.worst_iou, bounds.iou),
    ):
        if not len(photos):
            continue
        # One of a few photos may be the worst of many, which the bound of a mean is for.
        limit = (mean * (len(photos) - 1) + worst) / len(photos)
        last = photos[(sign * values[photos]).argmax()]
        if sign * (values[last] - worst) > 0:
            return _other(than, f"of photo {last + 1}: {what}", values[last], worst, sign)
        if sign * (values[photos].mean() - limit) > 0:
            return _other(than, f"on average: {what}", values[photos].mean(), limit, sign)
    if not len(sure) and len(unsure):
        mean, error = overlaps[unsure].mean(), errors[unsure].mean()
        if mean < UNSURE_IOU and error > VISIBLE_ERROR:
            return _other(than, "on average: IoU", mean, UNSURE_IOU, -1)
    return ""


_COMPLAINTS = {
    "flat": "its mask of photo {0} is flat ({1:.3f} everywhere)",
    "another-mask": "it draws another mask than {3} of photo {0}: MAE {2:.3f}",
    "lost": "it loses the object that {3} draws of photo {0}: half of it or more is not there",
    "invented": "it draws an object in photo {0} that {3} draws less than half of",
    "reference-not-finite": "{3} gives values of photo {0} that are not numbers",
}


def _other(than: str, where: str, value: float, limit: float, sign: int) -> str:
    bound = f"at {'most' if sign > 0 else 'least'} {limit:.4g}"
    return f"it draws another mask than {than} {where} {value:.4f}, where {bound} is expected"
