"""What a gate may say, and what is refused because it can't have been meant."""

from __future__ import annotations

import pytest

from maskport.errors import UsageError
from maskport.metrics import AGREEMENT, SALIENCY
from maskport.validation.gates import known_names, parse_gate, parse_gates, quantity


def test_a_gate_without_a_selector_is_for_every_artifact() -> None:
    gate = parse_gate("iou>=0.98")
    assert gate.selectors == ("*",)
    assert str(gate) == "iou >= 0.98"


def test_a_gate_names_what_it_is_for() -> None:
    gate = parse_gate("tflite-int8, coreml-*: worst_iou >= .9")
    assert gate.selectors == ("tflite-int8", "coreml-*")
    assert str(gate) == "worst_iou >= 0.9"


def test_several_conditions_share_the_selector_before_them() -> None:
    gates = parse_gates("tflite-int8, w8: iou>=0.99, mae<=1e-2, coreml-fp16: mae < 0.001")
    assert [(gate.selectors, str(gate)) for gate in gates] == [
        (("tflite-int8", "w8"), "iou >= 0.99"),
        (("tflite-int8", "w8"), "mae <= 0.01"),
        (("coreml-fp16",), "mae < 0.001"),
    ]


def test_a_gate_may_look_at_some_photos_only() -> None:
    gate = parse_gate("worst_iou >= 0.9 where mae > 0.005")
    assert str(gate) == "worst_iou >= 0.9 where mae > 0.005"


def test_labels_are_free_text() -> None:
    gate = parse_gate("fp16: iou[upper: shirt, coat] >= 0.9")
    assert gate.quantity.key == "upper: shirt, coat"
    assert gate.selectors == ("fp16",)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("iuo >= 0.9", "Did you mean iou?"),
        ("worst_uio >= 0.9", "Did you mean worst_iou?"),
        ("latency_ms.p95 <= 3", "Did you mean latency_ms.p9"),
        ("mae >= 0.1", "lower is better"),
        ("iou <= 0.9", "higher is better"),
        ("truth_drop.mae >= 0.1", "lower is better"),  # a drop is bad whatever it is of
        ("iou >= 98", "iou is never 98"),
        ("bytes <= -1", "bytes is never -1"),
        ("iou >= nan", "no number"),
        ("iou >= 1e999", "no number"),
        ("iou >= 98%", "no number"),
        ("latency_ms.p50 <= 20ms", "no number"),
        ("iou = 0.9", "compares with ="),
        ("iou 0.9", "no condition"),
        ("tflite-int8", "no condition"),
        ("tflite-int8, iou >= 0.9", "tflite-int8 says no condition"),
        ("tflite-int8: iou >= 0.9, mae", "mae says no condition"),
        (": iou >= 0.9", "empty selector"),
        ("a: iou >= 0.9, mae <= 0.1", "holds 2 gates"),
        ("", "no condition"),
        ("bytes <= 3 where mae > 0.1", "bytes can't have a where"),
        ("iou >= 0.9 where worst_mae > 0.1", "a photo has no worst_mae"),
        ("iou >= 0.9 where latency_ms.p50 > 1", "a photo has no latency_ms.p50"),
        ("iou >= 0.9 where mae > 0 where mae > 1", "more than one where"),
    ],
)
def test_what_is_no_gate_is_refused_with_the_reason(text: str, complaint: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_gate(text)
    assert complaint in str(caught.value)


@pytest.mark.parametrize("name", [*AGREEMENT, "photo_mae", "photo_iou", "photo_boundary_f"])
@pytest.mark.parametrize("prefix", ["", "worst_", "p5_"])
def test_each_metric_of_masks_can_be_gated_in_mean_worst_and_tail(name: str, prefix: str) -> None:
    wanted = quantity(prefix + name)
    assert wanted.better == AGREEMENT[name.removeprefix("photo_")]


def test_each_metric_against_ground_truth_can_be_gated_with_its_drop() -> None:
    assert {f"truth.{name}" for name in SALIENCY} < set(known_names())
    assert {f"truth_drop.{name}" for name in SALIENCY} < set(known_names())


@pytest.mark.parametrize(
    "name",
    [
        "latency_ms.p50", "latency_ms.p90", "latency_to_fp32", "latency_to_pytorch",
        "peak_memory_mb", "bytes", "macs", "weight_bytes",
    ],
)  # fmt: skip
def test_what_a_file_costs_can_be_gated(name: str) -> None:
    assert quantity(name).better == "lower"
