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
    counts,
    drawn_objects,
    intersection_over_union,
    maximum_error,
    mean_absolute_error,
)
from ..precisions import Bounds
from ..runtimes.runners import exact_runner_for, runner_for
from ..runtimes.saturation import saturating
from ..sdks.needs import installed
from ..specs import MaskSpec
from .likeness import bounds_of, objection

__all__ = ["inspect_artifact"]

Masks = NDArray[np.float32]


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
