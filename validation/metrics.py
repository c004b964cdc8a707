"""How far two masks are apart: pure functions over arrays of real values in [0, 1]."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["intersection_over_union", "is_flat", "mean_absolute_error"]

Masks = NDArray[np.float32]


def mean_absolute_error(mask: Masks, reference: Masks) -> float:
    """Mean of ``|mask - reference|``; both (..., C, H, W). In [0, 1] for masks in [0, 1]."""
    return float(np.abs(mask.astype(np.float64) - reference).mean())


def intersection_over_union(mask: Masks, reference: Masks, threshold: float = 0.5) -> float:
    """Jaccard index of the two objects.

    Args:
        mask: (C, H, W). With one channel the object is where the value is at least
            ``threshold``; with several, the mean is taken over the classes (planes of the
            argmax) that either mask has.
        reference: (C, H, W).
        threshold: In (0, 1).

    Returns:
        In [0, 1]; 1 where both objects are empty: two empty masks agree.
    """
    if mask.shape[0] > 1:
        classes, expected = mask.argmax(0), reference.argmax(0)
        present = np.union1d(classes, expected)
        return float(np.mean([_jaccard(classes == k, expected == k) for k in present]))
    return _jaccard(mask[0] >= threshold, reference[0] >= threshold)


def is_flat(mask: Masks, tolerance: float = 1 / 255) -> bool:
    """All values of (..., H, W) lie within ``tolerance``: nothing is drawn."""
    return bool(mask.max() - mask.min() <= tolerance)


def _jaccard(first: NDArray[np.bool_], second: NDArray[np.bool_]) -> float:
    union = np.count_nonzero(first | second)
    return float(np.count_nonzero(first & second) / union) if union else 1.0
