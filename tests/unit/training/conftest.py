"""A small network and a few pairs, for runs of a second."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from maskport.scenes import scene
from maskport.training.config import TrainingConfig

# As `nano` of tests/conftest.py, by a reference that other processes can import.
NETWORK = """
from maskport.models.basnet import BASNet, Widths
from maskport.models.isnet import ISNet
from maskport.models.u2net import FLAT, Stage, U2Net

def tiny():
    return U2Net((
        Stage("stage1", 4, 3, 2, 4),
        Stage("stage2", 4, 4, 2, 4),
        Stage("stage3", FLAT, 4, 2, 4),
        Stage("stage2d", 4, 8, 2, 4),
        Stage("stage1d", 4, 8, 2, 4),
    ))

def fine():
    return ISNet((Stage("stage1", 4, 4, 2, 4), *tiny().stages[1:]))

def refined():
    return BASNet(Widths((4, 4, 8, 8), (1, 1, 1, 1), 4))
"""


def write_pair(photos: Path, masks: Path, seed: int, suffix: str = ".jpg") -> None:
    drawn = scene(seed, 40, 48)
    photos.mkdir(parents=True, exist_ok=True)
    masks.mkdir(parents=True, exist_ok=True)
    Image.fromarray(drawn.photo).save(photos / f"{seed:04}{suffix}", quality=95)
    gray = np.round(drawn.mask * 255).astype(np.uint8)
    Image.fromarray(gray).save(masks / f"{seed:04}.png")


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """A tiny network gains nothing from more, and waits for them where others use the cores."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A reference to the factory of a network that trains in milliseconds."""
    folder = tmp_path / "code"
    folder.mkdir()
    (folder / "training_networks.py").write_text(NETWORK)
    monkeypatch.syspath_prepend(folder)
    return "training_networks:tiny"


@pytest.fixture
def pairs(tmp_path: Path) -> Path:
    """A folder with seven photos in `photos` and their masks in `masks`."""
    root = tmp_path / "pairs"
    for seed in range(7):
        write_pair(root / "photos", root / "masks", seed)
    return root


@pytest.fixture
def config(network: str, pairs: Path) -> Callable[..., TrainingConfig]:
    """Configurations of short runs on the pairs and on scenes."""

    def make(**changes: object) -> TrainingConfig:
        values: dict[str, object] = {
            "network": network,
            "images": (str(pairs / "photos"),),
            "masks": (str(pairs / "masks"),),
            "scenes": 3,
            "val_scenes": 3,
            "size": 36,
            "crop": 32,
            "batch": 4,
            "steps": 8,
            "every": 3,
            "precision": "fp32",
            "device": "cpu",
            "workers": 0,
            **changes,
        }
        return TrainingConfig(**values)  # type: ignore[arg-type]

    return make
