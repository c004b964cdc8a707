"""What a file of the cache depends on: whatever changes a byte of it, and nothing else."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from maskport.exporters import ingredients as module
from maskport.exporters.ingredients import Asked, ingredients
from maskport.exporters.options import Options
from maskport.exporters.recipes import RecipeSearch
from maskport.exporters.run import NO_CARD, Card, Run
from maskport.formats import FORMATS, TARGETS
from maskport.models.catalog import CATALOG
from maskport.models.origins import WeightsOrigin
from maskport.quantization.budget import budget_of
from maskport.quantization.recipe import BEST, FULL, PLAIN
from maskport.sdks import versions

INSTALLED = cache(versions._installed)
EVERY = {row.name for row in TARGETS}
SPEC = CATALOG["u2netp"].spec


def named(*formats: str) -> set[str]:
    return {row.name for row in TARGETS if row.format in formats}


INTEGERS = {row.name for row in TARGETS if row.precision in {"int8", "mixed", "int8x16", "w8a8"}}
CARDS = named("onnx", "onnx-ort", "tflite", "coreml")


@pytest.fixture(autouse=True)
def read_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is installed doesn't change meanwhile, and reading it takes a tenth of a second."""
    monkeypatch.setattr("maskport.sdks.versions._installed", INSTALLED)


@pytest.fixture
def asked(tmp_path: Path) -> Asked:
    """Of files that are all there."""
    weights = tmp_path / "net.pth"
    weights.write_bytes(b"weights")
    for name in ("photos", "calibration"):
        (tmp_path / name).mkdir()
        for number in range(6):
            values = np.full((4, 4, 3), 40 * number, np.uint8)
            Image.fromarray(values).save(tmp_path / name / f"{number}.bmp")
    return Asked(
        network="u2netp",
        spec=SPEC,
        origin=WeightsOrigin("net.pth", weights, "given as a file", "MIT"),
        weights_key=None,
        author="",
        license="MIT",
        source="given as a file",
        photos=tmp_path / "photos",
        calibration=tmp_path / "calibration",
        recipes={"best": BEST, "full": FULL, "mixed": search("iou>=0.999")},
        options=Options(),
    )


def search(budget: str) -> RecipeSearch:
    return RecipeSearch(budget_of(budget), "latency", BEST)


def edit(path: Path) -> None:
    """One byte, behind the back of whoever looks at sizes and times."""
    before = path.stat()
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert path.stat().st_size == before.st_size


def differing(before: Asked, now: Asked, change: Callable[[], object] = lambda: None) -> set[str]:
    """The targets that are made again."""
    known = ingredients(before)
    change()
    others = ingredients(now)
    return {row.name for row in TARGETS if known.of_target(row) != others.of_target(row)}


@pytest.mark.parametrize(
    ("change", "again"),
    [
        ({}, set()),
        ({"license": "BSD"}, CARDS),
        ({"author": "me"}, CARDS),
        ({"source": "here"}, CARDS),
        ({"options": Options(coreml_output="half")}, named("coreml")),
        ({"options": Options(coreml_sizes=((64, 64),))}, named("coreml")),
        ({"options": Options(tflite_layout="NCHW")}, named("tflite")),
        ({"spec": SPEC.resized(64, 64)}, EVERY),
        ({"network": "u2net"}, EVERY),
        ({"weights_key": "ema"}, EVERY),
        ({"calibration": "scenes:8"}, INTEGERS),
        ({"photos": None}, EVERY),
        (
            {"recipes": {"best": PLAIN, "full": FULL, "mixed": search("iou>=0.999")}},
            {row.name for row in TARGETS if row.recipe == "best"},
        ),
        (
            {"recipes": {"best": BEST, "full": FULL, "mixed": search("iou>=0.99")}},
            {"tflite-mixed"},
        ),
    ],
    ids=lambda value: next(iter(value), "nothing") if isinstance(value, dict) else "",
)
def test_a_change_makes_the_targets_again_that_it_changes(
    asked: Asked, change: dict[str, Any], again: set[str]
) -> None:
    assert differing(asked, replace(asked, **change)) == again


