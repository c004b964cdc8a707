"""The published JSON Schema is the manifest's."""

from __future__ import annotations

import json
from pathlib import Path

from maskport.artifacts.manifest import Manifest

SCHEMA = Path(__file__).resolve().parents[3] / "docs" / "manifest.schema.json"


def test_the_published_schema_is_what_the_code_says() -> None:
    published = json.loads(SCHEMA.read_text(encoding="utf-8"))
    # Out of date? python -m maskport.artifacts.manifest > docs/manifest.schema.json
    assert published == Manifest.model_json_schema()
