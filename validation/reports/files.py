"""Reports on disk: there whole, or as they were before."""

from __future__ import annotations

from pathlib import Path

from ...artifacts.bundle import written_whole
from ..results import Results

__all__ = ["write_json", "write_whole"]


def write_json(results: Results, path: Path) -> None:
    """Save results as ``maskport gate`` and ``--baseline`` read them.

    Raises:
        InputError: The path can't be written.
    """
    write_whole(path, results.model_dump_json(indent=2).encode() + b"\n")


def write_whole(path: Path, content: bytes) -> None:
    """Write a file through a sibling that takes its name when it is complete.

    Folders above it are made.

    Raises:
        InputError: The path can't be written.
    """
    with written_whole(path) as partial:
        partial.write_bytes(content)
