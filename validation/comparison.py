"""One mask of one photo against the reference's and against the ground truth, in numbers."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..imaging.convert import mask_for_photo
from ..metrics import (
    SaliencyScores,
    boundary_f_measure,
    compare,
    intersection_over_union,
    mean_absolute_error,
    saliency_rows,
)
from ..specs import MaskSpec
from .maps import MapStore
from .photoset import PhotoSet
from .planes import Planes
from .results import PhotoResult

__all__ = ["Compared", "Comparison", "truth_row", "truth_values"]

Map = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Compared:
    """A photo's result, the IoU at each threshold of the sweep, and what `SaliencyScores` takes of
    it; None without ground truth."""

    result: PhotoResult
    sweep: list[float]
    row: NDArray[np.float64] | None


class Comparison:
    """Compares masks of a photo set with the reference's.

    Args:
        photos: The photos, prepared.
        references: (N, C, H, W), the reference's maps.
        spec: What the maps mean.
        maps: Where masks are kept for the report; None keeps none.
    """

    def __init__(
        self, photos: PhotoSet, references: Planes, spec: MaskSpec, maps: MapStore | None
    ) -> None:
        self._photos, self._references, self._spec, self._maps = photos, references, spec, maps

    def compare(self, target: str, position: int, mask: Map) -> Compared:
        """Compare one artifact's map with the reference's.

        Args:
            target: Whose map it is.
            position: Of the photo.
            mask: (1, C, H, W) at the network's size, as the artifact gave it.
        """
        photo = self._photos.photos[position]
        reference = self._references[position][None]
        agreement = compare(mask, reference, self._spec.threshold)
        metrics = {name: float(values[0]) for name, values in agreement.metrics.items()}
        row = None
        if np.isfinite(mask).all():
            final, expected = (
                mask_for_photo(m[0], self._spec, photo.height, photo.width)[None]
                for m in (mask, reference)
            )
            at_photo_size = {
                "photo_mae": mean_absolute_error(final, expected),
                "photo_iou": intersection_over_union(final, expected, self._spec.threshold),
                "photo_boundary_f": boundary_f_measure(final, expected, self._spec.threshold),
            }
            metrics |= {name: float(value[0]) for name, value in at_photo_size.items()}
            row = truth_row(self._photos, position, final)
        if self._maps is not None:
            own = mask_for_photo(mask[0], self._spec, *mask.shape[2:])
            error = np.abs(mask[0] - reference[0]).max(0)
            self._maps.save(target, position, own, error)
        classes = None
        if agreement.classes is not None:
            classes = [None if np.isnan(v) else float(v) for v in agreement.classes[0]]
        result = PhotoResult(
            photo=photo.name,
            metrics=_finite(metrics),
            class_iou=classes,
            truth=truth_values(row),
            flags=list(agreement.objections[0]),
        )
        return Compared(result, [float(value) for value in agreement.sweep[0]], row)


def truth_row(photos: PhotoSet, position: int, final: Map) -> NDArray[np.float64] | None:
    """The row of `metrics.saliency_rows` of a final mask (1, 1, H, W) and its photo's ground truth.

    None where the photo has none.
    """
    truth = photos.truth(position)
    return None if truth is None else saliency_rows(final, truth[None, None])[0]


def truth_values(row: NDArray[np.float64] | None) -> dict[str, float] | None:
    """The measures that a photo has by itself, of its row."""
    if row is None:
        return None
    scores = SaliencyScores()
    scores.take(row)
    return _finite(scores.last())


def _finite(values: dict[str, float]) -> dict[str, float]:
    return {name: value for name, value in values.items() if np.isfinite(value)}
