"""Two exports of every target, by the command line, of a small network of the family."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from maskport.artifacts.bundle import Bundle, load_bundle
from maskport.formats import TARGETS, Target
from maskport.imaging.convert import photo_to_input
from maskport.models.prepared import Reference
from maskport.models.seeding import seeded
from maskport.models.u2net import FLAT, Stage, U2Net
from maskport.scenes import scene
from maskport.sdks.needs import not_installed
from maskport.specs import ModelSpec

# Neither square nor a multiple of what the network halves: swapped sides, ceil-mode pools and
# odd resizes all show.
SIZE = (50, 38)

# Three stages have all that a format can get wrong; exporting them costs little but the SDKs'
# own time. Of the seeds tried this one has edges in its masks that integers keep.
STAGES = (
    Stage("stage1", 3, 3, 2, 4),
    Stage("stage2", FLAT, 4, 2, 4),
    Stage("stage1d", 3, 8, 2, 4),
)
SEED = 8

# A user's own module.
MODULE = """
from maskport.models.u2net import Stage, U2Net

def make():
    return U2Net([Stage(*row) for row in {rows!r}])
"""


@dataclass(frozen=True)
class Exported:
    """A bundle of every target that can be made here, and a second one of the same inputs.

    Attributes:
        images: Photos that the export did not see, (N, 3, H, W) in [0, 1].
        references: What the untouched network draws for them.
    """

    bundle: Bundle
    again: Bundle
    images: np.ndarray
    references: np.ndarray


@pytest.fixture(scope="session")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Exported:
    """Made once for the whole session, each bundle by a process of its own."""
    ready = [row for row in TARGETS if not not_installed(row.needs)]
    return export(tmp_path_factory.mktemp("conformance"), ready, ("first", "second"))


@pytest.fixture(scope="session")
def portable(tmp_path_factory: pytest.TempPathFactory) -> Exported:
    """The same for the formats whose runtimes are tried in older releases, and once."""
    ready = [row for row in TARGETS if row.format in {"onnx", "onnx-ort", "tflite"}]
    return export(tmp_path_factory.mktemp("portable"), ready, ("first",))


def export(folder: Path, rows: list[Target], outs: tuple[str, ...]) -> Exported:
    (folder / "photos").mkdir()
    for seed in range(6):
        Image.fromarray(scene(seed, 60, 50).photo).save(folder / "photos" / f"{seed}.png")
    (folder / "own.py").write_text(MODULE.format(rows=[tuple(row) for row in STAGES]))
    command = [
        *(sys.executable, "-m", "maskport", "export", "own:make", "--name", "nano"),
        *("--size", "50x38", "--output", "0", "--weights", f"random:{SEED}"),
        *("--targets", ",".join(row.name for row in rows)),
        # Random weights are bad at integers: a budget that some part in float holds.
        *("--calibration", "photos", "--budget", "mae<=0.01", "--out"),
    ]
    for out in outs:
        done = subprocess.run([*command, out], cwd=folder, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
    first, again = load_bundle(folder / outs[0]), load_bundle(folder / outs[-1])
    spec = ModelSpec.from_dict(first.manifest.spec)
    network = U2Net(STAGES).eval()
    seeded(network, SEED, SIZE)
    photos = [scene(seed, 70, 90).photo for seed in (10, 11)]
    images = np.concatenate([photo_to_input(photo, spec.image) for photo in photos])
    with torch.no_grad():
        references = Reference(network, spec)(torch.from_numpy(images)).numpy()
    return Exported(first, again, images, references)
