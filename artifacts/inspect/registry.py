"""Every format that is read: a literal table, and nothing imported until a file is read."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from pathlib import Path

from ..manifest import Artifact
from .declared import Declared

__all__ = ["READERS", "declared_by"]

# Format → dotted path of its reader, relative to this package.
READERS = {
    "coreml": ".coreml:declared",
    "executorch": ".executorch:declared",
    "keras": ".keras:declared",
    "onnx": ".onnx:declared",
    "savedmodel": ".savedmodel:declared",
    "tflite": ".tflite:declared",
    "torchscript-lite": ".torchscript_lite:declared",
}


def declared_by(artifact: Artifact, path: Path) -> Declared:
    """What a file says of itself.

    It reads with the format's SDK and runs nothing but, without values, what holds no shapes.

    Args:
        artifact: Its entry in the manifest; its format chooses the reader.
        path: The file, or the folder that the format calls a file.
    """
    module, _, name = READERS[artifact.format].partition(":")
    reader: Callable[[Artifact, Path], Declared] = getattr(
        importlib.import_module(module, __package__), name
    )
    return reader(artifact, path)
