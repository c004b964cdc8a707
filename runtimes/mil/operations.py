"""Every operation that the executor covers.

Another operation is a function in one of the ``ops_*`` modules and a row in its table. A
module lists in EXACT the operations whose results are values of their operands: nothing has
to be rounded after them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from . import ops_elementwise, ops_reduction, ops_resize, ops_shape, ops_windows

__all__ = ["EXACT", "OPERATIONS"]

_TABLES = (ops_elementwise, ops_reduction, ops_resize, ops_shape, ops_windows)

OPERATIONS: dict[str, Callable[..., Any]] = {
    name: function for table in _TABLES for name, function in table.OPERATIONS.items()
}
EXACT: frozenset[str] = frozenset().union(*(table.EXACT for table in _TABLES))
