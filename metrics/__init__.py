"""How far masks are apart: pure functions over arrays, one value per photo.

| module | what it compares |
|---|---|
| `agreement` | an artifact with the reference: everything below it in one pass |
| `differences` | value by value: MAE, RMSE, PSNR, largest and 99.9th percentile error |
| `overlap` | objects: IoU, its sweep over thresholds, by class, soft |
| `boundary` | outlines: boundary F, and the relaxed one of salient object detection |
| `objects` | what the reference draws of a photo, and whether it is sure of it |
| `flags` | what no average may hide: flat, lost, not finite, out of range, empty |
| `saliency` | a mask with ground truth: all measures, collected over a data set |
| `f_measure`, `weighted_f`, `structure`, `alignment` | F, weighted F, S and E |
| `summary` | a value per photo to mean, worst photo and tail |

docs/metrics.md has the definitions, and where other tools define them otherwise.
"""

from __future__ import annotations

from .agreement import AGREEMENT, Agreement, compare
from .alignment import adaptive_e_measure, e_measure_curves
from .boundary import boundary_f_measure, relaxed_boundary_f_measure
from .differences import (
    PSNR_CEILING,
    error_percentile,
    maximum_error,
    mean_absolute_error,
    peak_signal_to_noise,
    root_mean_square_error,
)
from .f_measure import adaptive_f_measure, f_measure_curves, precision_recall_curves
from .flags import FATAL, Objection, objections
from .objects import OBJECTS, Object, counts, drawn_objects
from .overlap import (
    SWEEP,
    intersection_over_union,
    intersection_over_union_by_class,
    intersection_over_union_sweep,
    mean_over_classes,
    soft_intersection_over_union,
)
from .saliency import SALIENCY, SaliencyScores, saliency_rows
from .structure import s_measure
from .summary import Better, Summary, mean_by_class, summarize
from .weighted_f import weighted_f_measure

__all__ = [
    "AGREEMENT",
    "FATAL",
    "OBJECTS",
    "PSNR_CEILING",
    "SALIENCY",
    "SWEEP",
    "Agreement",
    "Better",
    "Object",
    "Objection",
    "SaliencyScores",
    "Summary",
    "adaptive_e_measure",
    "adaptive_f_measure",
    "boundary_f_measure",
    "compare",
    "counts",
    "drawn_objects",
    "e_measure_curves",
    "error_percentile",
    "f_measure_curves",
    "intersection_over_union",
    "intersection_over_union_by_class",
    "intersection_over_union_sweep",
    "maximum_error",
    "mean_absolute_error",
    "mean_by_class",
    "mean_over_classes",
    "objections",
    "peak_signal_to_noise",
    "precision_recall_curves",
    "relaxed_boundary_f_measure",
    "root_mean_square_error",
    "s_measure",
    "saliency_rows",
    "soft_intersection_over_union",
    "summarize",
    "weighted_f_measure",
]
