"""Weighted F-measure: errors count by where they are.

Margolin et al., *How to evaluate foreground maps?*, CVPR 2014, with β² = 1: errors inside the
object that neighbours make up for count less (a 7 x 7 Gaussian, σ = 5), errors outside count up
to twice, the farther from the object the more (half of it at 5 pixels).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import correlate1d, distance_transform_edt

from .pairs import Masks, Truth, Values, scored

__all__ = ["weighted_f", "weighted_f_measure"]

REACH = 3
SIGMA = 5.0
HALF_AT = 5.0
# 2 ** (-285 / 5) is 7e-18: beyond it the weight is 2 to float64's last digit, so that no distance
# needs to be known.
FAR = 285
EPSILON = float(np.spacing(1.0))


def weighted_f_measure(masks: Masks, truths: Masks) -> Values:
    """Weighted F of each photo, β² = 1.

    Args:
        masks: (N, 1, H, W), real values in [0, 1]; clipped to it.
        truths: (N, 1, H, W), real values in [0, 1], the object above the byte 128.

    Returns:
        (N,), in [0, 1]; 0 for an empty truth, where the authors' code has no result. NaN for a
        photo with a value that is not finite.

    Raises:
        ValueError: The shapes differ, or are not (N, 1, H, W).
    """
    return scored(lambda m, t: weighted_f(m.astype(np.float64), t), masks, truths)


def weighted_f(mask: Values, truth: Truth) -> float:
    """Weighted F of (H, W) in float64 and its object."""
    pixels = np.count_nonzero(truth)
    if pixels == 0:
        return 0.0
    error = np.abs(mask - truth)
    near = _around(truth, FAR)
    distance, nearest = distance_transform_edt(~truth[near], return_indices=True)
    inside = _made_up_for(error[near], truth[near], nearest).sum()
    # Twice everywhere, less what being near the object takes off.
    outside = 2 * float(error[~truth].sum())
    beside = ~truth[near]
    outside -= float(error[near][beside] @ np.exp2(-distance[beside] / HALF_AT))
    found = pixels - inside
    recall = 1 - inside / pixels
    precision = found / (found + outside + EPSILON)
    return float(2 * recall * precision / (recall + precision + EPSILON))


def _made_up_for(error: Values, truth: Truth, nearest: NDArray[np.int32]) -> Values:
    """The object's errors, each lowered to the mean of its neighbourhood where that is less.

    Outside, the error of the nearest pixel of the object stands in, so that the object's edge
    has neighbours too; outside the frame is 0.
    """
    # Those of the object are their own nearest. Only they and what is within reach are needed.
    window = _around(truth, REACH)
    rows, columns = nearest[0][window], nearest[1][window]
    offsets = np.arange(-REACH, REACH + 1)
    kernel = np.exp(-(offsets**2) / (2 * SIGMA**2))
    kernel /= kernel.sum()
    mean = error[rows, columns]
    for axis in (0, 1):
        mean = correlate1d(mean, kernel, axis=axis, mode="constant", cval=0.0)
    return np.asarray(np.minimum(error[window], mean)[truth[window]])


def _around(truth: Truth, margin: int) -> tuple[slice, slice]:
    """The object's bounding box, grown by a margin within the frame."""
    rows, columns = np.flatnonzero(truth.any(1)), np.flatnonzero(truth.any(0))
    return (
        slice(max(int(rows[0]) - margin, 0), int(rows[-1]) + 1 + margin),
        slice(max(int(columns[0]) - margin, 0), int(columns[-1]) + 1 + margin),
    )
