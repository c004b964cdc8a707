"""The published JSON Schema is the manifest's, and manifests of before are read."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from maskport.artifacts.manifest import Artifact, Inspection, Manifest, OldestRuntime, Tensor

SCHEMA = Path(__file__).resolve().parents[3] / "docs" / "manifest.schema.json"


def test_the_published_schema_is_what_the_code_says() -> None:
    published = json.loads(SCHEMA.read_text(encoding="utf-8"))
    # Out of date? python -m maskport.artifacts.manifest > docs/manifest.schema.json
    assert published == Manifest.model_json_schema()


LITERT = {"runtime": "LiteRT", "version": "2.1.3", "because": "QUANTIZE"}


@pytest.mark.parametrize(
    ("said", "read"),
    [
        ({"oldest_runtime": LITERT}, [OldestRuntime(**LITERT)]),
        ({"oldest_runtime": None}, []),
        ({"oldest_runtimes": [LITERT | {"links": ["kernels"]}]}, None),
        ({}, []),
    ],
    ids=["one", "none", "several", "nothing"],
)
def test_the_one_runtime_of_older_manifests_is_the_first_of_the_list(
    said: dict[str, Any], read: list[OldestRuntime] | None
) -> None:
    entry = {
        **{"target": "t", "path": "file", "format": "tflite", "precision": "fp32", "bytes": 1},
        **{"sha256": "0" * 64, "inputs": [], "outputs": []},
        "files": [{"path": "file", "bytes": 1, "sha256": "0" * 64}],
    }
    found = Artifact.model_validate_json(json.dumps(entry | said)).oldest_runtimes
    assert found == (read if read is not None else [OldestRuntime(**LITERT, links=["kernels"])])


@pytest.mark.parametrize("shape", [[24], [1, 3, 24], [1, 1, 3, 24, 16]])
def test_an_image_has_sides(shape: list[int]) -> None:
    """Its README is made of them."""
    with pytest.raises(ValidationError, match="an image of shape"):
        Tensor(name="image", shape=shape, dtype="uint8", layout="image")


def test_what_was_measured_has_bounds() -> None:
    """Documents round products of it."""
    figures = {"mae": 0.0, "max_error": 0.1, "iou": 1.0, "worst_iou": 1.0}
    Inspection(runtime="x", photos=1, **figures)
    for name in figures:
        with pytest.raises(ValidationError, match=name):
            Inspection(runtime="x", photos=1, **figures | {name: -1e308})