@pytest.mark.parametrize(
    ("file", "again"),
    [("net.pth", EVERY), ("photos/0.bmp", EVERY), ("calibration/3.bmp", INTEGERS)],
)
def test_content_counts_whatever_a_files_size_and_time_say(
    asked: Asked, tmp_path: Path, file: str, again: set[str]
) -> None:
    known = ingredients(asked)
    assert known.still(asked)
    assert differing(asked, asked, lambda: edit(tmp_path / file)) == again
    assert not known.still(asked)


def test_another_photo_counts_and_a_name_does_not(asked: Asked, tmp_path: Path) -> None:
    photos = tmp_path / "calibration"
    moved = lambda: (photos / "5.bmp").rename(photos / "6.bmp")  # noqa: E731
    assert differing(asked, asked, moved) == set()
    assert differing(asked, asked, (photos / "6.bmp").unlink) == INTEGERS


def test_the_environment_counts_where_tools_look_at_it(
    asked: Asked, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_to = monkeypatch.setenv
    assert differing(asked, asked, lambda: set_to("TF_ENABLE_ONEDNN_OPTS", "0")) == EVERY
    assert differing(asked, asked, lambda: set_to("TF_CPP_MIN_LOG_LEVEL", "3")) == set()
    assert differing(asked, asked, lambda: set_to("OMP_NUM_THREADS", "1")) == set()


def test_versions_count_for_what_is_made_by_them(
    asked: Asked, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = module.Versions.of

    def others(self: Any, extras: Any) -> dict[str, str]:
        return {
            name: f"{v}.1" if name == "coremltools" else v for name, v in real(self, extras).items()
        }

    upgrade = lambda: monkeypatch.setattr(module.Versions, "of", others)  # noqa: E731
    by = {row.name: real(module.Versions(), [row.shared.extra]) for row in TARGETS}
    expected = {name for name, versions in by.items() if "coremltools" in versions}
    assert "onnx-fp32" not in expected
    assert differing(asked, asked, upgrade) == expected


def test_maskports_own_code_counts_whatever_its_version_is(
    asked: Asked, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tree = tmp_path / "maskport"
    for room in ("exporters", "cli", "docs"):
        (tree / room).mkdir(parents=True)
        (tree / room / "code.py").write_text("x = 1")
        if room != "docs":
            (tree / room / "__init__.py").touch()
    monkeypatch.setattr(module, "_ROOT", tree)
    assert differing(asked, asked, lambda: edit(tree / "exporters" / "code.py")) == EVERY
    for room in ("cli", "docs"):  # nothing that exports read
        assert differing(asked, asked, lambda room=room: edit(tree / room / "code.py")) == set()
    shutil.move(tree / "exporters" / "code.py", tree / "exporters" / "renamed.py")
    known = ingredients(asked)
    (tree / "exporters" / "more.j2").touch()
    assert not known.still(asked)


def test_an_exporter_sees_nothing_that_its_files_are_not_kept_by() -> None:
    options = Options("half", "NCHW", ((64, 64),))
    run = Run(Path("scratch"), SPEC, Card("a", "b", "c", "d", "e"), options)
    for row in TARGETS:
        seen = run.of_target(row)
        assert (seen.card == NO_CARD) == (row.name not in CARDS)
        assert (seen.options.coreml_output == "half") == (row.format == "coreml")
        assert bool(seen.options.coreml_sizes) == (row.format == "coreml")
        assert (seen.options.tflite_layout == "NCHW") == (row.format == "tflite")
        assert seen.calibrates == (row.name in INTEGERS)


def test_every_option_begins_with_its_formats_name() -> None:
    for name in Options.__slots__:
        assert name.partition("_")[0] in FORMATS
