"""What a validation found, as a model card says it."""

from __future__ import annotations

import hashlib

from ..artifacts.bundle import Bundle, read_manifest, spec_of
from ..artifacts.documents import Fidelity, Judged
from ..errors import InputError
from .reports.wording import STATUSES, metric_value
from .results import Results

__all__ = ["fidelity_of"]

_FIGURES = ("iou", "worst_iou", "mae")


def fidelity_of(results: Results, bundle: Bundle) -> Fidelity:
    """The table of a card.

    Raises:
        InputError: The results are of another bundle.
    """
    digest = hashlib.sha256(read_manifest(bundle.path)).hexdigest()
    if results.manifest_sha256 != digest:
        raise InputError(
            f"The results are of another bundle than {bundle.path}: of {results.bundle}, whose "
            f"manifest was {results.manifest_sha256[:12]}… and not {digest[:12]}….",
            "Validate this one: maskport validate BUNDLE --json results.json.",
        )
    image = spec_of(bundle.manifest).image
    size = (image.height, image.width)
    if (results.input_height, results.input_width) != size:
        raise InputError(
            f"The results are of {results.input_height}x{results.input_width} pixels, and a card "
            f"is of the bundle's own {size[0]}x{size[1]}.",
            "Validate it without --size.",
        )
    judged = []
    for target, artifact in results.artifacts.items():
        found = artifact.fidelity or {}
        iou, worst, mae = (metric_value(name, found.get(name)) for name in _FIGURES)
        status = STATUSES[artifact.status].label
        judged.append(Judged(target, status, iou, worst, mae, artifact.emulated))
    device = results.reference.device_name or results.reference.device
    return Fidelity(len(results.photos), f"PyTorch on {device}", judged)
