"""A store is believed nothing: what hostile manifests, tags and objects come to."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from maskport.artifacts.store import Place, listed, open_place, publish, pull
from maskport.artifacts.store.keys import manifest_key, object_key
from maskport.errors import BundleError, InputError, MaskportError, ToolError, UsageError

from ... import tiny_bundle
from ...store_cases import contents

WEIGHTS = b"weights"


@pytest.fixture
def place(tmp_path: Path) -> Place:
    place = open_place(str(tmp_path / "store"))
    publish(tiny_bundle.make(tmp_path / "demo", WEIGHTS), place, version="1")
    return place


@pytest.fixture
def pulled(place: Place, tmp_path: Path) -> Callable[[], Path]:
    return lambda: pull(place, tmp_path / "a" / "out", cache=tmp_path / "cache").path


def rewrite(place: Place, change: Callable[[dict[str, Any]], None]) -> None:
    key = manifest_key("demo", "1")
    manifest = json.loads(b"".join(place.blocks(key)))
    change(manifest)
    place.replace(key, json.dumps(manifest).encode())


def called(path: str) -> Callable[[dict[str, Any]], None]:
    def change(manifest: dict[str, Any]) -> None:
        manifest["documents"][0]["path"] = path

    return change


def sized(count: int) -> Callable[[dict[str, Any]], None]:
    def change(manifest: dict[str, Any]) -> None:
        manifest["documents"][0]["bytes"] = count

    return change


def many(manifest: dict[str, Any]) -> None:
    first = manifest["documents"][0]
    manifest["documents"] = [{**first, "path": f"{i}.md"} for i in range(10_001)]


@pytest.mark.parametrize(
    "change",
    [
        *(called(path) for path in ("../x", "/tmp/x", "x/../../y", "x\\y", "x//y", "./x", "")),
        *(called(path) for path in ("manifest.json", "MANIFEST.json", "export.log", "a.tflite")),
        *(called(path) for path in ("A.TFLITE", "a.tflite/x", "b.mlpackage", "x\ny", "\x1b[2J")),
        *(called(path) for path in ("x" * 256, "/".join(["x" * 200] * 6), "x\u202e.md")),
        *(sized(count) for count in ((64 << 30) + 1, -1)),
        many,
    ],
)
def test_a_manifest_can_write_nowhere_else(
    place: Place,
    pulled: Callable[[], Path],
    tmp_path: Path,
    change: Callable[[dict[str, Any]], None],
) -> None:
    rewrite(place, change)
    before = contents(tmp_path)
    with pytest.raises(BundleError) as raised:
        pulled()
    assert raised.value.what.startswith("The manifest of demo 1")
    assert contents(tmp_path) == before


@pytest.mark.parametrize(
    "content",
    [b"", b"{}", b"[" * 100_000, b"\xff\xfe", b'{"schema_version": 2}', b" " * (17 << 20)],
)
def test_what_is_no_manifest_is_told(
    place: Place, pulled: Callable[[], Path], content: bytes
) -> None:
    place.replace(manifest_key("demo", "1"), content)
    with pytest.raises(BundleError):
        pulled()
    (row,) = listed(place)
    assert row.damage and not row.targets


def test_a_manifest_that_contradicts_itself_gives_no_bundle(
    place: Place, pulled: Callable[[], Path], tmp_path: Path
) -> None:
    rewrite(place, lambda manifest: manifest["artifacts"][1].update(sha256="0" * 64))
    with pytest.raises(BundleError, match="contradicts itself"):
        pulled()
    assert not (tmp_path / "a" / "out").exists()


def test_an_object_of_other_bytes_is_cut_where_it_has_its_own(
    place: Place, pulled: Callable[[], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that never ends doesn't fill the disk."""
    blocks, given = place.blocks, []

    def endless(key: str) -> Any:
        if not key.startswith("objects"):
            yield from blocks(key)
            return
        while len(given) < 1000:
            given.append(key)
            yield b"x" * 5

    monkeypatch.setattr(place, "blocks", endless)
    with pytest.raises(ToolError, match="longer than its 7 bytes"):
        pulled()
    assert len(given) < 40
    assert not [p for p in (tmp_path / "cache").rglob("*") if p.is_file()]


