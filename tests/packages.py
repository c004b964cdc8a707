"""Two folders that should hold the same bytes."""

from __future__ import annotations

from pathlib import Path

__all__ = ["differences"]

# Shown of either side, around the first byte that differs.
SHOWN = 60


def differences(first: Path, second: Path) -> list[str]:
    """What differs: files that one lacks, and where others part ways."""
    one, two = _contents(first), _contents(second)
    found = [f"{name} is in one only" for name in sorted(set(one) ^ set(two))]
    for name in sorted(set(one) & set(two)):
        if one[name] != two[name]:
            pairs = enumerate(zip(one[name], two[name], strict=False))
            at = next((n for n, (a, b) in pairs if a != b), min(len(one[name]), len(two[name])))
            around = slice(max(0, at - SHOWN), at + SHOWN)
            found.append(f"{name} at {at}: {one[name][around]!r}, {two[name][around]!r}")
    return found


def _contents(folder: Path) -> dict[str, bytes]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}
