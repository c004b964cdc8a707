"""Fixtures of every test."""

from __future__ import annotations

from pathlib import Path

import pytest

SHARED = Path(__file__).resolve().parents[2] / "shared"


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder beside the repository with trained weights, photos and golden outputs."""
    if not SHARED.is_dir():
        pytest.skip(f"there is no {SHARED}")
    return SHARED
