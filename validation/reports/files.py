"""Reports on disk: there whole, or as they were before."""

from __future__ import annotations

from pathlib import Path

from ...outputs import write_whole
from ..results import Results

__all__ = ["json_of", "write_json"]


def write_json(results: Results, path: Path) -> None:
    """Save results as ``maskport gate`` and ``--baseline`` read them.

    Raises:
        InputError: The path can't be written.
    """
    write_whole(path, json_of(results))


def json_of(results: Results) -> bytes:
    """A file's content, likewise."""
    return results.model_dump_json(indent=2).encode() + b"\n"
