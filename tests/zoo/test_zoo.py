"""Small networks of the structures that people have, exported for real."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from maskport.exporters.targets import target
from maskport.models.factory import build
from maskport.models.prepared import Reference, check_output, prepare
from maskport.sdks.needs import not_installed

from .exporting import exported
from .page import short, write_page
from .table import ZOO, Row, row_of

# The formats that networks are lost in, and the two integer files that most people ship.
TARGETS = (
    "onnx-int8",
    "tflite-fp32",
    "tflite-int8",
    "coreml-fp16",
    "executorch",
)
# Fewer than the zoo's own: enough for masks with light and dark.
STEPS, PHOTOS = 60, 16

# What is known not to work: (network, target) -> part of the reason. Whoever mends one of them
# is told so by a failing test, and removes its row.
EXPECTED_FAILURES: dict[tuple[str, str], str] = {}


@pytest.mark.parametrize("row", ZOO, ids=lambda row: row.name)
def test_a_network_is_small_and_gives_the_mask_that_its_row_says(row: Row) -> None:
    network, spec = build(row.reference), row.spec
    check_output(Reference(network, spec), spec)
    assert sum(p.numel() for p in network.parameters()) <= 300_000


@pytest.mark.parametrize("row", ZOO, ids=lambda row: row.name)
def test_the_exported_view_of_a_network_draws_its_mask(row: Row) -> None:
    torch.manual_seed(0)
    network, spec = build(row.reference), row.spec
    photo = torch.rand(1, 3, spec.image.height, spec.image.width)
    with torch.no_grad():
        expected, drawn = Reference(network, spec)(photo), prepare(network, spec)(photo)
    # Float32 rounding through the folded norms; a class whose logits tie may change its pixel.
    assert (drawn - expected).abs().mean() < 1e-5


def test_names_are_given_once() -> None:
    assert len({row.name for row in ZOO}) == len(ZOO)
    assert 1 <= sum(row.quick for row in ZOO) <= 4  # two minutes of every test run


@pytest.mark.zoo
@pytest.mark.slow
@pytest.mark.sdk
@pytest.mark.parametrize("row", [row for row in ZOO if row.quick], ids=lambda row: row.name)
def test_every_file_draws_the_networks_mask(row: Row, tmp_path: Path) -> None:
    ready = [name for name in TARGETS if not not_installed(target(name).needs)]
    found = exported(row, ready, tmp_path, STEPS, calibrated_on=PHOTOS)
    expected = {name: EXPECTED_FAILURES.get((row.name, name), "") for name in ready}
    unexpected = {n: found[n].reason for n in ready if found[n].reason and not expected[n]}
    assert not unexpected
    mended = [n for n in ready if expected[n] and expected[n] not in found[n].reason]
    assert not mended, "these work now, or fail for another reason: change EXPECTED_FAILURES"


def test_expected_failures_are_of_the_quick_half() -> None:
    for network, name in EXPECTED_FAILURES:
        assert row_of(network).quick
        assert name in TARGETS


def test_the_page_has_a_dot_for_a_good_file_and_a_footnote_for_none(tmp_path: Path) -> None:
    reason = "torch could not do it: aten::max_unpool2d\nTraceback …"
    figures = {
        "segnet": {"targets": {"onnx-fp32": {"iou": 1.0}, "keras": {"reason": reason}}},
        "unet": {"targets": {"keras": {"reason": reason}}},
    }
    page = tmp_path / "networks.md"
    write_page(page, figures, ("onnx-fp32", "keras"))
    text = page.read_text()
    assert "| segnet | ● | [1](#networks) |" in text
    assert "| unet |  | [1](#networks) |" in text
    assert "\n1. torch could not do it: aten::max_unpool2d\n" in text


def test_a_footnote_is_one_line_without_paths() -> None:
    assert short("\nfailed in /root/venv/lib/x.py: a | b\nmore") == "failed in …: a \\| b"
    assert len(short("word " * 100)) <= 240
    assert short("no layer.\nUse savedmodel.\nmore") == "no layer. Use savedmodel."
