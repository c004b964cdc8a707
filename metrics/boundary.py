"""Outlines: do two objects end at the same places?

The boundary of an object is its pixels with a neighbour, above, below, left or right, that is
not of the object. Beyond the frame all counts as object: where the frame cuts an object, no
outline was drawn.
"""

from __future__ import annotations

import math

import numpy as np

from .overlap import classes_of
from .pairs import Mask, Masks, Plane, Truth, Values, photo_by_photo, scored

__all__ = [
    "TOLERANCE",
    "boundary_f_measure",
    "boundary_of",
    "relaxed_boundary_f",
    "relaxed_boundary_f_measure",
    "within",
]

# Pixels. The and U²-Net's; 0.7 % of the diagonal of a map of 320 x 320, where DAVIS
# takes 0.8 %.
TOLERANCE = 3.0
# U²-Net's evaluation: precision counts more than recall.
RELAXED_BETA_SQUARED = 0.3
RELAXED_THRESHOLD = 0.5


def boundary_f_measure(
    masks: Masks, references: Masks, threshold: float = 0.5, tolerance: float = TOLERANCE
) -> Values:
    """Boundary F of each photo, after DAVIS (Perazzi et al., CVPR 2016, contour accuracy).

    Precision is the share of the mask's boundary pixels that lie within ``tolerance`` of one of
    the reference's, recall the reverse; F is their harmonic mean. docs/metrics.md says what
    differs from DAVIS: the tolerance, the pixels that make a boundary, and masks without one.

    Args:
        masks: (N, C, H, W), real values in [0, 1].
        references: (N, C, H, W), the same.
        threshold: The object is where the value is at least this. Unused with several channels,
            where the mean is taken over the classes that either mask has.
        tolerance: Euclidean distance in pixels, at most.

    Returns:
        (N,), in [0, 1]; where neither has a boundary, 1 if both objects are the same (empty or
        the whole frame) and else 0. NaN for a photo with a value that is not finite.

    Raises:
        ValueError: The shapes differ, or are not (N, C, H, W).
    """
    return photo_by_photo(lambda a, b: _boundary_f(a, b, threshold, tolerance), masks, references)


def relaxed_boundary_f_measure(masks: Masks, truths: Masks, tolerance: float = TOLERANCE) -> Values:
    """Relaxed boundary F of each photo, as U²-Net reports it (after Ehrig and Euzenat 2005).

    As `boundary_f_measure` with one channel, at a threshold of 0.5 and with β² = 0.3.

    Args:
        masks: (N, 1, H, W), real values in [0, 1].
        truths: (N, 1, H, W), real values in [0, 1], the object above the byte 128.
        tolerance: The slack ρ in pixels.

    Returns:
        (N,), in [0, 1]; NaN for a photo with a value that is not finite.
    """
    return scored(lambda m, t: relaxed_boundary_f(m, t, tolerance), masks, truths)


def relaxed_boundary_f(mask: Plane, truth: Truth, tolerance: float) -> float:
    """Relaxed boundary F of (H, W) in [0, 1] and its object."""
    return _f(mask >= RELAXED_THRESHOLD, truth, tolerance, RELAXED_BETA_SQUARED)


def boundary_of(inside: Truth) -> Truth:
    """(H, W): the object's pixels that have one of four neighbours outside of it."""
    inner = inside.copy()
    inner[1:] &= inside[:-1]
    inner[:-1] &= inside[1:]
    inner[:, 1:] &= inside[:, :-1]
    inner[:, :-1] &= inside[:, 1:]
    return inside & ~inner


def within(tolerance: float, points: Truth) -> Truth:
    """(H, W): the pixels whose Euclidean distance to a point is at most ``tolerance``.

    A disc is a stack of rows, so the points are first widened to each row's width and these then
    shifted: some ten operations on bits where a distance transform of the whole frame takes a
    hundred times as long.
    """
    height, width = points.shape
    radius = math.floor(tolerance)
    widened = [points]
    for reach in range(1, min(radius, width - 1) + 1):
        wider = widened[-1].copy()
        wider[:, reach:] |= points[:, :-reach]
        wider[:, :-reach] |= points[:, reach:]
        widened.append(wider)
    near = widened[-1].copy()
    for rise in range(1, min(radius, height - 1) + 1):
        row = widened[min(math.floor(math.sqrt(tolerance**2 - rise**2)), len(widened) - 1)]
        near[rise:] |= row[:-rise]
        near[:-rise] |= row[rise:]
    return near


def _boundary_f(mask: Mask, reference: Mask, threshold: float, tolerance: float) -> float:
    if len(mask) == 1:
        return _f(mask[0] >= threshold, reference[0] >= threshold, tolerance, 1.0)
    classes, expected = classes_of(mask), classes_of(reference)
    scores = []
    for k in range(len(mask)):
        drawn, wanted = classes == k, expected == k
        if drawn.any() or wanted.any():
            scores.append(_f(drawn, wanted, tolerance, 1.0))
    return float(np.mean(scores))


def _f(drawn: Truth, expected: Truth, tolerance: float, beta_squared: float) -> float:
    drawn_edge, expected_edge = boundary_of(drawn), boundary_of(expected)
    drawn_pixels, expected_pixels = np.count_nonzero(drawn_edge), np.count_nonzero(expected_edge)
    if drawn_pixels == 0 and expected_pixels == 0:
        # Neither has an outline: each is empty or the whole frame.
        return float(drawn[0, 0] == expected[0, 0])
    if drawn_pixels == 0 or expected_pixels == 0:
        return 0.0
    precision = np.count_nonzero(drawn_edge & within(tolerance, expected_edge)) / drawn_pixels
    recall = np.count_nonzero(expected_edge & within(tolerance, drawn_edge)) / expected_pixels
    if precision == 0 or recall == 0:
        return 0.0
    return (1 + beta_squared) * precision * recall / (beta_squared * precision + recall)
