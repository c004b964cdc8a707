"""What a file says of itself, read as its format is."""

from __future__ import annotations

from pathlib import Path

from ...formats import FORMATS
from ...loading import load
from ..manifest import Artifact
from .declared import Declared

__all__ = ["declared_by"]


def declared_by(artifact: Artifact, path: Path) -> Declared:
    """What a file says of itself.

    It reads with the format's SDK and runs nothing but, without values, what holds no shapes.

    Args:
        artifact: Its entry in the manifest; its format chooses the reader.
        path: The file, or the folder that the format calls a file.
    """
    found: Declared = load(FORMATS[artifact.format].reader)(artifact, path)
    return found
