"""A bundle of a few bytes, written by hand: nothing in it can be run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from maskport.artifacts.bundle import describe_files, write_manifest
from maskport.artifacts.manifest import Artifact, Checkpoint, Manifest, Network
from maskport.specs import ImageSpec, MaskSpec, ModelSpec


def make(folder: Path, content: bytes = b"weights") -> Path:
    """A file for Android and the web, a folder for iOS, the weights, and a document."""
    folder.mkdir(parents=True)
    (folder / "a.tflite").write_bytes(content)
    package = folder / "b.mlpackage"
    (package / "Data").mkdir(parents=True)
    (package / "Manifest.json").write_text("{}")
    (package / "Data" / "weight.bin").write_bytes(content * 2)
    (folder / "reference.safetensors").write_bytes(content * 3)
    (folder / "README.md").write_text("A bundle.\n")
    write(
        folder,
        {"a.tflite": "tflite", "b.mlpackage": "coreml"},
        "fp16",
        reference=describe_files(folder / "reference.safetensors", folder)[0][0],
        documents=describe_files(folder / "README.md", folder)[0],
    )
    return folder


def write(folder: Path, formats: dict[str, str], precision: str, **more: Any) -> None:
    """The manifest of artifacts that lie in a folder, by their paths; and what else is in it."""
    artifacts = []
    for path, kind in formats.items():
        files, size, digest = describe_files(folder / path, folder)
        artifacts.append(
            Artifact(
                target=f"{kind}-{precision}",
                path=path,
                format=kind,
                precision=precision,
                bytes=size,
                sha256=digest,
                files=files,
                inputs=[],
                outputs=[],
            )
        )
    write_manifest(
        folder,
        Manifest(
            schema_version=1,
            network=Network(name="n", factory="f", parameters=1, macs=1),
            checkpoint=Checkpoint(file="w", sha256="0" * 64, source="s", license="MIT"),
            spec=ModelSpec("n", ImageSpec(4, 6), MaskSpec()).to_dict(),
            reference_device="cpu",
            artifacts=artifacts,
            tools={},
            **more,
        ),
    )
