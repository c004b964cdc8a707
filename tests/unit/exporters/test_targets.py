"""Targets are chosen by exact names; a wrong one is never guessed."""

from __future__ import annotations

import importlib.util

import pytest

from maskport.errors import UsageError
from maskport.exporters.targets import select, target
from maskport.formats import FORMATS, TARGETS, Target
from maskport.loading import load
from maskport.precisions import PRECISIONS
from maskport.sdks.needs import not_installed


def test_names_are_unique_and_every_format_has_a_target() -> None:
    assert len({row.name for row in TARGETS}) == len(TARGETS)
    assert {row.format for row in TARGETS} == set(FORMATS)
    # Weights of four bits are what other tools make.
    assert {row.precision for row in TARGETS} == set(PRECISIONS) - {"w4"}


def test_a_formats_name_means_what_can_be_made_without_photos() -> None:
    assert [row.name for row in select(["onnx"], calibrated=False)] == ["onnx-fp32", "onnx-fp16"]
    named = select(["onnx-int8", "onnx"], calibrated=False)
    assert "onnx-int8" in {row.name for row in named}  # asked for: photos will be, too
    assert select(["all"], calibrated=False) == select(["all"])


def test_a_target_for_comparison_is_made_only_where_it_is_named() -> None:
    everything = {row.name for row in select(["all"])}
    assert "tflite-int8" in everything and "tflite-int8x16" not in everything
    assert "tflite-int8x16" not in {row.name for row in select(["tflite"])}
    assert [row.name for row in select(["tflite-int8x16"])] == ["tflite-int8x16"]


def test_a_format_stands_for_its_targets_in_the_tables_order() -> None:
    assert [row.name for row in select(["tflite-int8", "onnx", "onnx-fp16"])] == [
        "onnx-fp32",
        "onnx-fp16",
        "onnx-int8",
        "tflite-int8",
    ]
    assert select(["all"]) == tuple(row for row in TARGETS if not row.opt_in)


def test_a_name_that_is_a_target_and_a_format_is_the_target() -> None:
    assert [row.name for row in select(["executorch"])] == ["executorch"]


def test_a_mistyped_target_is_suggested_and_not_taken() -> None:
    with pytest.raises(UsageError) as caught:
        select(["coreml-fp61"])
    assert "Did you mean coreml-fp16?" in caught.value.remedy


def test_no_target_at_all_is_an_error() -> None:
    with pytest.raises(UsageError):
        select([])


def test_what_is_not_installed_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    found = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: None if name == "onnxsim" else found(name)
    )
    assert not_installed(target("onnx-fp32").needs) == ["onnxsim"]
    assert not_installed(target("torchscript-lite").needs) == []


def test_what_tensorflow_or_torchs_newer_exporter_makes_needs_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    found = importlib.util.find_spec
    lacking = {"tensorflow", "onnxscript"}
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: None if name in lacking else found(name)
    )
    assert not_installed(target("tflite-int8-plain").needs) == ["tensorflow"]
    assert not_installed(target("onnx-int8").needs) == ["onnxscript"]
    assert "tensorflow" not in not_installed(target("tflite-int8").needs)


@pytest.mark.parametrize("row", TARGETS, ids=lambda row: row.name)
def test_the_tables_paths_lead_to_functions(row: Target) -> None:
    shared = row.shared
    paths = (row.exporter, shared.reader, shared.counter, shared.tensors)
    assert all(callable(load(path)) for path in paths if path)
