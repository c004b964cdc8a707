"""Files of gates: which gate wins, and what is refused, with its line."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest

from maskport.errors import InputError, UsageError
from maskport.formats import TARGETS
from maskport.validation.gates import Gates, assemble, default_gates, load_gates

KNOWN = {"coreml-fp16", "coreml", "fp16", "tflite-int8", "tflite", "int8"}

Write = Callable[[str], Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Puts a text into a file of gates."""

    def put(text: str) -> Path:
        path = tmp_path / "gates.toml"
        path.write_text(text)
        return path

    return put


def chosen(gates: Gates, artifact, *, beside_gpu: bool = False) -> dict[str, str]:
    return {g.quantity.name: str(g) for g in gates.of(artifact, beside_gpu=beside_gpu)}


def test_every_precision_that_is_exported_has_defaults_of_its_own(artifact) -> None:
    for row in TARGETS:
        found = default_gates().of(
            artifact(row.name, format=row.format, precision=row.precision), beside_gpu=False
        )
        assert {gate.source for gate in found} == {f"default ({row.precision})"}
        assert {gate.quantity.name for gate in found} == {"mae", "worst_mae", "iou", "worst_iou"}


def test_the_defaults_ask_what_the_issue_asks_of_core_ml(artifact) -> None:
    assert chosen(default_gates(), artifact("coreml-fp32"))["mae"] == "mae <= 1e-05"
    assert chosen(default_gates(), artifact("coreml-fp16"))["mae"] == "mae <= 0.001"


def test_an_unknown_precision_falls_back_to_the_gates_for_all(artifact) -> None:
    found = default_gates().of(artifact("tflite-int4"), beside_gpu=False)
    assert {gate.source for gate in found} == {"default (*)"}


def test_a_reference_on_a_gpu_leaves_fp32_files_more_room(artifact) -> None:
    there = chosen(default_gates(), artifact("onnx-fp32"), beside_gpu=True)
    here = chosen(default_gates(), artifact("onnx-fp32"))
    assert (here["mae"], there["mae"]) == ("mae <= 1e-05", "mae <= 0.0001")


def test_a_file_replaces_the_defaults_metric_by_metric(write, artifact) -> None:
    found = chosen(load_gates(write('["*"]\nmae = "<= 0.5"\nlatency_ms.p90 = "<= 9"')), artifact())
    assert found["mae"] == "mae <= 0.5"
    assert found["latency_ms.p90"] == "latency_ms.p90 <= 9"
    assert found["worst_mae"] == "worst_mae <= 0.015"  # the default for int8


def test_a_file_may_leave_out_the_defaults(write, artifact) -> None:
    gates = load_gates(write('defaults = false\n["*"]\nmae = "<= 0.5"'))
    assert chosen(gates, artifact()) == {"mae": "mae <= 0.5"}
    assert not gates.tolerances


def test_a_file_may_lift_a_single_gate(write, artifact) -> None:
    gates = load_gates(write("[tflite-int8]\nworst_iou = false\n[baseline]\nlatency = false"))
    assert "worst_iou" not in chosen(gates, artifact())
    assert "worst_iou" in chosen(gates, artifact("coreml-w8"))
    assert "latency" not in gates.tolerances


def test_the_most_specific_section_wins_wherever_it_stands(write, artifact) -> None:
    gates = load_gates(
        write(
            '[tflite-int8]\nmae = "<= 0.4"\n["tflite-*"]\nmae = "<= 0.3"\n'
            '[tflite]\nmae = "<= 0.2"\n["*"]\nmae = "<= 0.1"'
        )
    )
    assert chosen(gates, artifact("tflite-int8"))["mae"] == "mae <= 0.4"
    assert chosen(gates, artifact("tflite-fp16"))["mae"] == "mae <= 0.3"
    assert chosen(gates, artifact("keras", format="tflite"))["mae"] == "mae <= 0.2"
    assert chosen(gates, artifact("onnx-fp16"))["mae"] == "mae <= 0.1"


@pytest.mark.parametrize("order", [("tflite", "int8"), ("int8", "tflite")])
def test_of_two_equally_specific_sections_the_stricter_wins(write, artifact, order) -> None:
    limits = {"tflite": "<= 0.3", "int8": "<= 0.2"}
    text = "\n".join(f'[{name}]\nmae = "{limits[name]}"' for name in order)
    assert chosen(load_gates(write(text)), artifact())["mae"] == "mae <= 0.2"


