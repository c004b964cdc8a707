"""Pairs of masks, photo by photo: the contract that all metrics share.

Masks are (N, C, H, W), real values in [0, 1]. A metric gives one row of float64 per photo. A
photo whose mask or counterpart holds a value that is not finite gets NaN, whatever the metric:
a comparison with NaN is False, so it would else count as background and look like a result.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "TRUTH_THRESHOLD",
    "Mask",
    "Masks",
    "Plane",
    "Truth",
    "Values",
    "check_masks",
    "check_pairs",
    "is_finite",
    "object_of",
    "photo_by_photo",
    "scored",
]

Masks = NDArray[np.floating[Any]]
"""(N, C, H, W)."""
Mask = NDArray[np.floating[Any]]
"""(C, H, W): one photo's."""
Values = NDArray[np.float64]


def photo_by_photo(
    measure: Callable[[Mask, Mask], Any], masks: Masks, others: Masks, shape: tuple[int, ...] = ()
) -> Values:
    """``measure`` of each pair, NaN where a value of the pair is not finite.

    Args:
        measure: Takes two (C, H, W) of finite values and gives ``shape``.
        masks: (N, C, H, W).
        others: (N, C, H, W).
        shape: What a photo gives; () for a number.

    Returns:
        (N, \\*shape).

    Raises:
        ValueError: The shapes differ, or are not (N, C, H, W) with at least one value.
    """
    check_pairs(masks, others)
    values = np.full((len(masks), *shape), np.nan)
    for number, (mask, other) in enumerate(zip(masks, others, strict=True)):
        if is_finite(mask) and is_finite(other):
            values[number] = measure(mask, other)
    return values


def is_finite(mask: Mask) -> bool:
    """No NaN and no infinity anywhere."""
    return bool(np.isfinite(mask).all())


def check_masks(masks: Masks) -> None:
    """Raise ValueError unless masks are (N, C, H, W) with at least one value."""
    if masks.ndim != 4 or masks.size == 0:
        raise ValueError(f"Masks must be (N, C, H, W) and not empty, not {masks.shape}.")


def check_pairs(masks: Masks, others: Masks) -> None:
    """Raise ValueError unless both are (N, C, H, W) of one shape."""
    check_masks(masks)
    if masks.shape != others.shape:
        raise ValueError(f"Masks of {masks.shape} can't be compared with masks of {others.shape}.")


Plane = NDArray[np.floating[Any]]
"""(H, W), values in [0, 1]."""
Truth = NDArray[np.bool_]
"""(H, W), True on the object."""

# The authors of U²-Net and pysodmetrics take the bytes above 128, of the 0 to 255 of a file.
TRUTH_THRESHOLD = 128.5 / 255


def object_of(truth: Plane) -> Truth:
    """(H, W), True where a truth in [0, 1] is above the byte 128."""
    return np.asarray(truth > TRUTH_THRESHOLD)


def scored(
    measure: Callable[[Plane, Truth], Any], masks: Masks, truths: Masks, shape: tuple[int, ...] = ()
) -> Values:
    """``measure`` of each photo's mask, clipped to [0, 1], and object.

    Args:
        measure: Takes (H, W) in [0, 1] and (H, W) of bool, and gives ``shape``.
        masks: (N, 1, H, W).
        truths: (N, 1, H, W), in [0, 1].
        shape: What a photo gives; () for a number.

    Returns:
        (N, \\*shape); NaN for a photo with a value that is not finite.

    Raises:
        ValueError: The shapes differ, or are not (N, 1, H, W).
    """
    check_pairs(masks, truths)
    if masks.shape[1] != 1:
        raise ValueError(f"Salient-object measures need (N, 1, H, W), not {masks.shape}.")
    return photo_by_photo(
        lambda mask, truth: measure(mask[0].clip(0, 1), object_of(truth[0])), masks, truths, shape
    )
