"""SDKs that tests need: a module of tests without one is skipped, and none is imported before a
test runs."""

from __future__ import annotations

import importlib
import importlib.util
from typing import Any

import pytest

from maskport.sdks.slim import coremltools, tensorflow

__all__ = ["needed"]

# What has an order of import (`sdks.slim`), first; the others are imported as they are.
_FIRST = {"coremltools": coremltools, "keras": tensorflow, "tensorflow": tensorflow}


class _Later:
    """A module that is imported when something of it is first asked for."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __getattr__(self, name: str) -> Any:
        if self._name in _FIRST:
            _FIRST[self._name]()
        return getattr(importlib.import_module(self._name), name)


def needed(module: str, extra: str = "") -> Any:
    """Skip the module of tests that calls it where an SDK is not installed; else the SDK."""
    if importlib.util.find_spec(module) is None:
        reason = f"needs maskport[{extra}]" if extra else f"{module} is not installed"
        pytest.skip(reason, allow_module_level=True)
    return _Later(module)
