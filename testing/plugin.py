"""What pytest loads wherever maskport is installed: a fixture, and nothing that takes time."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from . import assert_same_mask as _assert_same_mask

if TYPE_CHECKING:
    from ..validation.results import Results

__all__ = ["assert_same_mask"]


@pytest.fixture
def assert_same_mask(tmp_path: Path) -> Callable[..., Results]:
    """`maskport.testing.assert_same_mask`, whose report page lies in the test's ``tmp_path``."""
    return partial(_assert_same_mask, html=tmp_path / "masks.html")
