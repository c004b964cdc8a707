"""S-measure: is the structure of the object there, as a whole and in its four quarters?

Fan et al., *Structure-measure: a new way to evaluate foreground maps*, ICCV 2017, with α = 0.5.
"""

from __future__ import annotations

import numpy as np

from .pairs import Masks, Plane, Truth, Values, scored

__all__ = ["s_measure", "structure"]

ALPHA = 0.5
EPSILON = float(np.spacing(1.0))


def s_measure(masks: Masks, truths: Masks) -> Values:
    """S-measure of each photo, α = 0.5.

    Args:
        masks: (N, 1, H, W), real values in [0, 1]; clipped to it.
        truths: (N, 1, H, W), real values in [0, 1], the object above the byte 128.

    Returns:
        (N,), in [0, 1]; for an empty truth 1 minus the mask's mean, for a full one the mean. NaN
        for a photo with a value that is not finite.

    Raises:
        ValueError: The shapes differ, or are not (N, 1, H, W).
    """
    return scored(lambda m, t: structure(m.astype(np.float64), t), masks, truths)


def structure(mask: Values, truth: Truth) -> float:
    """S-measure of (H, W) in float64 and its object."""
    share = np.count_nonzero(truth) / truth.size
    if share == 0:
        return 1 - float(mask.mean())
    if share == 1:
        return float(mask.mean())
    whole = share * _object_score(mask[truth]) + (1 - share) * _object_score(1 - mask[~truth])
    return max(0.0, ALPHA * whole + (1 - ALPHA) * _region_score(mask, truth))


def _object_score(values: Values) -> float:
    """Object-aware: the values should be high, and all alike."""
    mean = float(values.mean())
    spread = float(values.std(ddof=1)) if values.size > 1 else 0.0
    return 2 * mean / (mean**2 + 1 + spread + EPSILON)


def _region_score(mask: Values, truth: Truth) -> float:
    """Region-aware: structural similarity of the quarters around the object's centroid."""
    row, column = _centroid(truth)
    score = 0.0
    for rows in (slice(None, row), slice(row, None)):
        for columns in (slice(None, column), slice(column, None)):
            quarter = mask[rows, columns]
            # The centroid may lie in the last row or column: what is beyond it weighs nothing,
            # and its mean would be 0 / 0.
            if quarter.size:
                score += quarter.size / mask.size * _similarity(quarter, truth[rows, columns])
    return score


def _centroid(truth: Truth) -> tuple[int, int]:
    """Where the second quarters begin: the row and column after the rounded centroid.

    Halves are rounded to even, as pysodmetrics does; the authors' MATLAB rounds them up.
    """
    by_row, by_column = truth.sum(1, dtype=np.int64), truth.sum(0, dtype=np.int64)
    area = int(by_row.sum())
    row = int(by_row @ np.arange(len(by_row))) / area
    column = int(by_column @ np.arange(len(by_column))) / area
    return round(row) + 1, round(column) + 1


def _similarity(mask: Plane, truth: Truth) -> float:
    """SSIM of a quarter as one window, without its constants."""
    free = max(mask.size - 1, 1)
    mask_mean, truth_mean = float(mask.mean()), np.count_nonzero(truth) / truth.size
    centered = mask - mask_mean
    mask_variance = float(np.vdot(centered, centered)) / free
    # Of zeros and ones; no array is needed.
    truth_variance = truth.size * truth_mean * (1 - truth_mean) / free
    covariance = float(centered[truth].sum()) / free
    above = 4 * mask_mean * truth_mean * covariance
    below = (mask_mean**2 + truth_mean**2) * (mask_variance + truth_variance)
    if above != 0:
        return above / (below + EPSILON)
    return 1.0 if below == 0 else 0.0
