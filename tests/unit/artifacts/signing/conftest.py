"""A bundle, a key, and the bundle signed by it."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from maskport.artifacts.bundle import MANIFEST, verify
from maskport.artifacts.signing import KeySigner, sign

from .... import tiny_bundle
from .authority import Pair, pair


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    """With a file in a folder of its own, and a log."""
    folder = tmp_path / "demo"
    tiny_bundle.make(folder)
    (folder / "snippets").mkdir()
    (folder / "snippets" / "a.kt").write_text("code")
    manifest = json.loads((folder / MANIFEST).read_text())
    digest = hashlib.sha256(b"code").hexdigest()
    manifest["documents"].append({"path": "snippets/a.kt", "bytes": 4, "sha256": digest})
    (folder / MANIFEST).write_text(json.dumps(manifest))
    (folder / "export.log").write_text("said\n")
    assert verify(folder) == []
    return folder


@pytest.fixture
def mine(tmp_path: Path) -> Pair:
    return pair(tmp_path, "mine")


@pytest.fixture
def signed(bundle: Path, mine: Pair) -> Path:
    assert sign(bundle, KeySigner(mine.key)) == 9
    return bundle
