"""The exporter's own honesty: a fresh file must draw the reference's mask before it is bundled.

The full harness compares more, on more photos, with gates that users set; this only keeps
files out of a bundle that are broken.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..artifacts.manifest import Artifact, Inspection
from ..runtimes.registry import runner_for
from ..specs import MaskSpec
from .metrics import intersection_over_union, is_lost, maximum_error, mean_absolute_error

__all__ = ["MINIMUM_IOU", "inspect_artifact", "objection"]

MINIMUM_IOU = 0.9
# Of a single photo: half a grey level on average, and nowhere what makes an object of nothing.
# Such a mask is the same whatever its IoU, which pixels at the threshold decide where there is
# next to no object.
UNSEEN_ERROR, UNSEEN_MAXIMUM = 0.002, 0.3
# Of a single photo, with an IoU that is too low: two of a hundred grey levels on average.
VISIBLE_ERROR = 0.02
# Of a single photo, whatever its IoU: catches masks that are off on one side of the threshold.
MOST_ERROR = 0.1


def inspect_artifact(
    path: Path,
    artifact: Artifact,
    images: NDArray[np.float32],
    references: NDArray[np.float32],
    spec: MaskSpec,
) -> tuple[Inspection, str]:
    """Load a file from disk, run it, and compare.

    Args:
        path: The file.
        artifact: What the manifest will say of it.
        images: (N, 3, H, W), RGB in [0, 1], N >= 1.
        references: (N, C, H, W), what the untouched network draws for them.
        spec: Threshold and channels.

    Returns:
        The numbers, and why the file is unusable; empty where it is fine.

    Raises:
        RunnerError: The runtime can't load or run the file.
        MissingToolError: The runtime is not installed.
    """
    with runner_for(artifact, path) as runner:
        masks = np.concatenate([runner.run(image[None]) for image in images])
        name, emulated = runner.name, runner.emulated
    compared = np.nan_to_num(masks, nan=1e9, posinf=1e9, neginf=-1e9)
    overlaps = intersection_over_union(compared, references, spec.threshold)
    inspection = Inspection(
        runtime=name,
        emulated=emulated,
        photos=len(images),
        mae=float(mean_absolute_error(compared, references).mean()),
        max_error=float(maximum_error(compared, references).max()),
        iou=float(overlaps.mean()),
        worst_iou=float(overlaps.min()),
    )
    return inspection, objection(masks, references, overlaps)


def objection(
    masks: NDArray[np.float32], references: NDArray[np.float32], overlaps: NDArray[np.float64]
) -> str:
    """Why masks can't stand for the references, in a sentence; empty where they can.

    The mean IoU must hold, and each photo by itself: there a low IoU counts only with a visible
    error, because a few pixels decide it where the object is tiny. For the same reason a photo
    with an error below half a grey level, and no pixel far off, counts as the same in the mean.

    Args:
        masks: (N, C, H, W), as a file gave them.
        references: (N, C, H, W).
        overlaps: (N,), the IoU of each pair.
    """
    if not np.isfinite(masks).all():
        return f"it gives {np.count_nonzero(~np.isfinite(masks))} values that are not numbers"
    errors = mean_absolute_error(masks, references)
    flat = is_lost(masks, references)
    for number, (error, overlap) in enumerate(zip(errors, overlaps, strict=True), 1):
        if flat[number - 1]:
            average = masks[number - 1].mean()
            return f"its mask of photo {number} is flat ({average:.3f} everywhere)"
        if error > MOST_ERROR or (overlap < MINIMUM_IOU and error > VISIBLE_ERROR):
            return (
                f"it draws another mask than PyTorch of photo {number}: IoU {overlap:.3f}, "
                f"MAE {error:.4f}"
            )
    unseen = (errors <= UNSEEN_ERROR) & (maximum_error(masks, references) <= UNSEEN_MAXIMUM)
    mean = np.where(unseen, 1.0, overlaps).mean()
    if mean < MINIMUM_IOU:
        return (
            f"it draws another mask than PyTorch: mean IoU {mean:.3f} where at "
            f"least {MINIMUM_IOU} is expected"
        )
    return ""