def test_links_and_pipes_among_objects_are_no_objects(
    place: Place, pulled: Callable[[], Path], tmp_path: Path
) -> None:
    weights = tmp_path / "store" / object_key(hashlib.sha256(WEIGHTS).hexdigest())
    weights.unlink()
    weights.symlink_to("/dev/zero")
    with pytest.raises(InputError, match="is a device"):
        pulled()


def test_more_than_the_disk_holds_is_not_begun(
    place: Place, pulled: Callable[[], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    rewrite(place, sized(60 << 30))
    monkeypatch.setattr(
        "maskport.artifacts.store.pulling.shutil.disk_usage",
        lambda _: SimpleNamespace(free=1 << 30),
    )
    with pytest.raises(ToolError, match="has no room"):
        pulled()


def test_a_cache_that_changed_is_not_believed(
    place: Place, pulled: Callable[[], Path], tmp_path: Path
) -> None:
    digest = hashlib.sha256(WEIGHTS).hexdigest()
    kept = tmp_path / "cache" / digest[:2] / digest
    kept.parent.mkdir(parents=True)
    kept.write_bytes(b"swapped")
    assert contents(pulled()) == contents(tmp_path / "demo")


def test_a_cache_that_cant_be_written_is_named(
    place: Place, pulled: Callable[[], Path], tmp_path: Path
) -> None:
    (tmp_path / "cache").write_text("")
    with pytest.raises(InputError, match="cache") as raised:
        pulled()
    assert "MASKPORT_CACHE" in raised.value.remedy


def test_what_was_begun_and_left_in_the_cache_goes_in_a_day(
    place: Place, pulled: Callable[[], Path], tmp_path: Path
) -> None:
    for name, age in (("old", 90_000), ("new", 1)):
        file = tmp_path / "cache" / "ab" / f"{name}.partial"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(b"half")
        when = file.stat().st_mtime - age
        os.utime(file, (when, when))
    pulled()
    assert [p.name for p in (tmp_path / "cache").rglob("*.partial")] == ["new.partial"]


def test_work_that_is_no_bundle_is_not_replaced(
    place: Place, pulled: Callable[[], Path], tmp_path: Path
) -> None:
    out = tmp_path / "a" / "out"
    out.mkdir(parents=True)
    (out / "mine.txt").write_text("mine")
    with pytest.raises(UsageError, match="is not a bundle, so it is not replaced"):
        pulled()
    assert contents(out) == {"mine.txt": b"mine"}


def test_the_old_bundle_stays_where_the_new_one_is_damaged(
    place: Place, pulled: Callable[[], Path], tmp_path: Path
) -> None:
    old = contents(pulled())
    publish(tiny_bundle.make(tmp_path / "b" / "demo", b"newer"), place)
    place.remove(object_key(hashlib.sha256(b"newer").hexdigest()))
    with pytest.raises(MaskportError, match=r"a\.tflite: missing"):
        pulled()
    assert contents(tmp_path / "a" / "out") == old


@pytest.mark.parametrize("name", ["", "..", "a/b", "-x", ".x", "x.", "ü", "x\n", "x" * 101])
def test_names_are_those_that_every_store_can_hold(place: Place, tmp_path: Path, name: str) -> None:
    options: Any
    for options in ({"name": name}, {"version": name}, {"tags": [name]}):
        if name or "tags" in options:
            with pytest.raises(UsageError, match="can't be a"):
                publish(tmp_path / "demo", place, **options)
    if name:
        with pytest.raises(UsageError, match="can't be a"):
            pull(place, name="demo", version=name, cache=tmp_path)
        with pytest.raises(UsageError, match="can't be a"):
            pull(place, name=name, cache=tmp_path)


def test_a_stores_page_shows_texts_and_runs_none(place: Place, tmp_path: Path) -> None:
    hostile = "<script>alert(1)</script>"
    rewrite(place, lambda manifest: manifest["checkpoint"].update(license=hostile))
    publish(tmp_path / "demo", place, version="2")
    page = (tmp_path / "store" / "index.html").read_text()
    assert hostile not in page and "&lt;script&gt;" in page
    (tmp_path / "store" / "bundles" / "<b>x" / "versions" / "1").mkdir(parents=True)
    (tmp_path / "store" / "bundles" / "<b>x" / "versions" / "1" / "manifest.json").write_text("{}")
    assert {one.name for one in listed(place)} == {"demo"}
