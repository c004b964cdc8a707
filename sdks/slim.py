"""SDKs that load half of what is installed only to look at it, imported without that."""

from __future__ import annotations

import importlib
import sys
from contextlib import suppress
from typing import Any

__all__ = ["coremltools", "tensorflow"]

# What each would import for converters and wrappers that nothing here uses.
_UNUSED = {
    "coremltools": ("executorch", "sklearn", "tensorflow", "torchao", "transformers"),
    "tensorflow": ("jax", "pandas", "sklearn"),
}


def coremltools() -> Any:
    """coremltools, imported in a quarter of its time."""
    return _imported("coremltools")


def tensorflow() -> Any:
    """TensorFlow with its Keras, imported in half of its time, and after Triton if there is one.

    Both hold an LLVM. TensorFlow's wheels for Linux load theirs for all to see (RTLD_GLOBAL), so
    that a Triton imported afterwards is bound to it and the process dies; the other way round
    works (https://github.com/tensorflow/tensorflow/issues/124205). PyTorch's CUDA build depends on
    Triton, and imports it with torch.export or the first optimizer.
    """
    if "tensorflow" not in sys.modules:
        with suppress(ImportError):
            importlib.import_module("triton")
    return _imported("tensorflow")


def _imported(name: str) -> Any:
    """A module that is None in `sys.modules` can't be imported; afterwards it can."""
    unused = [other for other in _UNUSED[name] if other not in sys.modules]
    sys.modules.update(dict.fromkeys(unused))  # type: ignore[arg-type]
    try:
        return importlib.import_module(name)
    finally:
        for other in unused:
            sys.modules.pop(other, None)
