"""Drift as JSON."""

from __future__ import annotations

import json
from pathlib import Path

from ...errors import UsageError
from .find import DriftResult

__all__ = ["check_json", "write_json"]


def check_json(path: Path) -> None:
    """Refuse a file that could not be written, before the work.

    Raises:
        UsageError: Its folder does not exist, or it is a folder itself.
    """
    if path.is_dir() or not path.absolute().parent.is_dir():
        raise UsageError(f"{path} can't be written.", "Name a file in a folder that exists.")


def write_json(found: DriftResult, path: Path) -> None:
    """Everything that was found; docs/drift.md names the fields.

    Raises:
        UsageError: The file can't be written.
    """
    artifact = found.located.artifact
    content = {
        "schema_version": 1,
        "artifact": found.located.path.name,
        "format": artifact.format,
        "precision": artifact.precision,
        "sha256": artifact.sha256,
        "changed": found.located.changed,
        **found.drift.to_dict(),
    }
    try:
        path.write_text(json.dumps(content, indent=2, allow_nan=False) + "\n", encoding="utf-8")
    except OSError as exc:
        raise UsageError(f"{path} can't be written: {exc.strerror}.", "Choose another.") from exc