def test_the_command_line_wins_over_the_file(write, artifact) -> None:
    gates = assemble(write('[tflite-int8]\nmae = "<= 0.4"'), ["mae <= 0.3", "iou >= 0.2"])
    found = chosen(gates, artifact())
    assert (found["mae"], found["iou"]) == ("mae <= 0.3", "iou >= 0.2")


def test_one_section_may_be_for_several(write, artifact) -> None:
    gates = load_gates(write('["tflite-int8, w8"]\nmae = "<= 0.3"'))
    assert chosen(gates, artifact("coreml-w8"))["mae"] == "mae <= 0.3"


@pytest.mark.parametrize(
    ("text", "line", "complaint"),
    [
        ('["*"]\n\n# photos\nioo = ">= 0.9"', 4, "Did you mean iou?"),
        ('["*"]\niou = 0.9', 2, 'Write it as text, for example ">= 0.98"'),
        ('["*"]\nmae = "> 0.9"', 2, "lower is better"),
        ('["*"]\nmae = true', 2, "says no comparison"),
        ('["*"]\nlatency_ms.p95 = "<= 4"', 2, "latency_ms.p95"),
        ('iou = ">= 0.9"', 1, "stands in no section"),
        ('defaults = "no"', 1, "is not true or false"),
        ('["tflite,"]\niou = ">= 0.9"', 1, "empty selector"),
        ('[fp16]\n\n[baseline]\nioo = 0.1', 4, "Did you mean iou?"),
        ('[baseline]\niou = "a lot"', 2, "doesn't say how much worse"),
        ('[baseline]\niou = -1', 2, "doesn't say how much worse"),
        ('[baseline]\niou = true', 2, "doesn't say how much worse"),
        ('[baseline]\nlatency = "1% where mae > 1"', 2, "can't have a where"),
        ('[reference-on-gpu.fp32]\nioo = ">= 0.9"', 2, "[reference-on-gpu.fp32] ioo"),
        ('[reference-on-gpu]\niou = ">= 0.9"', 2, "stands in no section"),
        ("reference-on-gpu = 3", 1, "is no table"),
        ("baseline = 3", 1, "is no table"),
        ('["*"]\niou = ">= 0.9\n', 2, "is no TOML file"),
    ],
)  # fmt: skip
def test_what_is_wrong_in_a_file_is_named_with_its_line(write, text, line, complaint) -> None:
    with pytest.raises(InputError) as caught:
        load_gates(write(text))
    assert f"line {line}" in str(caught.value)
    assert complaint in str(caught.value)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"none\.toml can't be read"):
        load_gates(tmp_path / "none.toml")


def test_a_file_may_name_targets_that_this_bundle_lacks(write, artifact) -> None:
    gates = load_gates(write('["coreml-*"]\nmae = "<= 0.1"\n[fp16]\nmae = "<= 0.1"'), KNOWN)
    gates.check([artifact()], ["mask"])


@pytest.mark.parametrize("name", ["tflite-in8", "fp61", "coremll-*"])
def test_a_file_may_not_name_what_is_no_target_at_all(write, artifact, name) -> None:
    gates = load_gates(write(f'["{name}"]\nmae = "<= 0.1"'), KNOWN)
    with pytest.raises(InputError, match=f"line 2.*{name[:5]}"):
        gates.check([artifact()], ["mask"])


def test_a_gate_of_the_command_line_must_be_for_something_in_the_bundle(artifact) -> None:
    gates = assemble(None, ["tflite-int8, coreml-fp16: mae <= 0.1"], KNOWN)
    with pytest.raises(UsageError) as caught:
        gates.check([artifact("tflite-int8"), artifact("onnx-fp32")], ["mask"])
    assert "is for coreml-fp16" in str(caught.value)
    assert "It has tflite-int8, onnx-fp32." in str(caught.value)


def test_a_class_must_be_one_of_the_networks(artifact) -> None:
    gates = assemble(None, ["iou[uper] >= 0.5"])
    with pytest.raises(UsageError, match="no class 'uper'"):
        gates.check([artifact()], ["upper", "lower"])


def test_gates_can_be_checked_against_a_manifest_before_anything_runs() -> None:
    row = TARGETS[0]  # it has a target's name, format and precision, as a manifest's entries
    manifest = [SimpleNamespace(target=row.name, format=row.format, precision=row.precision)]
    assemble(None, ["onnx-fp32, onnx, fp32: mae <= 0.1"]).check(manifest, ["mask"])
    with pytest.raises(UsageError, match="is for tflite"):
        assemble(None, ["tflite: mae <= 0.1"]).check(manifest, ["mask"])
