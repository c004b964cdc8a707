"""SDKs that tests need: a module of tests without one is skipped, and none is imported before a
test runs."""

from __future__ import annotations

import importlib
import importlib.util
from typing import Any

import pytest

__all__ = ["needed"]


class _Later:
    """A module that is imported when something of it is first asked for."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __getattr__(self, name: str) -> Any:
        return getattr(importlib.import_module(self._name), name)


def needed(module: str, extra: str = "") -> Any:
    """Skip the module of tests that calls it where an SDK is not installed; else the SDK."""
    if importlib.util.find_spec(module) is None:
        reason = f"needs maskport[{extra}]" if extra else f"{module} is not installed"
        pytest.skip(reason, allow_module_level=True)
    return _Later(module)
