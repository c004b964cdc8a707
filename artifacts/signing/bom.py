"""What a bundle consists of, as CycloneDX's bill of materials of machine learning (ML-BOM).

It says what the manifest says: the same manifest gives the same bytes. cyclonedx-python-lib has no
model cards, so the document is made here; tests hold it against that library's schema.
"""

from __future__ import annotations

import hashlib
import uuid
from typing import Any

from ..bundle import spec_of
from ..manifest import Artifact, FileEntry, Manifest, Tensor
from .provenance import BUILDER, json_text, versions

__all__ = ["bom_text"]

# Those of weights in use that SPDX has a name for; others are said in their own words.
_SPDX = frozenset({"Apache-2.0", "BSD-3-Clause", "CC-BY-4.0", "CC0-1.0", "GPL-3.0-only", "MIT"})


def bom_text(manifest: Manifest, content: bytes) -> str:
    """The bill of materials, CycloneDX 1.6 in JSON.

    Args:
        manifest: Of the bundle.
        content: The same, to the byte.

    Raises:
        BundleError: The manifest's specification is not one that this version reads.
    """
    digest = hashlib.sha256(content).hexdigest()
    tools = [
        {"type": "application", "name": name, "version": version}
        for name, version in versions(manifest).items()
    ]
    files = [_file(entry) for entry in manifest.beside]
    models = [_model(manifest, artifact) for artifact in manifest.artifacts]
    return json_text(
        {
            "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
            "bomFormat": "CycloneDX",
            "specVersion": "1.6",
            "serialNumber": f"urn:uuid:{uuid.uuid5(uuid.NAMESPACE_URL, f'{BUILDER}:{digest}')}",
            "version": 1,
            "metadata": {"tools": {"components": tools}, "component": _network(manifest, digest)},
            "components": [*models, *files],
            "dependencies": [
                {"ref": "bundle", "dependsOn": [part["bom-ref"] for part in (*models, *files)]}
            ],
        }
    )


def _network(manifest: Manifest, digest: str) -> dict[str, Any]:
    """The bundle as a whole; its checksum is that of its manifest."""
    network, checkpoint, spec = manifest.network, manifest.checkpoint, spec_of(manifest)
    image, mask = spec.image, spec.mask
    return {
        "type": "machine-learning-model",
        "bom-ref": "bundle",
        "name": network.name,
        "hashes": _hashes(digest),
        **_licenses(manifest),
        "pedigree": {
            "ancestors": [
                {
                    "type": "machine-learning-model",
                    "bom-ref": "weights",
                    "name": checkpoint.file,
                    "hashes": _hashes(checkpoint.sha256),
                    **_licenses(manifest),
                    "properties": _properties({"source": checkpoint.source}),
                }
            ]
        },
        "modelCard": {
            "modelParameters": {
                "task": "image segmentation",
                "modelArchitecture": network.factory,
                "inputs": [{"format": f"RGB image, {image.height}x{image.width}"}],
                "outputs": [
                    {
                        "format": f"mask in [0, 1], {mask.channels} channels: "
                        f"{', '.join(mask.labels)}"
                    }
                ],
            },
            "properties": _properties(
                {"parameters": network.parameters, "macs": network.macs, **_calibration(manifest)}
            ),
        },
    }


def _model(manifest: Manifest, artifact: Artifact) -> dict[str, Any]:
    """One file, or one folder that a format calls a file."""
    seen = artifact.inspection
    measured: dict[str, Any] = {}
    if seen is not None:
        measured["quantitativeAnalysis"] = {
            "performanceMetrics": [
                {"type": name, "value": str(getattr(seen, name)), "slice": f"{seen.photos} photos"}
                for name in ("iou", "worst_iou", "mae", "max_error")
            ]
        }
    single = [entry.path for entry in artifact.files] == [artifact.path]
    return {
        "type": "machine-learning-model",
        "bom-ref": f"target:{artifact.target}",
        "name": artifact.path,
        # A folder has the checksums of its files.
        **(
            {"hashes": _hashes(artifact.sha256)}
            if single
            else {"components": [_file(entry) for entry in artifact.files]}
        ),
        **_licenses(manifest),
        "modelCard": {
            "modelParameters": {
                "task": "image segmentation",
                "inputs": [{"format": _format(tensor)} for tensor in artifact.inputs],
                "outputs": [{"format": _format(tensor)} for tensor in artifact.outputs],
            },
            **measured,
        },
        "properties": _properties(
            {
                "target": artifact.target,
                "format": artifact.format,
                "precision": artifact.precision,
                "bytes": artifact.bytes,
            }
        ),
    }


def _file(entry: FileEntry) -> dict[str, Any]:
    return {
        "type": "file",
        "bom-ref": f"file:{entry.path}",
        "name": entry.path,
        "hashes": _hashes(entry.sha256),
    }


def _format(tensor: Tensor) -> str:
    return f"{tensor.name}: {tensor.dtype} {tensor.layout} {tensor.shape}"


def _hashes(sha256: str) -> list[dict[str, str]]:
    return [{"alg": "SHA-256", "content": sha256}]


def _licenses(manifest: Manifest) -> dict[str, Any]:
    said = manifest.checkpoint.license
    if not said:
        return {}
    return {"licenses": [{"license": {"id" if said in _SPDX else "name": said}}]}


def _calibration(manifest: Manifest) -> dict[str, Any]:
    """The photos that gave integer files their ranges."""
    found = manifest.calibration
    if found is None:
        return {}
    return {"calibration_photos": found.images, "calibration_pixels_sha256": found.sha256}


def _properties(values: dict[str, Any]) -> list[dict[str, str]]:
    return [{"name": f"maskport:{name}", "value": str(value)} for name, value in values.items()]
