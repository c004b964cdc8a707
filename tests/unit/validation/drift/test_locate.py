"""What a path means to `maskport drift`."""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path

import pytest

from maskport.artifacts.bundle import write_manifest
from maskport.artifacts.manifest import Artifact, Checkpoint, FileEntry, Manifest, Network
from maskport.errors import BundleError, UsageError
from maskport.specs import ImageSpec, MaskSpec, ModelSpec
from maskport.validation.drift.locate import locate


def entry(target: str, format: str, path: str, content: bytes) -> Artifact:
    digest = hashlib.sha256(content).hexdigest()
    return Artifact(
        target=target, path=path, format=format, precision="fp32", bytes=len(content),
        sha256=digest, files=[FileEntry(path=path, bytes=len(content), sha256=digest)],
        inputs=[], outputs=[],
    )  # fmt: skip


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    folder = tmp_path / "bundle"
    folder.mkdir()
    artifacts = []
    for target, format, path in (
        ("onnx-fp32", "onnx", "net.onnx"),
        ("tflite-fp32", "tflite", "net.tflite"),
        ("executorch", "executorch", "net.pte"),
    ):
        (folder / path).write_bytes(target.encode())
        artifacts.append(entry(target, format, path, target.encode()))
    manifest = Manifest(
        schema_version=1,
        network=Network(name="net", factory="net", parameters=1, macs=1),
        checkpoint=Checkpoint(file="net.pth", sha256="0" * 64, source="", license=""),
        spec=ModelSpec("n", ImageSpec(4, 6), MaskSpec()).to_dict(),
        reference_device="cpu",
        artifacts=artifacts,
        tools={},
    )
    write_manifest(folder, manifest)
    return folder


def test_a_file_is_known_by_the_bundle_it_lies_in(bundle: Path) -> None:
    found = locate(bundle / "net.tflite")
    assert (found.artifact.target, found.changed) == ("tflite-fp32", False)


def test_a_bundle_needs_a_target(bundle: Path) -> None:
    assert locate(bundle, target="onnx-fp32").path == bundle / "net.onnx"
    with pytest.raises(UsageError, match="one of onnx-fp32, tflite-fp32"):
        locate(bundle)
    with pytest.raises(BundleError, match="has no coreml-fp16"):
        locate(bundle, target="coreml-fp16")


def test_a_changed_file_is_noticed(bundle: Path) -> None:
    (bundle / "net.onnx").write_bytes(b"edited")
    assert locate(bundle / "net.onnx").changed


def test_a_copy_elsewhere_is_known_by_its_name_or_its_target(bundle: Path, tmp_path: Path) -> None:
    same, other = tmp_path / "net.onnx", tmp_path / "copy.onnx"
    for path in (same, other):
        shutil.copy(bundle / "net.onnx", path)
    assert locate(same, bundle).artifact.target == "onnx-fp32"
    assert not locate(other, bundle, "onnx-fp32").changed
    with pytest.raises(UsageError, match="--target NAME, one of onnx-fp32"):
        locate(other, bundle)
    with pytest.raises(UsageError, match="--bundle DIR"):
        locate(other)


def test_a_format_that_shows_no_tensors_is_refused_with_those_that_do(bundle: Path) -> None:
    with pytest.raises(UsageError, match=r"onnx, tflite, coreml.*onnx-fp32, tflite-fp32"):
        locate(bundle / "net.pte")


def test_a_missing_file_is_named(bundle: Path) -> None:
    with pytest.raises(UsageError, match=r"no .*gone\.onnx"):
        locate(bundle / "gone.onnx")
