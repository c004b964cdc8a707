"""An artifact against the reference: every metric of agreement in one pass over the photos."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np

from .boundary import TOLERANCE, boundary_f_measure
from .differences import HIGH_PERCENTILE, absolute_error, decibels, root_mean_square
from .flags import Objection, objections
from .overlap import (
    SWEEP,
    intersection_over_union,
    intersection_over_union_by_class,
    intersection_over_union_sweep,
    mean_over_classes,
    soft_intersection_over_union,
)
from .pairs import Mask, Masks, Values, photo_by_photo
from .summary import Better

__all__ = ["AGREEMENT", "Agreement", "compare"]

AGREEMENT: Mapping[str, Better] = MappingProxyType(
    {
        "mae": "lower",
        "rmse": "lower",
        "psnr": "higher",
        "max_error": "lower",
        "p999_error": "lower",
        "iou": "higher",
        "sweep_iou": "higher",
        "soft_iou": "higher",
        "boundary_f": "higher",
    }
)
"""Name of each metric that `compare` gives, and which way it is good."""


@dataclass(frozen=True, slots=True, eq=False)
class Agreement:
    """How an artifact's masks agree with the reference's.

    Attributes:
        metrics: (N,) for each name of `AGREEMENT`; ``sweep_iou`` is the mean over the thresholds
            of ``sweep``. NaN for a photo with a value that is not finite.
        thresholds: Those of ``sweep``.
        sweep: (N, T), the IoU at each threshold.
        classes: (N, C), the IoU of each class, NaN where neither has it; None for one channel.
        objections: For each photo what no average may hide.
    """

    metrics: Mapping[str, Values]
    thresholds: tuple[float, ...]
    sweep: Values
    classes: Values | None
    objections: tuple[tuple[Objection, ...], ...]


def compare(
    masks: Masks,
    references: Masks,
    threshold: float,
    *,
    thresholds: tuple[float, ...] = SWEEP,
    tolerance: float = TOLERANCE,
) -> Agreement:
    """Every metric of agreement, for photos of one size.

    Args:
        masks: (N, C, H, W), an artifact's, real values in [0, 1].
        references: (N, C, H, W), the reference network's.
        threshold: The spec's: the object is where the value is at least this.
        thresholds: Where the sweep cuts.
        tolerance: Of the boundary F, in pixels.

    Raises:
        ValueError: The shapes differ, or are not (N, C, H, W).
    """
    errors = photo_by_photo(_errors, masks, references, (5,)).T
    sweep = intersection_over_union_sweep(masks, references, thresholds)
    metrics = dict(zip(("mae", "rmse", "psnr", "max_error", "p999_error"), errors, strict=True))
    classes = None
    if masks.shape[1] > 1:
        classes = intersection_over_union_by_class(masks, references)
        metrics["iou"] = mean_over_classes(classes)
    else:
        metrics["iou"] = intersection_over_union(masks, references, threshold)
    metrics["sweep_iou"] = sweep.mean(1)
    metrics["soft_iou"] = soft_intersection_over_union(masks, references)
    metrics["boundary_f"] = boundary_f_measure(masks, references, threshold, tolerance)
    return Agreement(
        metrics=MappingProxyType(metrics),
        thresholds=thresholds,
        sweep=sweep,
        classes=classes,
        objections=objections(masks, references, threshold),
    )


def _errors(mask: Mask, reference: Mask) -> tuple[float, ...]:
    error = absolute_error(mask, reference)
    rmse = root_mean_square(error)
    return (
        float(error.mean()),
        rmse,
        decibels(rmse),
        float(error.max()),
        float(np.percentile(error, HIGH_PERCENTILE, overwrite_input=True)),
    )
