"""A node's copies of a sweep's bundles: the store's, whoever made them, and gone when unused."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from maskport.artifacts.store import open_place, publish
from maskport.errors import UsageError
from maskport.outputs import held
from maskport.sweeps.here import UNUSED_SECONDS, bundle_here, forget, making, store_of, version_of
from maskport.sweeps.plan import Cell, read_plan

from ...tiny_bundle import make


@pytest.fixture
def cell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Cell:
    (tmp_path / "plan.toml").write_text(
        'targets = ["onnx-fp32"]\n[[networks]]\nnetwork = "demo"\n', encoding="utf-8"
    )
    monkeypatch.setenv("MASKPORT_CACHE", str(tmp_path / "cache"))
    return read_plan(tmp_path / "plan.toml").cells[0]


def published(folder: Path, cell: Cell, content: bytes) -> str:
    out = str(folder / "out")
    bundle = make(folder / content.decode(), content)
    place = open_place(store_of(out))
    publish(bundle, place, name=cell.name, version=version_of(cell), page=False)
    assert not (folder / "out" / "store" / "index.html").exists()
    return out


def test_a_node_that_did_not_make_it_has_it_from_the_store(tmp_path: Path, cell: Cell) -> None:
    out = published(tmp_path, cell, b"one")
    folder = bundle_here(out, cell)
    assert (folder / "a.tflite").read_bytes() == b"one"
    os.utime(folder / "a.tflite", (1, 1))
    assert bundle_here(out, cell) == folder
    assert (folder / "a.tflite").stat().st_mtime == 1  # it was not had again
    forget(out, cell)
    assert not folder.parent.exists()


def test_what_is_not_the_stores_is_not_taken(tmp_path: Path, cell: Cell) -> None:
    out = published(tmp_path, cell, b"one")
    with making(out, cell) as folder:
        make(folder, b"another")  # built here, and published by another node
    assert (bundle_here(out, cell) / "a.tflite").read_bytes() == b"one"
    (folder / "manifest.json").unlink()  # what a kill has left
    assert (bundle_here(out, cell) / "a.tflite").read_bytes() == b"one"


def test_places_have_copies_of_their_own(tmp_path: Path, cell: Cell) -> None:
    first = bundle_here(published(tmp_path, cell, b"one"), cell)
    (tmp_path / "other").mkdir()
    other = bundle_here(published(tmp_path / "other", cell, b"two"), cell)
    assert first != other and (first / "a.tflite").read_bytes() == b"one"


def test_unused_copies_go_and_used_ones_stay(tmp_path: Path, cell: Cell) -> None:
    old = time.time() - UNUSED_SECONDS - 60
    sweeps = tmp_path / "cache" / "sweeps"
    for name in ("unused", "in-use"):
        (sweeps / name / "bundle").mkdir(parents=True)
        os.utime(sweeps / name, (old, old))
    out = published(tmp_path, cell, b"one")
    with held(sweeps / "in-use" / "made"):
        os.utime(sweeps / "in-use", (old, old))
        bundle_here(out, cell)
    assert not (sweeps / "unused").exists() and (sweeps / "in-use" / "bundle").exists()


def test_a_store_without_it_is_told(tmp_path: Path, cell: Cell) -> None:
    from maskport.artifacts.store.place import Absent

    with pytest.raises((Absent, UsageError)):
        bundle_here(str(tmp_path / "out"), cell)
