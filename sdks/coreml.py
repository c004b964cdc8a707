"""coremltools, as every room imports it."""

from __future__ import annotations

import sys
from typing import Any

__all__ = ["coremltools"]


def coremltools() -> Any:
    """coremltools, imported without the frameworks that it would load only to look at them.

    It imports TensorFlow wherever that is installed, several seconds and a page of log for
    converters that nothing here uses. A module that is None in `sys.modules` can't be imported.
    """
    unused = [name for name in ("tensorflow", "torchao") if name not in sys.modules]
    sys.modules.update(dict.fromkeys(unused))  # type: ignore[arg-type]
    try:
        import coremltools as ct
    finally:
        for name in unused:
            sys.modules.pop(name, None)
    return ct
