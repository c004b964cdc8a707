"""A small trained-like network, prepared, and photos to calibrate on."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from maskport.models.prepared import PreparedMask, prepare
from maskport.models.seeding import seeded
from maskport.models.u2net import U2Net
from maskport.scenes import scene
from maskport.specs import ImageSpec, MaskSpec, ModelSpec

HEIGHT, WIDTH = 50, 38


@pytest.fixture(scope="session")
def view(nano: Callable[..., U2Net]) -> PreparedMask:
    network = nano()
    seeded(network, 0, (HEIGHT, WIDTH))
    return prepare(network, ModelSpec("nano", ImageSpec(HEIGHT, WIDTH), MaskSpec(), output=0))


@pytest.fixture(scope="session")
def photos() -> np.ndarray:
    """(6, 3, H, W) bytes."""
    return np.stack([scene(seed, HEIGHT, WIDTH).photo.transpose(2, 0, 1) for seed in range(6)])


@pytest.fixture(scope="session")
def images(photos: np.ndarray) -> torch.Tensor:
    """The same in [0, 1]."""
    return torch.from_numpy(photos).float() / 255


# Of a user's own, so that a command takes seconds: the demo network has a hundred convolutions.
MODULE = """
from maskport.models.u2net import Stage, U2Net

def make():
    return U2Net([Stage(*row) for row in {rows!r}])
"""


@pytest.fixture
def small_network(
    nano: Callable[..., U2Net], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> list[str]:
    """Arguments of a command that name a network, its weights and its size."""
    rows = [tuple(row) for row in nano().stages]
    (tmp_path / "small_network.py").write_text(MODULE.format(rows=rows))
    monkeypatch.syspath_prepend(str(tmp_path))
    return ["small_network:make", "--weights", "random:0", "--output", "0", "--size", "48"]
