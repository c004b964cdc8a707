"""Where a bundle came from, as an in-toto statement with SLSA's predicate of provenance, version 1.

It says what the manifest says, in the words that other tools read, and nothing else: the same
manifest gives the same bytes. The manifest has no times, so the statement has none.
"""

from __future__ import annotations

import hashlib
import json
from typing import Any

from ..bundle import MANIFEST, spec_of
from ..manifest import Artifact, Manifest

__all__ = ["BUILDER", "json_text", "provenance_text", "versions"]

BUILDER = "urn:maskport"
STATEMENT = "https://in-toto.io/Statement/v1"
PREDICATE = "https://slsa.dev/provenance/v1"
# What `maskport adopt` writes among the tools: names of files.
_ADOPTED = "adopted"


def provenance_text(manifest: Manifest, content: bytes) -> str:
    """The statement.

    Args:
        manifest: Of the bundle.
        content: The same, to the byte.

    Raises:
        BundleError: The manifest's specification is not one that this version reads.
    """
    files = {entry.path: entry.sha256 for entry in manifest.entries}
    files[MANIFEST] = hashlib.sha256(content).hexdigest()
    return json_text(
        {
            "_type": STATEMENT,
            "subject": [
                {"name": path, "digest": {"sha256": digest}}
                for path, digest in sorted(files.items())
            ],
            "predicateType": PREDICATE,
            "predicate": {
                "buildDefinition": {
                    "buildType": f"{BUILDER}:{_verb(manifest)}:v1",
                    "externalParameters": _asked(manifest),
                    "internalParameters": _here(manifest),
                    "resolvedDependencies": _taken(manifest),
                },
                "runDetails": {"builder": {"id": BUILDER, "version": versions(manifest)}},
            },
        }
    )


def json_text(value: Any) -> str:
    """A document's text, in the order in which it was made."""
    return json.dumps(value, indent=2) + "\n"


def versions(manifest: Manifest) -> dict[str, str]:
    """The tools' versions; of files that other tools made, these are not known."""
    return {name: version for name, version in manifest.tools.items() if name != _ADOPTED}


def _verb(manifest: Manifest) -> str:
    return "adopt" if _ADOPTED in manifest.tools else "export"


def _asked(manifest: Manifest) -> dict[str, Any]:
    """What whoever exported asked for."""
    checkpoint = manifest.checkpoint
    return {
        "network": {"name": manifest.network.name, "factory": manifest.network.factory},
        "weights": {
            name: said
            for name in ("file", "key", "prefix")
            if (said := getattr(checkpoint, name)) != ""
        },
        "spec": spec_of(manifest).to_dict(),
        "targets": [
            {"name": one.target, "format": one.format, "precision": one.precision, **_by(one)}
            for one in manifest.artifacts
        ],
        "missing": [{"name": one.target, "reason": one.reason} for one in manifest.failures],
    }


def _by(artifact: Artifact) -> dict[str, Any]:
    """By what it was quantised, and from whose file it was made, where it was."""
    found: dict[str, Any] = {}
    quantization = artifact.quantization
    if quantization is not None and quantization.recipe is not None:
        found["recipe"] = {"name": quantization.recipe, "sha256": quantization.recipe_sha256}
    if source := artifact.properties.get("adopted_from"):
        found["adopted_from"] = str(source)
    return found


def _here(manifest: Manifest) -> dict[str, Any]:
    """What the machine was."""
    processor = manifest.processor
    return {
        "reference_device": manifest.reference_device,
        **({"processor": processor.model_dump(mode="json")} if processor else {}),
    }


def _taken(manifest: Manifest) -> list[dict[str, Any]]:
    """What it was made from."""
    checkpoint, calibration = manifest.checkpoint, manifest.calibration
    weights = {
        "name": checkpoint.file,
        "digest": {"sha256": checkpoint.sha256},
        "annotations": {"source": checkpoint.source, "license": checkpoint.license},
    }
    if calibration is None:
        return [weights]
    # Of the photos' pixels one after the other, which is no file.
    photos = {
        "name": "calibration photos",
        "digest": {"pixels_sha256": calibration.sha256},
        "annotations": {"images": calibration.images},
    }
    return [weights, photos]
