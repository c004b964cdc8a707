"""Loading what a path in a table or a message names."""

from __future__ import annotations

import importlib
from typing import Any

__all__ = ["load"]


def load(path: str) -> Any:
    """What ``module:name`` names; its module is imported.

    Args:
        path: A module that begins with a dot is maskport's own: ``.runtimes.onnx:OnnxRunner``.

    Raises:
        ImportError: There is no such module, or something that it imports is not installed.
        AttributeError: The module has no such name.
    """
    module, _, name = path.partition(":")
    return getattr(importlib.import_module(module, __package__), name)
