"""Ground truth: which pixels are the object, and pairs of a mask with it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .pairs import Masks, Values, check_pairs, photo_by_photo

__all__ = ["TRUTH_THRESHOLD", "Plane", "Truth", "object_of", "scored"]

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
    measure: Callable[[Plane, Truth], Any],
    masks: Masks,
    truths: Masks,
    shape: tuple[int, ...] = (),
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
