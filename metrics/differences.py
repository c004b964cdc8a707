"""Value by value: how far a mask is from another, whatever it draws."""

from __future__ import annotations

import math

import numpy as np

from .pairs import Mask, Masks, Values, photo_by_photo

__all__ = [
    "HIGH_PERCENTILE",
    "PSNR_CEILING",
    "absolute_error",
    "decibels",
    "error_percentile",
    "maximum_error",
    "mean_absolute_error",
    "peak_signal_to_noise",
    "root_mean_square",
    "root_mean_square_error",
]

# Half of float32's spacing just below 1 is 3e-8, and -20 log10(3e-8) is 150: beyond it two masks
# differ by less than the number format can say.
PSNR_CEILING = 150.0

# Of 320 x 320 pixels, 102 may be worse: a few stray pixels are left out, a lost corner is not.
HIGH_PERCENTILE = 99.9


def mean_absolute_error(masks: Masks, references: Masks) -> Values:
    """Mean of ``|mask - reference|`` over channels and pixels of each photo.

    Args:
        masks: (N, C, H, W), real values in [0, 1].
        references: (N, C, H, W), the same.

    Returns:
        (N,), in [0, 1] for masks in [0, 1]; NaN for a photo with a value that is not finite.

    Raises:
        ValueError: The shapes differ, or are not (N, C, H, W).
    """
    return photo_by_photo(lambda a, b: absolute_error(a, b).mean(), masks, references)


def root_mean_square_error(masks: Masks, references: Masks) -> Values:
    """Root of the mean of ``(mask - reference)²`` of each photo; as `mean_absolute_error`."""
    return photo_by_photo(lambda a, b: root_mean_square(absolute_error(a, b)), masks, references)


def peak_signal_to_noise(masks: Masks, references: Masks) -> Values:
    """``-20 log10(RMSE)`` of each photo in decibels: the peak is 1.

    Equal masks would give infinity, which no JSON holds and no mean survives, so values stop at
    `PSNR_CEILING`. Photos are averaged in decibels, each photo capped by itself.

    Returns:
        (N,), at most `PSNR_CEILING`; NaN for a photo with a value that is not finite.
    """
    return photo_by_photo(
        lambda a, b: decibels(root_mean_square(absolute_error(a, b))), masks, references
    )


def maximum_error(masks: Masks, references: Masks) -> Values:
    """Largest ``|mask - reference|`` of each photo; as `mean_absolute_error`."""
    return photo_by_photo(lambda a, b: absolute_error(a, b).max(), masks, references)


def error_percentile(
    masks: Masks, references: Masks, percentile: float = HIGH_PERCENTILE
) -> Values:
    """Percentile of ``|mask - reference|`` of each photo, linear between two ranks.

    Args:
        masks: (N, C, H, W), real values in [0, 1].
        references: (N, C, H, W), the same.
        percentile: In [0, 100].
    """
    return photo_by_photo(
        lambda a, b: np.percentile(absolute_error(a, b), percentile), masks, references
    )


def absolute_error(mask: Mask, reference: Mask) -> Values:
    """``|mask - reference|`` in float64, of the masks' shape."""
    error = np.subtract(mask, reference, dtype=np.float64)
    return np.abs(error, out=error)


def root_mean_square(error: Values) -> float:
    """Root of the mean square of an array of errors."""
    flat = error.reshape(-1)
    return math.sqrt(float(flat @ flat) / flat.size)


def decibels(rmse: float) -> float:
    """PSNR of a root mean square error, for a peak of 1; at most `PSNR_CEILING`."""
    return min(-20 * math.log10(rmse), PSNR_CEILING) if rmse > 0 else PSNR_CEILING
