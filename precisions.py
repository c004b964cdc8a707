"""Every precision: literal data, and nothing imported.

What a number of it should be is said where it is measured: the bounds of masks in docs/gates.md,
drift in docs/drift.md.
"""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["PRECISIONS", "Bounds", "Precision"]


@dataclass(frozen=True, slots=True)
class Bounds:
    """What files have to reach: the mean over many photos, and each photo.

    Attributes:
        mae: Mean absolute error, at most.
        worst_mae: Of one photo.
        iou: Intersection over union, at least.
        worst_iou: Of one photo.
    """

    mae: float
    worst_mae: float
    iou: float
    worst_iou: float


@dataclass(frozen=True, slots=True)
class Precision:
    """What follows from how a file stores its weights and activations.

    Attributes:
        bounds: What its files have to reach: the default gates, and what an export's inspection
            asks of a fresh file.
        drift: How far a module's own error may reach: two to seven times the largest that any
            module of a sound file showed, and for float32 a hundred times.
        conformance: Mean absolute error that a file of a small random network may have, whose
            weights are less forgiving than trained ones.
        calibrated: Its activations are quantized by ranges that only photos can give.
        beside_gpu: Other bounds where the reference ran on a GPU, which adds up in another order.
    """

    bounds: Bounds
    drift: float
    conformance: float
    calibrated: bool = False
    beside_gpu: Bounds | None = None


_INT8_WEIGHTS = Bounds(mae=0.003, worst_mae=0.012, iou=0.992, worst_iou=0.975)
_FOUR_BITS = Bounds(mae=0.02, worst_mae=0.06, iou=0.95, worst_iou=0.85)
_INTEGERS = Bounds(mae=0.004, worst_mae=0.015, iou=0.99, worst_iou=0.97)

PRECISIONS = {
    "fp32": Precision(
        Bounds(mae=1e-5, worst_mae=1e-4, iou=0.999, worst_iou=0.995),
        drift=1e-4,
        conformance=1e-5,
        beside_gpu=Bounds(mae=1e-4, worst_mae=1e-3, iou=0.998, worst_iou=0.99),
    ),
    "fp16": Precision(
        Bounds(mae=1e-3, worst_mae=5e-3, iou=0.998, worst_iou=0.99), drift=5e-3, conformance=2e-3
    ),
    "w8": Precision(_INT8_WEIGHTS, drift=5e-2, conformance=2e-2),
    "dynamic-int8": Precision(_INT8_WEIGHTS, drift=5e-2, conformance=2e-2),
    "int8": Precision(_INTEGERS, drift=1e-1, conformance=2e-2, calibrated=True),
    "mixed": Precision(_INT8_WEIGHTS, drift=1e-1, conformance=2e-2, calibrated=True),
    "int8x16": Precision(_INT8_WEIGHTS, drift=5e-2, conformance=2e-2, calibrated=True),
    "w8a8": Precision(_INTEGERS, drift=1e-1, conformance=2e-2, calibrated=True),
    "palette6": Precision(
        Bounds(mae=0.006, worst_mae=0.02, iou=0.98, worst_iou=0.92), drift=1.5e-1, conformance=4e-2
    ),
    "palette4": Precision(_FOUR_BITS, drift=5e-1, conformance=8e-2),
    "w4": Precision(_FOUR_BITS, drift=5e-1, conformance=8e-2),
}
