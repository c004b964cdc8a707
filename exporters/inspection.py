"""The exporter's own honesty: a fresh file must draw the reference's mask before it is bundled.

The full harness compares more, on more photos, with gates that users set; this keeps files out of
a bundle that miss what their precision promises, or whose mask depends on the processor.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..artifacts.manifest import Artifact, Inspection
from ..artifacts.onnx_saturation import explained
from ..metrics import (
    FATAL,
    counts,
    drawn_objects,
    intersection_over_union,
    maximum_error,
    mean_absolute_error,
    objections,
)
from ..models.devices import best_device
from ..precisions import PRECISIONS, Bounds
from ..runtimes.runners import exact_runner_for, runner_for
from ..runtimes.saturation import saturating
from ..sdks.needs import installed
from ..specs import MaskSpec

__all__ = ["bounds_of", "inspect_artifact", "objection"]

Masks = NDArray[np.float32]

# Where the network is sure of no photo: what no precision loses, and an error that shows.
UNSURE_IOU, VISIBLE_ERROR = 0.9, 0.02


def inspect_artifact(
    path: Path,
    artifact: Artifact,
    images: Masks,
    references: Masks,
    spec: MaskSpec,
    halves: tuple[Masks, str] | None = None,
) -> tuple[Inspection, str]:
    """Load a file from disk, run it, and compare.

    Args:
        path: The file.
        artifact: What the manifest will say of it.
        images: (N, 3, H, W), RGB in [0, 1], N >= 1.
        references: (N, C, H, W), what the untouched network draws for them.
        spec: Threshold and channels.
        halves: Of a file that phones compute in half precision: what the network draws where every
            value is a half, and which of them passes a half's range (see
            `exporters.half_precision`).

    Returns:
        The numbers, and why the file is unusable; empty where it is fine.

    Raises:
        RunnerError: The runtime can't load or run the file.
        MissingToolError: The runtime is not installed.
    """
    with runner_for(artifact, path) as runner:
        masks = np.concatenate([runner.run(image[None]) for image in images])
        name, emulated = runner.name, runner.emulated
    bounds, threshold = bounds_of(artifact.precision), spec.threshold
    compared = np.nan_to_num(masks, nan=1e9, posinf=1e9, neginf=-1e9)
    overlaps = intersection_over_union(compared, references, threshold)
    kinds = drawn_objects(references, threshold)
    errors = mean_absolute_error(compared, references)[counts(kinds, "mae")]
    having = counts(kinds, "iou")
    compared_objects = overlaps[having] if any(having) else overlaps
    inspection = Inspection(
        runtime=name,
        runtime_version=None if emulated else installed(name)[1],
        emulated=emulated,
        photos=len(images),
        objects=sum(having),
        mae=float(errors.mean()),
        max_error=float(maximum_error(compared, references).max()),
        iou=float(compared_objects.mean()),
        worst_iou=float(compared_objects.min()),
    )
    found = ""
    if halves is not None and (told := objection(halves[0], references, threshold, bounds)):
        where = f": {halves[1]}" if halves[1] else ""
        found = (
            f"on a GPU or a Neural Engine, which compute it in half precision, {told}{where}; take "
            "a float32 target instead"
        )
    found = found or objection(masks, references, threshold, bounds)
    return inspection, found or _depends_on_processor(
        artifact, path, images, masks, threshold, bounds
    )


def bounds_of(precision: str) -> Bounds:
    """What files of a precision have to reach beside a reference that is drawn here."""
    row = PRECISIONS[precision]
    return row.beside_gpu if row.beside_gpu and best_device() != "cpu" else row.bounds


def objection(
    masks: Masks, references: Masks, threshold: float, bounds: Bounds, than: str = "PyTorch"
) -> str:
    """Why masks can't stand for the references, in a sentence; empty where they can.

    What no average may hide (`metrics.objections`) is looked for in every photo. Errors are those
    of the photos that the network is not unsure of, overlaps those of the photos with an object
    that it is sure of; where there is none, masks only have to be alike.

    Args:
        masks: (N, C, H, W), as a file gave them.
        references: (N, C, H, W).
        threshold: The object is where the value is at least this.
        bounds: What they have to reach.
        than: What drew the references, for the sentence.
    """
    if not np.isfinite(masks).all():
        return f"it gives {np.count_nonzero(~np.isfinite(masks))} values that are not numbers"
    errors = mean_absolute_error(masks, references)
    overlaps = intersection_over_union(masks, references, threshold)
    for number, complaints in enumerate(objections(masks, references, threshold), 1):
        for complaint in complaints:
            if complaint in FATAL:
                return _COMPLAINTS[complaint].format(
                    number, masks[number - 1].mean(), errors[number - 1], than
                )
    kinds = np.array(drawn_objects(references, threshold))
    sure, unsure = np.flatnonzero(kinds == "sure"), np.flatnonzero(kinds == "unsure")
    firm = np.flatnonzero(kinds != "unsure")
    for what, values, photos, sign, worst, mean in (
        ("MAE", errors, firm, 1, bounds.worst_mae, bounds.mae),
        ("IoU", overlaps, sure, -1, bounds.worst_iou, bounds.iou),
    ):
        if not len(photos):
            continue
        # One of a few photos may be the worst of many, which the bound of a mean is for.
        limit = (mean * (len(photos) - 1) + worst) / len(photos)
        last = photos[(sign * values[photos]).argmax()]
        if sign * (values[last] - worst) > 0:
            return _other(than, f"of photo {last + 1}: {what}", values[last], worst, sign)
        if sign * (values[photos].mean() - limit) > 0:
            return _other(than, f"on average: {what}", values[photos].mean(), limit, sign)
    if not len(sure) and len(unsure):
        mean, error = overlaps[unsure].mean(), errors[unsure].mean()
        if mean < UNSURE_IOU and error > VISIBLE_ERROR:
            return _other(than, "on average: IoU", mean, UNSURE_IOU, -1)
    return ""


_COMPLAINTS = {
    "flat": "its mask of photo {0} is flat ({1:.3f} everywhere)",
    "another-mask": "it draws another mask than {3} of photo {0}: MAE {2:.3f}",
    "lost": "it loses the object that {3} draws of photo {0}: half of it or more is not there",
    "invented": "it draws an object in photo {0} that {3} draws less than half of",
    "reference-not-finite": "{3} gives values of photo {0} that are not numbers",
}


def _other(than: str, where: str, value: float, limit: float, sign: int) -> str:
    bound = f"at {'most' if sign > 0 else 'least'} {limit:.4g}"
    return f"it draws another mask than {than} {where} {value:.4f}, where {bound} is expected"


def _depends_on_processor(
    artifact: Artifact,
    path: Path,
    images: Masks,
    masks: Masks,
    threshold: float,
    bounds: Bounds,
) -> str:
    """Why integers' sums are others elsewhere; empty where they are not.

    Both of the runtime's ways are run; where the processor adds up exactly they are one. So what
    can saturate is looked for in the file, too.
    """
    runner = exact_runner_for(artifact, path)
    if runner is None:
        return ""
    with runner:
        exact = np.concatenate([runner.run(image[None]) for image in images])
    found = objection(masks, exact, threshold, bounds, f"{runner.name} with exact sums")
    found = found or explained(saturating(artifact, path))
    return f"its mask depends on the processor: {found}" if found else ""
