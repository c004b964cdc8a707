"""F-measure against ground truth: precision and recall at 256 thresholds (Achanta et al. 2009).

The thresholds are t / 255 for t = 0 … 255, the object being where the mask is at least that: what
counting the bytes of a grey image would give. β² = 0.3 as everywhere in salient object detection.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .pairs import Masks, Plane, Truth, Values, scored

__all__ = [
    "BETA_SQUARED",
    "THRESHOLDS",
    "Counts",
    "adaptive_counts",
    "adaptive_f_measure",
    "count",
    "f_measure",
    "f_measure_curves",
    "precision_recall",
    "precision_recall_curves",
]

THRESHOLDS = 256
BETA_SQUARED = 0.3

Numbers = NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class Counts:
    """Pixels of one photo at T thresholds; all else about them follows.

    Attributes:
        hits: (T,), pixels of the object that the mask has too.
        claims: (T,), pixels that the mask has.
        positives: Pixels of the object.
        size: Pixels of the photo.
    """

    hits: Numbers
    claims: Numbers
    positives: int
    size: int


def precision_recall_curves(masks: Masks, truths: Masks) -> tuple[Values, Values]:
    """Precision and recall of each photo at the thresholds 0, 1/255, … 1.

    Args:
        masks: (N, 1, H, W), real values in [0, 1]; clipped to it.
        truths: (N, 1, H, W), real values in [0, 1], the object above the byte 128.

    Returns:
        Precision and recall, each (N, 256), in [0, 1]. Precision is 0 where the mask is empty,
        recall where the truth is. NaN for a photo with a value that is not finite.

    Raises:
        ValueError: The shapes differ, or are not (N, 1, H, W).
    """
    curves = scored(lambda m, t: precision_recall(count(m, t)), masks, truths, (2, THRESHOLDS))
    return curves[:, 0], curves[:, 1]


def f_measure_curves(masks: Masks, truths: Masks) -> Values:
    """F of each photo at the thresholds 0, 1/255, … 1; as `precision_recall_curves`, (N, 256).

    0 where precision or recall is: with an empty truth, everywhere.
    """
    return scored(
        lambda m, t: f_measure(*precision_recall(count(m, t))), masks, truths, (THRESHOLDS,)
    )


def adaptive_f_measure(masks: Masks, truths: Masks) -> Values:
    """F of each photo at twice its mask's mean, at most 1; as `precision_recall_curves`, (N,)."""
    return scored(
        lambda m, t: f_measure(*precision_recall(adaptive_counts(m, t)))[0], masks, truths
    )


def count(mask: Plane, truth: Truth) -> Counts:
    """Counts at the 256 thresholds, ascending, from one histogram of each side.

    The levels are taken in the mask's own precision: v / 255 in float32 times 255 in float32 is
    v again, for every byte v, where float64 would fall short of half of them.
    """
    levels = (mask * mask.dtype.type(255)).astype(np.uint16)
    levels += truth.astype(np.uint16) << 8
    outside, inside = np.bincount(levels.reshape(-1), minlength=512).reshape(2, THRESHOLDS)
    hits = _at_least(inside)
    return Counts(hits, hits + _at_least(outside), int(hits[0]), mask.size)


def adaptive_counts(mask: Plane, truth: Truth) -> Counts:
    """Counts at the one threshold that is twice the mask's mean (Achanta et al. 2009)."""
    threshold = min(2 * float(mask.mean(dtype=np.float64)), 1.0)
    claimed = mask.astype(np.float64, copy=False) >= threshold
    hits, claims = np.count_nonzero(claimed & truth), np.count_nonzero(claimed)
    return Counts(np.array([hits]), np.array([claims]), int(np.count_nonzero(truth)), mask.size)


def precision_recall(counts: Counts) -> Values:
    """(2, T): precision, recall; 0 where nothing is claimed, or there is nothing to find."""
    return np.stack(
        [counts.hits / np.maximum(counts.claims, 1), counts.hits / max(counts.positives, 1)]
    )


def f_measure(precision: Values, recall: Values) -> Values:
    """(1 + β²) P R / (β² P + R) of equal shapes; 0 where P or R is."""
    product = precision * recall
    weighted = BETA_SQUARED * precision + recall
    return (1 + BETA_SQUARED) * product / np.where(product > 0, weighted, 1)


def _at_least(histogram: Numbers) -> Numbers:
    return histogram[::-1].cumsum()[::-1]
