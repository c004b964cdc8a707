"""Objects: how much of them two masks have in common.

With one channel the object is where the value is at least a threshold. With several, the class
of a pixel is its plane of largest value, and each class is an object.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .pairs import Mask, Masks, Values, check_pairs, photo_by_photo

__all__ = [
    "SWEEP",
    "classes_of",
    "intersection_over_union",
    "intersection_over_union_by_class",
    "intersection_over_union_sweep",
    "mean_over_classes",
    "soft_intersection_over_union",
]

# 0.05, 0.10, … 0.95. By division: each is the float nearest to its decimal, as 0.05 k is not.
SWEEP: tuple[float, ...] = tuple(k / 20 for k in range(1, 20))


def intersection_over_union(masks: Masks, references: Masks, threshold: float = 0.5) -> Values:
    """Jaccard index of the two objects of each photo.

    Args:
        masks: (N, C, H, W), real values in [0, 1].
        references: (N, C, H, W), the same.
        threshold: In (0, 1); taken in the masks' own precision. Unused with several channels,
            where the mean is taken over the classes that either mask has.

    Returns:
        (N,), in [0, 1]; 1 where both objects are empty: two empty masks agree. NaN for a photo
        with a value that is not finite.

    Raises:
        ValueError: The shapes differ, or are not (N, C, H, W).
    """
    check_pairs(masks, references)
    if masks.shape[1] > 1:
        return mean_over_classes(intersection_over_union_by_class(masks, references))
    return intersection_over_union_sweep(masks, references, (threshold,))[:, 0]


def intersection_over_union_sweep(
    masks: Masks, references: Masks, thresholds: tuple[float, ...] = SWEEP
) -> Values:
    """Jaccard index at many thresholds: how it depends on where an app cuts.

    Args:
        masks: (N, C, H, W), real values in [0, 1].
        references: (N, C, H, W), the same.
        thresholds: T values in (0, 1).

    Returns:
        (N, T). With several channels each plane is cut by itself, and the mean is taken over the
        planes where either mask has a pixel; 1 where neither has one. NaN for a photo with a
        value that is not finite.

    Raises:
        ValueError: The shapes differ, or are not (N, C, H, W).
    """
    return photo_by_photo(
        lambda a, b: _sweep(a, b, thresholds), masks, references, (len(thresholds),)
    )


def intersection_over_union_by_class(masks: Masks, references: Masks) -> Values:
    """Jaccard index of each class, by the planes of the largest value.

    Args:
        masks: (N, C, H, W), C >= 2.
        references: (N, C, H, W), the same.

    Returns:
        (N, C); NaN where neither mask has the class, and for a photo with a value that is not
        finite. `summary.mean_by_class` averages it over the photos that have a class.

    Raises:
        ValueError: The shapes differ, are not (N, C, H, W), or have a single channel.
    """
    check_pairs(masks, references)
    channels = masks.shape[1]
    if channels < 2:
        raise ValueError("A mask of one channel has no classes; take intersection_over_union.")
    return photo_by_photo(_by_class, masks, references, (channels,))


def soft_intersection_over_union(masks: Masks, references: Masks) -> Values:
    """``Σ min(mask, reference) / Σ max(mask, reference)`` of each photo (Ruzicka's similarity).

    The Jaccard index of fuzzy sets: no threshold, so a mask that is right on the wrong side of a
    threshold counts too. Over all channels together.

    Returns:
        (N,), in [0, 1] for masks in [0, 1]; 1 where both are 0 everywhere. NaN for a photo with
        a value that is not finite.
    """
    return photo_by_photo(_soft, masks, references)


def classes_of(mask: Mask) -> NDArray[np.intp]:
    """(H, W), the plane of the largest value of each pixel of (C, H, W); the first of equals."""
    return np.asarray(mask.argmax(0), np.intp)


def mean_over_classes(by_class: Values) -> Values:
    """(N,) from (N, C): each photo's mean over the classes that it has; NaN where it has none."""
    present = ~np.isnan(by_class)
    found = present.sum(1)
    total = np.where(present, by_class, 0).sum(1)
    return np.where(found > 0, total / np.maximum(found, 1), np.nan)


def _sweep(mask: Mask, reference: Mask, thresholds: tuple[float, ...]) -> Values:
    # Both have a pixel where the smaller value reaches the threshold, either where the larger
    # does. For some twenty thresholds, counting is three times as fast as one histogram.
    smaller, larger = np.minimum(mask, reference), np.maximum(mask, reference)
    counts = np.array(
        [
            [
                (np.count_nonzero(low >= cut), np.count_nonzero(high >= cut))
                for low, high in zip(smaller, larger, strict=True)
            ]
            for cut in thresholds
        ]
    )
    common, either = counts[..., 0], counts[..., 1]
    found = either > 0
    ratios = np.where(found, common / np.maximum(either, 1), 0)
    planes = found.sum(1)
    return np.where(planes > 0, ratios.sum(1) / np.maximum(planes, 1), 1.0)


def _by_class(mask: Mask, reference: Mask) -> Values:
    channels = len(mask)
    pairs = classes_of(mask) * channels + classes_of(reference)
    confusion = np.bincount(pairs.reshape(-1), minlength=channels**2).reshape(channels, channels)
    common = confusion.diagonal()
    either = confusion.sum(0) + confusion.sum(1) - common
    return np.where(either > 0, common / np.maximum(either, 1), np.nan)


def _soft(mask: Mask, reference: Mask) -> float:
    either = float(np.maximum(mask, reference).sum(dtype=np.float64))
    common = float(np.minimum(mask, reference).sum(dtype=np.float64))
    return common / either if either else 1.0
