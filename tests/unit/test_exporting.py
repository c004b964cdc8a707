"""Exports from the cache, for real: of a tiny network, in two formats."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import torch
from click.testing import CliRunner
from PIL import Image

from maskport.artifacts.bundle import Bundle, verify
from maskport.artifacts.cache import Cache
from maskport.cli.cache import command as cache_command
from maskport.cli.export import command as export_command
from maskport.errors import UsageError
from maskport.exporters.export import ExportRequest
from maskport.exporters.keeper import Keeper
from maskport.exporting import ExportEvent, cache_of_exports, export
from maskport.models import catalog
from maskport.models.seeding import seeded
from maskport.scenes import scene

from ..conftest import NANO
from ..sdks import needed
from .exporters.tiny_catalog import enter

needed("onnxsim", "onnx")
needed("onnxruntime", "onnx")
TARGETS = ["onnx-fp32", "torchscript-lite"]


@dataclass
class Exports:
    """Of the tiny network, in a folder.

    Attributes:
        folder: Where weights, photos and bundles are.
        cache: Filled by the first of them, `cold`.
        cold: That bundle.
    """

    folder: Path
    cache: Path
    cold: Path

    def arguments(self) -> dict[str, Any]:
        photos, weights = self.folder / "photos", self.folder / "tiny.pth"
        return {"weights": weights, "photos": photos, "targets": TARGETS}

    def export(self, out: str, **more: Any) -> tuple[Bundle, list[ExportEvent]]:
        events: list[ExportEvent] = []
        arguments = self.arguments() | {"out": self.folder / out, "watch": events.append} | more
        return export("tiny", **arguments), events


@pytest.fixture(scope="module")
def filled(
    tmp_path_factory: pytest.TempPathFactory, cache_of_this_module: Path
) -> Iterator[Exports]:
    folder = tmp_path_factory.mktemp("exports")
    (folder / "photos").mkdir()
    for seed in range(2):
        Image.fromarray(scene(seed, 40, 60).photo).save(folder / "photos" / f"{seed}.png")
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(catalog.CATALOG, "tiny", enter(stages=NANO))  # type: ignore[arg-type]
        network = catalog.CATALOG["tiny"].build()
        seeded(network, 0, (32, 48))
        torch.save(network.state_dict(), folder / "tiny.pth")
        made = Exports(folder, cache_of_this_module, folder / "cold")
        made.export("cold")
        yield made


@pytest.fixture
def exports(filled: Exports, monkeypatch: pytest.MonkeyPatch) -> Exports:
    """With the cache that the first has filled."""
    monkeypatch.setenv("MASKPORT_CACHE", str(filled.cache))
    return filled


@pytest.fixture
def own_cache(filled: Exports, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The same, for one test alone."""
    shutil.copytree(filled.cache, tmp_path / "cache")
    monkeypatch.setenv("MASKPORT_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def flip(cache: Path, name: str) -> None:
    """A bit in the middle of what is kept by a name."""
    (file,) = cache.glob(f"exports/{name}/*/files/*")
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 1
    file.write_bytes(data)


def tree(folder: Path) -> dict[str, bytes]:
    """Everything but what SDKs print."""
    files = (path for path in folder.rglob("*") if path.is_file() and path.name != "export.log")
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


def notes(events: list[ExportEvent]) -> list[str]:
    return [event.text for event in events if event.kind == "note"]


def ends(events: list[ExportEvent]) -> dict[str, str]:
    kinds = {"cached", "finished", "failed"}
    return {event.target: event.kind for event in events if event.kind in kinds}


def test_what_has_not_changed_is_taken_byte_for_byte(exports: Exports) -> None:
    bundle, events = exports.export("warm")
    assert ends(events) == dict.fromkeys(TARGETS, "cached") and notes(events) == []
    assert verify(bundle.path) == []
    assert tree(bundle.path) == tree(exports.cold)


WARM = """
import sys
from maskport.models import catalog
from tests_tiny_catalog import enter
catalog.CATALOG["tiny"] = enter()
from maskport import export
kinds = []
def watch(event):
    kinds.append(event.kind)
    print(event.text, file=sys.stderr)  # why something is made again
export(
    "tiny", weights=sys.argv[1], photos=sys.argv[2], targets=["onnx-fp32", "torchscript-lite"],
    out=sys.argv[3], watch=watch,
)
print(kinds, {"torch", "tensorflow", "coremltools", "onnx", "scipy"} & sys.modules.keys())
"""


def test_what_has_not_changed_is_taken_without_pytorch_and_sdks(exports: Exports) -> None:
    folder = exports.folder
    helper = Path(__file__).with_name("exporters") / "tiny_catalog.py"
    shutil.copyfile(helper, folder / "tests_tiny_catalog.py")
    arguments = [folder / "tiny.pth", folder / "photos", folder / "without"]
    done = subprocess.run(
        [
            sys.executable,
            "-c",
            f"import sys; sys.path.insert(0, {str(folder)!r})\n{WARM}",
            *arguments,
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout == "['cached', 'cached'] set()\n", done.stderr
    assert tree(folder / "without") == tree(exports.cold)


def test_what_has_changed_is_named_and_nothing_is_converted_again_for_a_text(
    exports: Exports, own_cache: Path
) -> None:
    """A step that is damaged is found, and made again; and the file is that of a run without a
    cache."""
    flip(own_cache, "step-simplified.onnx")
    before = {path.name for path in own_cache.glob("exports/step-*/*")}
    bundle, events = exports.export("licensed", license="BSD-3-Clause")
    assert ends(events) == {"onnx-fp32": "finished", "torchscript-lite": "cached"}
    assert notes(events) == [
        "Made again: onnx-fp32. Changed: license (not stated → BSD-3-Clause).",
        "Unchanged, and taken from the cache: 1 of 2.",
        "step-simplified.onnx: what the cache has of it is damaged; it is removed, and made again.",
    ]
    assert {path.name for path in own_cache.glob("exports/step-*/*")} == before
    only = {"targets": "onnx-fp32", "license": "BSD-3-Clause"}
    plain, _ = exports.export("plain", cache=False, **only)
    made, cold = tree(bundle.path), tree(exports.cold)
    assert made["tiny-onnx-fp32.onnx"] == tree(plain.path)["tiny-onnx-fp32.onnx"]
    assert made["tiny-onnx-fp32.onnx"] != cold["tiny-onnx-fp32.onnx"]
    assert made["tiny-torchscript-lite.ptl"] == cold["tiny-torchscript-lite.ptl"]
    _, events = exports.export("licensed", license="BSD-3-Clause")
    assert ends(events) == dict.fromkeys(TARGETS, "cached")


@pytest.fixture
def requests(monkeypatch: pytest.MonkeyPatch) -> list[ExportRequest]:
    """Of exports that are made; none is."""
    kept: list[ExportRequest] = []

    def keep(request: ExportRequest, *_: object) -> None:
        kept.append(request)
        raise UsageError("All was read.")

    monkeypatch.setattr("maskport.exporters.export.run_export", keep)
    return kept


@pytest.mark.parametrize("name", ["torchscript-lite", "network"])
def test_what_is_damaged_is_found_removed_and_made(
    exports: Exports, own_cache: Path, requests: list[ExportRequest], name: str
) -> None:
    flip(own_cache, name)
    events: list[ExportEvent] = []
    out = exports.folder / "damaged"
    with pytest.raises(UsageError, match="All was read"):
        exports.export("damaged", watch=events.append)
    assert notes(events) == [
        f"{name}: what the cache has of it is damaged; it is removed, and made again."
    ]
    assert not list(own_cache.glob(f"exports/{name}/*")) and not out.exists()
    assert requests[0].known is not None


@pytest.mark.parametrize("network", ["a factory", "an object", "another's code", "no cache"])
def test_what_cannot_be_known_to_be_the_same_is_made(
    exports: Exports,
    requests: list[ExportRequest],
    network: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    arguments = exports.arguments() | {
        "out": tmp_path / "out",
        "spec": catalog.CATALOG["tiny"].spec,
    }
    given: Any = catalog.CATALOG["tiny"].build() if network == "an object" else network
    if network == "no cache":
        given, arguments["cache"] = "tiny", False
    if network == "a factory":
        given, arguments["weights"] = "maskport.models.u2net:u2netp", None
    if network == "another's code":
        other = replace(enter(stages=NANO), network="maskport.models.u2net:U2Net")
        monkeypatch.setitem(catalog.CATALOG, "tiny", other)  # type: ignore[arg-type]
        given = "tiny"
    with pytest.raises(UsageError, match="All was read"):
        export(given, **arguments)
    assert requests[0].known is None


@pytest.mark.parametrize(
    "wrong",
    [
        {"budget": "iou>=0.9"},
        {"recipe": "plain"},
        {"coreml_sizes": "64"},
        {"weights_key": "ema", "weights": None},
        {"coreml_output": "sound"},
    ],
    ids=lambda wrong: next(iter(wrong)),
)
def test_what_is_refused_without_a_cache_is_refused_with_one(
    exports: Exports, wrong: dict[str, Any]
) -> None:
    with pytest.raises(UsageError):
        exports.export("refused", **wrong)
    assert not (exports.folder / "refused").exists()


def test_a_limit_that_cannot_be_read_is_said_before_anything_is_made(
    exports: Exports, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MASKPORT_CACHE_SIZE", "little")
    with pytest.raises(UsageError, match="MASKPORT_CACHE_SIZE"):
        exports.export("unlimited")
    assert not (exports.folder / "unlimited").exists()


def test_what_changes_while_it_is_used_is_not_kept(exports: Exports, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    said: list[str] = []
    cache = Cache(tmp_path / "cache")
    keeper = Keeper(cache, {"a": {}, "b": {}}, said.append, lambda: False)
    for name in ("a", "b"):
        keeper.put(name, [tmp_path / "file"], tmp_path)
    assert cache.entries() == [] and len(said) == 1
    assert "were changed during the export" in said[0]


def test_a_cache_that_cannot_be_written_fails_nothing(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    said: list[str] = []
    keeper = Keeper(Cache(tmp_path / "file" / "cache"), {"a": {}}, said.append, lambda: True)
    assert not keeper.has("a") and keeper.take("a", tmp_path) is None
    for _ in range(2):
        keeper.put("a", [tmp_path / "file"], tmp_path)
    keeper.prune()
    assert len(said) == 1 and "can't be written" in said[0]


def test_the_command_line_says_what_comes_from_the_cache(exports: Exports) -> None:
    given = exports.arguments()
    options = ("--weights", given["weights"], "--photos", given["photos"])
    asked = ["tiny", *map(str, options), "--targets", ",".join(TARGETS)]
    done = CliRunner().invoke(export_command, [*asked, "--out", str(exports.folder / "cli")])
    assert done.exit_code == 0, done.output
    assert "cached  onnx-fp32" in done.output and "cached  torchscript-lite" in done.output


def test_the_cache_is_shown_and_pruned(own_cache: Path) -> None:
    run = CliRunner().invoke
    shown = run(cache_command, []).output
    entries = len(cache_of_exports().entries())
    assert f"{entries} entries" in shown and "torchscript-lite" in shown
    flaw = next(own_cache.glob("exports/network/*/entry"))
    flaw.write_text("")
    assert "1 damaged" in run(cache_command, []).output
    assert (
        f"Removed 1 of {entries} entries" in run(cache_command, ["prune", "--max-age", "1d"]).output
    )
    done = run(cache_command, ["prune", "--max-size", "0"])
    assert f"Removed {entries - 1} of {entries - 1}" in done.output
    assert run(cache_command, []).output.startswith("0 entries, 0.0 MB")
    assert isinstance(run(cache_command, ["prune", "--max-size", "x"]).exception, UsageError)
