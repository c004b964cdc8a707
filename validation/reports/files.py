"""Reports on disk: there whole, or as they were before."""

from __future__ import annotations

import os
from pathlib import Path

from ...errors import InputError
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
    partial = path.with_name(f".{path.name}.partial-{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            partial.write_bytes(content)
            partial.replace(path)
        finally:
            partial.unlink(missing_ok=True)
    except OSError as exc:
        raise InputError(
            f"{path} can't be written: {exc.strerror}.", "Give a path in a folder that can be."
        ) from exc
