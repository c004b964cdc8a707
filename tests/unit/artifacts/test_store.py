"""Stores in a folder, in memory, and in file systems that know no exclusive writes."""

from __future__ import annotations

import uuid
from pathlib import Path

import pytest

from ...store_cases import AllCases

fsspec = pytest.importorskip("fsspec")


class TestFolder(AllCases):
    @pytest.fixture(params=["", "file://"])
    def url(self, request: pytest.FixtureRequest, tmp_path: Path) -> str:
        return f"{request.param}{tmp_path / 'store'}"


class TestMemory(AllCases):
    @pytest.fixture
    def url(self) -> str:
        return f"memory://{uuid.uuid4().hex}/store"
