"""Masks against ground truth: the measures of salient object detection over a data set."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

import numpy as np

from .alignment import alignment
from .boundary import TOLERANCE, relaxed_boundary_f
from .f_measure import THRESHOLDS, adaptive_counts, count, f_measure, precision_recall
from .pairs import Masks, Plane, Truth, Values, scored
from .structure import structure
from .summary import Better
from .weighted_f import weighted_f

__all__ = ["OF_THE_SET", "SALIENCY", "SaliencyScores", "saliency_rows"]

SALIENCY: Mapping[str, Better] = MappingProxyType(
    {
        "mae": "lower",
        "max_f_authors": "higher",
        "max_f_mean_curve": "higher",
        "max_f_per_photo": "higher",
        "mean_f": "higher",
        "adaptive_f": "higher",
        "weighted_f": "higher",
        "s_measure": "higher",
        "max_e_mean_curve": "higher",
        "max_e_per_photo": "higher",
        "mean_e": "higher",
        "adaptive_e": "higher",
        "relaxed_boundary_f": "higher",
    }
)
"""Name of each result of `SaliencyScores`, and which way it is good."""

OF_THE_SET = ("max_f_authors", "max_f_mean_curve", "max_e_mean_curve")
"""Results that belong to a data set as a whole: no photo has a value of its own."""

PER_PHOTO = tuple(name for name in SALIENCY if name not in OF_THE_SET)


class SaliencyScores:
    """Collects masks and their truths, photo by photo, and gives every measure.

    A photo leaves ten numbers and four curves of 256 values behind, and only the curves' sums
    are kept, so a data set of any length fits.

    The maximum F comes in three protocols, which differ by what is averaged before the maximum:

    * ``max_f_authors``: precision and recall at each of 256 thresholds are averaged over the
      photos, F is taken of the two means, then its maximum: U²-Net's and BASNet's tables.
    * ``max_f_mean_curve``: the photos' F curves are averaged, then the maximum: pysodmetrics.
    * ``max_f_per_photo``: each photo at its own best threshold, then the mean: the largest of
      the three that no app can reach with one threshold.

    E is given as the second and third. ``mean_f`` and ``mean_e`` are means over thresholds and
    photos, ``adaptive_…`` takes each photo at twice its mask's mean.
    """

    def __init__(self) -> None:
        self._photos: dict[str, list[float]] = {name: [] for name in PER_PHOTO}
        # Precision, recall, F, E.
        self._curves = np.zeros((4, THRESHOLDS))

    def __len__(self) -> int:
        return len(self._photos["mae"])

    def add(self, masks: Masks, truths: Masks) -> None:
        """Take photos of one size; call again for photos of another.

        Args:
            masks: (N, 1, H, W), real values in [0, 1]; clipped to it.
            truths: (N, 1, H, W), real values in [0, 1], the object above the byte 128.

        Raises:
            ValueError: The shapes differ, or are not (N, 1, H, W).
        """
        for row in saliency_rows(masks, truths):
            self.take(row)

    def take(self, row: Values) -> None:
        """A photo's row of `saliency_rows`.

        Raises:
            ValueError: It is none.
        """
        curves = row[len(PER_PHOTO) :].reshape(4, THRESHOLDS)
        for name, value in zip(PER_PHOTO, row, strict=False):
            self._photos[name].append(float(value))
        self._curves += curves

    @property
    def photos(self) -> dict[str, Values]:
        """(N,) for each measure that a photo has by itself, in the order of `add`.

        NaN for a photo with a value that is not finite.
        """
        return {name: np.array(values) for name, values in self._photos.items()}

    def last(self) -> dict[str, float]:
        """What the photo added last has by itself, as `photos` has it of all."""
        return {name: values[-1] for name, values in self._photos.items()}

    def result(self) -> dict[str, float | None]:
        """Each name of `SALIENCY` over the data set; means unless the name says otherwise.

        None for all of them where a mask was not finite: a mean of the others would hide it.

        Raises:
            ValueError: No photo was added.
        """
        if not len(self):
            raise ValueError("There is no photo to score.")
        precision, recall, f_curve, e_curve = self._curves / len(self)
        values = {name: float(np.mean(values)) for name, values in self._photos.items()}
        values["max_f_authors"] = float(f_measure(precision, recall).max())
        values["max_f_mean_curve"] = float(f_curve.max())
        values["max_e_mean_curve"] = float(e_curve.max())
        return {name: None if np.isnan(values[name]) else values[name] for name in SALIENCY}


def saliency_rows(masks: Masks, truths: Masks) -> Values:
    """What `SaliencyScores` takes of each photo: the measures that it has by itself, then its four
    curves; (N, 1034).

    Args:
        masks: As `SaliencyScores.add` has them.
        truths: Likewise.
    """
    return scored(_all_of_a_photo, masks, truths, (len(PER_PHOTO) + 4 * THRESHOLDS,))


def _all_of_a_photo(mask: Plane, truth: Truth) -> Values:
    """The values of PER_PHOTO, then the four curves."""
    exact = mask.astype(np.float64)
    counts, adaptive = count(mask, truth), adaptive_counts(mask, truth)
    precision, recall = precision_recall(counts)
    f_curve, e_curve = f_measure(precision, recall), alignment(counts)
    values = {
        "mae": float(np.abs(exact - truth).mean()),
        "max_f_per_photo": float(f_curve.max()),
        "mean_f": float(f_curve.mean()),
        "adaptive_f": float(f_measure(*precision_recall(adaptive))[0]),
        "weighted_f": weighted_f(exact, truth),
        "s_measure": structure(exact, truth),
        "max_e_per_photo": float(e_curve.max()),
        "mean_e": float(e_curve.mean()),
        "adaptive_e": float(alignment(adaptive)[0]),
        "relaxed_boundary_f": relaxed_boundary_f(mask, truth, TOLERANCE),
    }
    return np.concatenate(
        [[values[name] for name in PER_PHOTO], precision, recall, f_curve, e_curve]
    )
