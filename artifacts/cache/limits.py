"""How much the cache may hold, and for how long, in people's units."""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path

from ...errors import UsageError

__all__ = ["age_of", "chosen_limit", "default_limit", "size_of"]

_SIZES = {"": 1, "B": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12}
_AGES = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}
_USUAL = 20 * 10**9


def size_of(text: str) -> int:
    """``10GB`` in bytes.

    Raises:
        UsageError: It is no size.
    """
    found = re.fullmatch(r"\s*(\d{1,12}(?:\.\d{1,6})?)\s*([A-Za-z]*)\s*", text)
    unit = found[2].upper() if found else "?"
    if found is None or unit not in _SIZES:
        raise UsageError(f"{text!r} is no size.", "Write 500MB, 10GB or 0.")
    return int(float(found[1]) * _SIZES[unit])


def age_of(text: str) -> float:
    """``30d`` in seconds.

    Raises:
        UsageError: It is no age.
    """
    found = re.fullmatch(r"\s*(\d{1,9}(?:\.\d{1,6})?)\s*([smhdw])\s*", text)
    if found is None:
        raise UsageError(f"{text!r} is no age.", "Write 30d, 12h or 2w.")
    return float(found[1]) * _AGES[found[2]]


def chosen_limit() -> int | None:
    """$MASKPORT_CACHE_SIZE in bytes, where it is set.

    Raises:
        UsageError: It is no size.
    """
    text = os.environ.get("MASKPORT_CACHE_SIZE")
    if not text:
        return None
    try:
        return size_of(text)
    except UsageError as exc:
        raise UsageError(f"MASKPORT_CACHE_SIZE: {exc.what}", exc.remedy) from exc


def default_limit(folder: Path, held: int) -> int:
    """Bytes that the cache may hold where nobody says how many.

    $MASKPORT_CACHE_SIZE, else 20 GB, but never more than half of what its disk has for it.

    Args:
        folder: Of the cache; it exists.
        held: Bytes that it holds now.

    Raises:
        UsageError: $MASKPORT_CACHE_SIZE is no size.
    """
    chosen = chosen_limit()
    if chosen is not None:
        return chosen
    return min(_USUAL, (shutil.disk_usage(folder).free + held) // 2)
