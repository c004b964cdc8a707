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
from .metrics import intersection_over_union, is_flat, mean_absolute_error

__all__ = ["MINIMUM_IOU", "inspect_artifact", "objection"]

MINIMUM_IOU = 0.9


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
    pairs = list(zip(masks, references, strict=True))
    overlaps = [intersection_over_union(m, r, spec.threshold) for m, r in pairs]
    inspection = Inspection(
        runtime=name,
        emulated=emulated,
        photos=len(images),
        mae=mean_absolute_error(np.nan_to_num(masks, nan=1e9), references),
        max_error=float(np.abs(np.nan_to_num(masks, nan=1e9) - references).max()),
        iou=float(np.mean(overlaps)),
        worst_iou=min(overlaps),
    )
    return inspection, objection(masks, references, inspection)


def objection(
    masks: NDArray[np.float32], references: NDArray[np.float32], inspection: Inspection
) -> str:
    """Why masks can't stand for the references, in a sentence; empty where they can."""
    if not np.isfinite(masks).all():
        return f"it gives {np.count_nonzero(~np.isfinite(masks))} values that are not numbers"
    for number, (mask, reference) in enumerate(zip(masks, references, strict=True), 1):
        if is_flat(mask) and not is_flat(reference):
            return f"its mask of photo {number} is flat ({mask.mean():.3f} everywhere)"
    if inspection.iou < MINIMUM_IOU:
        return (
            f"it draws another mask than PyTorch: IoU {inspection.iou:.3f} where at least "
            f"{MINIMUM_IOU} is expected, MAE {inspection.mae:.4f}"
        )
    return ""
