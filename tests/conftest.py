"""Fixtures of every test."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from maskport.models.u2net import FLAT, Stage, U2Net
from maskport.validation.maps import MapStore
from maskport.validation.results import Results

from .sample_run import make as make_sample_run

SHARED = Path(__file__).resolve().parents[2] / "shared"


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder beside the repository with trained weights, photos and golden outputs."""
    if not SHARED.is_dir():
        pytest.skip(f"there is no {SHARED}")
    return SHARED


# A network of the family that is small enough to be exported in a second.
NANO = (
    Stage("stage1", 4, 3, 2, 4),
    Stage("stage2", 4, 4, 2, 4),
    Stage("stage3", FLAT, 4, 2, 4),
    Stage("stage2d", 4, 8, 2, 4),
    Stage("stage1d", 4, 8, 2, 4),
)


@pytest.fixture(scope="session")
def nano() -> Callable[..., U2Net]:
    """A factory, so that a test can have two of them."""

    def make(outputs: int = 1, **options: bool) -> U2Net:
        return U2Net(NANO, outputs, **options).eval()

    return make


@pytest.fixture(scope="session")
def sample_run(tmp_path_factory: pytest.TempPathFactory) -> tuple[Results, MapStore]:
    """A validation run in which everything happened that can, and its masks."""
    return make_sample_run(tmp_path_factory.mktemp("maps"))
