"""A bundle's provenance and its bill of materials: held against the types and the schema of those
who publish the formats."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from maskport.artifacts.bundle import MANIFEST, load_bundle
from maskport.artifacts.manifest import (
    Calibration,
    Failure,
    Inspection,
    Manifest,
    Quantization,
    Tensor,
)
from maskport.artifacts.processor import Processor
from maskport.artifacts.signing import bom_text, provenance_text

from .... import tiny_bundle


@pytest.fixture
def content(tmp_path: Path) -> bytes:
    return (tiny_bundle.make(tmp_path / "demo") / MANIFEST).read_bytes()


@pytest.fixture
def manifest(content: bytes) -> Manifest:
    """One that says all that either document takes."""
    plain = Manifest.model_validate_json(content)
    image = Tensor(name="image", shape=[1, 3, 4, 6], dtype="float32", layout="NCHW")
    first = plain.artifacts[0].model_copy(
        update={
            "inputs": [image],
            "outputs": [image.model_copy(update={"name": "mask", "shape": [1, 1, 4, 6]})],
            "quantization": Quantization(
                weights="int8", activations="int8", recipe="best", recipe_sha256="1" * 64
            ),
            "inspection": Inspection(
                runtime="litert", photos=4, mae=0.1, max_error=0.5, iou=0.9, worst_iou=0.8
            ),
        }
    )
    return plain.model_copy(
        update={
            "artifacts": [first, *plain.artifacts[1:]],
            "processor": Processor(name="CPU", architecture="x86_64", features=["avx2"]),
            "calibration": Calibration(images=2, left_out=0, sha256="2" * 64),
            "failures": [Failure(target="onnx-int8", reason="it broke")],
            "tools": {"maskport": "0.1.0", "torch": "2.13.0"},
        }
    )


def test_the_statement_is_in_totos_and_slsas(manifest: Manifest, content: bytes) -> None:
    statements = pytest.importorskip("in_toto_attestation.v1.statement")
    from google.protobuf.json_format import ParseDict
    from in_toto_attestation.predicates.provenance.v1.provenance_pb2 import Provenance
    from in_toto_attestation.v1.statement_pb2 import Statement

    said = json.loads(provenance_text(manifest, content))
    # A field that the types don't have is an error.
    statements.Statement.copy_from_pb(ParseDict(said, Statement())).validate()
    found = ParseDict(said["predicate"], Provenance())
    assert found.build_definition.build_type and found.run_details.builder.id
    assert found.run_details.builder.version["torch"] == "2.13.0"
    weights, photos = found.build_definition.resolved_dependencies
    assert weights.digest["sha256"] == manifest.checkpoint.sha256
    assert photos.digest["pixels_sha256"] == "2" * 64


def test_the_subjects_are_all_files(manifest: Manifest, content: bytes) -> None:
    said = json.loads(provenance_text(manifest, content))
    subjects = {one["name"]: one["digest"]["sha256"] for one in said["subject"]}
    expected = {entry.path: entry.sha256 for entry in manifest.entries}
    assert subjects == {**expected, MANIFEST: hashlib.sha256(content).hexdigest()}
    asked = said["predicate"]["buildDefinition"]["externalParameters"]
    assert asked["targets"][0]["recipe"] == {"name": "best", "sha256": "1" * 64}
    assert asked["missing"] == [{"name": "onnx-int8", "reason": "it broke"}]


def test_what_was_adopted_was_not_exported(manifest: Manifest, content: bytes) -> None:
    tools = {**manifest.tools, "adopted": "theirs.onnx"}
    own = manifest.artifacts[0].model_copy(update={"properties": {"adopted_from": "theirs.onnx"}})
    adopted = manifest.model_copy(update={"tools": tools, "artifacts": [own]})
    said = json.loads(provenance_text(adopted, content))["predicate"]
    assert said["buildDefinition"]["buildType"] == "urn:maskport:adopt:v1"
    (target,) = said["buildDefinition"]["externalParameters"]["targets"]
    assert target["adopted_from"] == "theirs.onnx"
    assert "adopted" not in said["runDetails"]["builder"]["version"]
    assert "theirs.onnx" not in bom_text(adopted, content)


@pytest.mark.parametrize("license", ["Apache-2.0", "none stated <b>", ""])
def test_the_bill_of_materials_holds_cyclonedxs_schema(
    manifest: Manifest, content: bytes, license: str
) -> None:
    validators = pytest.importorskip("cyclonedx.validation.json")
    from cyclonedx.schema import SchemaVersion

    checkpoint = manifest.checkpoint.model_copy(update={"license": license})
    text = bom_text(manifest.model_copy(update={"checkpoint": checkpoint}), content)
    assert validators.JsonStrictValidator(SchemaVersion.V1_6).validate_str(text) is None
    said = json.loads(text)
    assert {one["type"] for one in said["components"]} == {"machine-learning-model", "file"}
    assert checksums(said) == {
        *(entry.sha256 for entry in manifest.entries),
        *(hashlib.sha256(content).hexdigest(), manifest.checkpoint.sha256),
    }
    (metric, *_) = said["components"][0]["modelCard"]["quantitativeAnalysis"]["performanceMetrics"]
    assert (metric["type"], metric["value"]) == ("iou", "0.9")


def test_the_same_manifest_gives_the_same_bytes(tmp_path: Path) -> None:
    for make in (provenance_text, bom_text):
        first, second = (
            make(load_bundle(folder).manifest, (folder / MANIFEST).read_bytes())
            for folder in (tiny_bundle.make(tmp_path / make.__name__ / name) for name in "ab")
        )
        assert first == second
        other = tiny_bundle.make(tmp_path / make.__name__ / "c", b"other")
        assert make(load_bundle(other).manifest, (other / MANIFEST).read_bytes()) != first


def checksums(said: Any) -> set[str]:
    """Every SHA-256 in a bill of materials."""
    if isinstance(said, list):
        return {one for part in said for one in checksums(part)}
    if not isinstance(said, dict):
        return set()
    own = {one["content"] for one in said.get("hashes", ()) if one["alg"] == "SHA-256"}
    return own | {one for part in said.values() for one in checksums(part)}
