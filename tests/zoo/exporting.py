"""What becomes of a network of the zoo: a real export, and each file's masks of other photos."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from maskport.api import ExportEvent, export
from maskport.artifacts.bundle import Bundle
from maskport.errors import MaskportError
from maskport.exporters.inspection import bounds_of, objection
from maskport.imaging.convert import photo_to_input
from maskport.metrics import intersection_over_union, mean_absolute_error
from maskport.models.checkpoints import load_weights
from maskport.models.factory import build
from maskport.models.prepared import Reference
from maskport.runtimes.runners import runner_for
from maskport.scenes.seeds import CALIBRATION, EVALUATION
from maskport.specs import ImageSpec

from .table import Row
from .training import scenes, trained

__all__ = ["Outcome", "exported"]

Masks = NDArray[np.float32]

CALIBRATED_ON, HELD_OUT = 32, 12


@dataclass(frozen=True)
class Outcome:
    """What became of one target.

    Attributes:
        reason: Why there is no file, or why its masks are others than PyTorch's; empty where all
            is well.
        iou: With PyTorch's masks, mean over photos that the export did not see.
        worst_iou: Of the photo that differs most.
        mae: Mean over the same photos.
        bytes: Of the file.
    """

    reason: str = ""
    iou: float | None = None
    worst_iou: float | None = None
    mae: float | None = None
    bytes: int | None = None


def exported(
    row: Row,
    targets: Sequence[str],
    folder: Path,
    steps: int | None = None,
    tell: Callable[[str, Outcome], None] = lambda target, outcome: None,
    calibrated_on: int = CALIBRATED_ON,
) -> dict[str, Outcome]:
    """Export a row's trained network, and hold every file against PyTorch on held-out scenes.

    Args:
        row: Of the zoo.
        targets: Names of targets.
        folder: Empty; photos and the bundle are written there.
        steps: Of training; the zoo's own where None.
        tell: Told of each target as soon as it is known what became of it.
        calibrated_on: So many scenes.
    """
    spec = row.spec
    weights = trained(row) if steps is None else trained(row, steps)
    network = build(row.reference)
    load_weights(network, weights)
    outcomes: dict[str, Outcome] = {}

    def keep(target: str, outcome: Outcome) -> None:
        outcomes[target] = outcome
        tell(target, outcome)

    def watch(event: ExportEvent) -> None:
        if event.kind == "failed":
            keep(event.target, Outcome(event.text))

    _write_photos(folder / "photos", spec.image, calibrated_on)
    try:
        bundle = export(
            network,
            spec=spec,
            targets=targets,
            calibration=folder / "photos",
            out=folder / "bundle",
            watch=watch,
        )
    except MaskportError as exc:
        for target in targets:
            if target not in outcomes:
                keep(target, Outcome(str(exc)))
        return outcomes
    photos, _ = scenes(EVALUATION, HELD_OUT, spec.image.height, spec.image.width)
    images = np.concatenate([photo_to_input(photo, spec.image) for photo in photos])
    references = Reference(network, spec).draw(images, "cpu")
    for artifact in bundle.manifest.artifacts:
        try:
            keep(artifact.target, _measured(bundle, artifact.target, images, references))
        except MaskportError as exc:
            keep(artifact.target, Outcome(str(exc)))
    return outcomes


def _measured(bundle: Bundle, target: str, images: Masks, references: Masks) -> Outcome:
    artifact, threshold = bundle.artifact(target), bundle.manifest.spec["mask"]["threshold"]
    with runner_for(artifact, bundle.file(target)) as runner:
        masks = np.concatenate([runner.run(image[None]) for image in images])
    overlaps = intersection_over_union(masks, references, threshold)
    return Outcome(
        objection(masks, references, threshold, bounds_of(artifact.precision)),
        round(float(overlaps.mean()), 5),
        round(float(overlaps.min()), 5),
        round(float(mean_absolute_error(masks, references).mean()), 7),
        artifact.bytes,
    )


def _write_photos(folder: Path, image: ImageSpec, count: int) -> None:
    folder.mkdir()
    photos, _ = scenes(CALIBRATION, count, image.height, image.width)
    for position, photo in enumerate(photos):
        Image.fromarray(photo).save(folder / f"{position:03}.png")
