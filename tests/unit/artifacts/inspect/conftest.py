"""Manifest entries of files that these tests make themselves."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from maskport.artifacts.inspect.declared import Declared
from maskport.artifacts.inspect.read import declared_by
from maskport.artifacts.manifest import Artifact, FileEntry, Tensor


@pytest.fixture
def read() -> Callable[..., Declared]:
    """`read(format, path)`: what the file declares, its manifest saying (1, C, 4, 5)."""

    def declared(format: str, path: Path) -> Declared:
        entry = FileEntry(path=path.name, bytes=1, sha256="0" * 64)
        image = Tensor(name="image", shape=[1, 3, 4, 5], dtype="float32", layout="NCHW")
        mask = Tensor(name="mask", shape=[1, 1, 4, 5], dtype="float32", layout="NCHW")
        artifact = Artifact(
            target=format,
            path=path.name,
            format=format,
            precision="fp32",
            bytes=1,
            sha256="0" * 64,
            files=[entry],
            inputs=[image],
            outputs=[mask],
        )
        return declared_by(artifact, path)

    return declared
