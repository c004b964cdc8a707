"""E-measure: how well a binary mask and the truth align, pixels and means at once.

Fan et al., *Enhanced-alignment measure for binary foreground map evaluation*, IJCAI 2018. A
pixel's alignment depends only on which side it is of both masks, so four counts give the sum over
all pixels.
"""

from __future__ import annotations

import numpy as np

from .f_measure import THRESHOLDS, Counts, adaptive_counts, count
from .pairs import Masks, Values, scored

__all__ = ["adaptive_e_measure", "alignment", "e_measure_curves"]

EPSILON = float(np.spacing(1.0))


def e_measure_curves(masks: Masks, truths: Masks) -> Values:
    """E-measure of each photo at the thresholds 0, 1/255, … 1.

    Args:
        masks: (N, 1, H, W), real values in [0, 1]; clipped to it.
        truths: (N, 1, H, W), real values in [0, 1], the object above the byte 128.

    Returns:
        (N, 256), in [0, P / (P - 1)] for P pixels: the authors divide by P - 1. NaN for a photo
        with a value that is not finite.

    Raises:
        ValueError: The shapes differ, or are not (N, 1, H, W).
    """
    return scored(lambda m, t: alignment(count(m, t)), masks, truths, (THRESHOLDS,))


def adaptive_e_measure(masks: Masks, truths: Masks) -> Values:
    """E-measure of each photo at twice its mask's mean, at most 1; as `e_measure_curves`, (N,)."""
    return scored(lambda m, t: alignment(adaptive_counts(m, t))[0], masks, truths)


def alignment(counts: Counts) -> Values:
    """(T,): the E-measure at each threshold.

    With an empty truth it is the share of pixels that are not claimed, with a full one the share
    that is: the alignment is not defined there, and the authors' code says so.
    """
    pixels = max(counts.size - 1, 1)
    unclaimed = counts.size - counts.claims
    if counts.positives == 0:
        return unclaimed / pixels
    if counts.positives == counts.size:
        return counts.claims / pixels
    mask_mean = counts.claims / counts.size
    truth_mean = counts.positives / counts.size
    missed = counts.positives - counts.hits
    total = np.zeros(len(counts.hits))
    for number, in_mask, in_truth in (
        (counts.hits, 1, 1),
        (counts.claims - counts.hits, 1, 0),
        (missed, 0, 1),
        (unclaimed - missed, 0, 0),
    ):
        drawn, expected = in_mask - mask_mean, in_truth - truth_mean
        aligned = 2 * drawn * expected / (drawn**2 + expected**2 + EPSILON)
        total += number * (aligned + 1) ** 2 / 4
    return total / pixels
