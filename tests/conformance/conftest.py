"""One export of every target for all conformance tests, of a small network of the family."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from maskport import export
from maskport.artifacts.bundle import Bundle
from maskport.exporters.registry import TARGETS
from maskport.imaging.convert import photo_to_input
from maskport.imaging.scenes import scene
from maskport.models.prepared import Reference
from maskport.models.seeding import seeded
from maskport.models.u2net import U2Net
from maskport.specs import ImageSpec, MaskSpec, ModelSpec

# Neither square nor a multiple of what the network halves: swapped sides, ceil-mode pools and
# odd resizes all show.
SPEC = ModelSpec("nano", ImageSpec(50, 38), MaskSpec())


@dataclass(frozen=True)
class Exported:
    """A bundle of every target, and what the reference draws for photos it was not shown."""

    bundle: Bundle
    images: np.ndarray
    references: np.ndarray
    again: Callable[[Path], Bundle]


@pytest.fixture(scope="session")
def exported(tmp_path_factory: pytest.TempPathFactory, nano: Callable[..., U2Net]) -> Exported:
    """Every target whose SDK is installed, exported once for the whole session."""
    ready = [row.name for row in TARGETS if not row.missing_modules()]
    folder = tmp_path_factory.mktemp("conformance")
    photos = folder / "photos"
    photos.mkdir()
    for seed in range(6):
        Image.fromarray(scene(seed, 60, 50)).save(photos / f"{seed}.png")
    network = nano()
    seeded(network, 0, (SPEC.image.height, SPEC.image.width))

    def run(out: Path) -> Bundle:
        events: list[Any] = []
        bundle = export(
            network,
            spec=SPEC,
            targets=ready,
            calibration=photos,
            out=out,
            licence="Apache-2.0",
            watch=events.append,
        )
        assert {e.target for e in events if e.kind in {"finished", "failed"}} == set(ready)
        return bundle

    images = np.concatenate([photo_to_input(scene(seed, 70, 90), SPEC.image) for seed in (10, 11)])
    with torch.no_grad():
        references = Reference(network, SPEC)(torch.from_numpy(images)).numpy()
    return Exported(run(folder / "bundle"), images, references, run)
