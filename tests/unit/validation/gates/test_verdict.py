"""Verdicts: what is broken never passes, what is good never fails, and each says why."""

from __future__ import annotations

import pytest

from maskport.errors import InputError
from maskport.metrics.flags import FATAL
from maskport.validation.gates import Gates, assemble, decide, default_gates, exit_code
from maskport.validation.gates.verdict import FATAL_FLAGS

# What trained sky weights measured, by target: mean MAE, mean IoU, IoU of the worst photo. The
# wider of several sets of photos (README, benchmarks/quantization.md).
MEASURED = {
    "onnx-fp32": (4e-8, 1.0, 1.0),
    "onnx-fp16": (2.0e-5, 1.0, 1.0),
    "tflite-fp16": (2.0e-5, 1.0, 1.0),
    "coreml-fp16": (9.6e-5, 0.9999, 0.9998),
    "tflite-dynamic-int8": (5e-4, 0.9989, 0.997),
    "tflite-int8": (1.4e-3, 0.9966, 0.9925),
    "coreml-w8": (4e-4, 0.9993, 0.998),
    "coreml-palette6": (1.7e-3, 0.9969, 0.992),
    "coreml-palette4": (4.5e-3, 0.9916, 0.98),
}


def failed(results, gates: Gates | None = None, baseline=None) -> list[str]:
    """The sentences of the gates that don't hold."""
    judged = decide(results, gates or default_gates(), baseline)
    return [gate.text for a in judged.artifacts.values() for gate in a.gates if not gate.passed]


def gated(*texts: str) -> Gates:
    return Gates().on_top(assemble(None, texts).layers[-1])


@pytest.mark.parametrize("target", MEASURED)
def test_the_defaults_pass_what_was_measured_of_good_files(results, artifact, target) -> None:
    mae, iou, worst = MEASURED[target]
    assert not failed(results(artifact(target, mae=(mae, mae), iou=(2 * iou - worst, worst))))


@pytest.mark.parametrize("target", MEASURED)
def test_the_defaults_pass_a_good_file_on_photos_with_tiny_objects(
    results, artifact, target
) -> None:
    """A handful of pixels is another object, and nobody sees it: the error is as on any photo."""
    mae = MEASURED[target][0]
    made = artifact(target, mae=(mae, mae), iou=(1.0, 0.3))
    assert not failed(results(made, objects=("sure", "small")))
    assert failed(results(made, objects=("sure", "sure")))


def test_the_defaults_pass_a_good_file_on_a_photo_that_the_network_is_unsure_of(
    results, artifact
) -> None:
    """What `tflite-dynamic-int8` draws of a photo of which 88 % are grey, where others pass."""
    made = artifact("tflite-dynamic-int8", mae=(0.0002, 0.045), iou=(0.9996, 0.922))
    assert not failed(results(made, objects=("sure", "unsure")))
    assert failed(results(made, objects=("sure", "sure")))


def test_a_file_that_saturates_fails_its_default_gates_clearly(results, artifact) -> None:
    """What `onnx-int8` drew without VNNI, of 15 photos: mean 0.9802, worst 0.951, while its sister
    has 0.9991."""
    broken = artifact("onnx-int8", mae=(0.013, 0.013), iou=(0.9994, 0.951))
    assert {s.split()[0] for s in failed(results(broken))} >= {"iou", "worst_iou", "mae"}


def test_the_number_that_a_gate_judges_is_the_one_that_is_shown(results, artifact) -> None:
    made = artifact(mae=(0.001, 0.03, 0.0), iou=(0.985, 0.4, 0.0), photos=("a", "b", "c"))
    run = results(made, objects=("sure", "unsure", "none"))
    judged = decide(run, default_gates()).artifacts["tflite-int8"]
    for name in ("mae", "worst_mae", "iou", "worst_iou"):
        gate = next(gate for gate in judged.gates if gate.metric == name)
        assert gate.value == judged.fidelity[name]
    assert "iou 0.985 (worst on a: 0.985), at least 0.99 is asked" in judged.reason


def test_photos_that_the_network_is_unsure_of_count_where_it_is_sure_of_none(
    results, artifact
) -> None:
    made = artifact(mae=(0.001, 0.001), iou=(0.9, 0.3))
    (sentence,) = failed(results(made, objects=("unsure", "small")), gated("iou >= 0.95"))
    assert sentence.startswith("iou 0.9 (worst on boat.jpg: 0.9)")


def test_where_the_network_draws_no_object_an_overlap_has_nothing_to_hold_for(
    results, artifact
) -> None:
    made = artifact(mae=(0.0001, 0.0001), iou=(0.0, 1.0))
    judged = decide(results(made, objects=("small", "none")), gated("iou >= 0.95, mae <= 1e-5"))
    texts = {gate.metric: gate.text for gate in judged.artifacts["tflite-int8"].gates}
    assert texts["iou"] == (
        "the network draws no object in any photo, so iou >= 0.95 has nothing to hold for"
    )
    assert not next(g for g in judged.artifacts["tflite-int8"].gates if g.metric == "mae").passed


@pytest.mark.parametrize("target", MEASURED)
@pytest.mark.parametrize(
    ("mae", "iou"),
    [
        # The object's lower third is gone in each photo of a fifth of sky.
        ((0.07, 0.07), (0.66, 0.66)),
        # An exporter's own bar for a file that is let into no bundle.
        ((0.021, 0.021), (0.89, 0.89)),
        # One photo of two is another mask; the other is perfect.
        ((0.0, 0.3), (1.0, 0.2)),
        # On the right side of the threshold everywhere, and grey where it should be white.
        ((0.15, 0.15), (1.0, 1.0)),
    ],
)
def test_the_defaults_fail_what_is_visibly_broken(results, artifact, target, mae, iou) -> None:
    assert failed(results(artifact(target, mae=mae, iou=iou)))


@pytest.mark.parametrize("target", MEASURED)
def test_one_broken_photo_of_a_thousand_is_found(results, artifact, target) -> None:
    good = MEASURED[target][0]
    photos = tuple(f"{number}.jpg" for number in range(1000))
    mae, iou = (0.2, *[good] * 999), (0.1, *[0.9999] * 999)
    sentences = failed(results(artifact(target, mae=mae, iou=iou, photos=photos)))
    assert any("on 0.jpg" in sentence for sentence in sentences)


def test_a_failed_gate_says_which_photo_which_metric_and_how_far(results, artifact) -> None:
    run = results(artifact(mae=(0.001, 0.02), iou=(0.989, 0.871)))
    assert failed(run, gated("worst_iou >= 0.95, iou >= 0.98, mae <= 0.01")) == [
        "worst_iou 0.871 on hill.jpg, at least 0.95 is asked (short by 0.079)",
        "iou 0.93 (worst on hill.jpg: 0.871), at least 0.98 is asked (short by 0.05)",
        "mae 0.0105 (worst on hill.jpg: 0.02), at most 0.01 is asked (over by 0.0005)",
    ]


def test_numbers_that_differ_are_written_so(results, artifact) -> None:
    run = results(artifact(iou=(0.98999999, 0.98999999)))
    assert failed(run, gated("worst_iou >= 0.99")) == [
        "worst_iou 0.98999999 on boat.jpg, at least 0.99 is asked (short by 1e-08)"
    ]


def test_where_leaves_out_the_photos_that_it_does_not_mean(results, artifact) -> None:
    run = results(artifact(mae=(0.0001, 0.02), iou=(0.2, 0.871)))
    assert failed(run, gated("worst_iou >= 0.95 where mae > 0.001")) == [
        "worst_iou 0.871 on hill.jpg (1 photo where mae > 0.001), at least 0.95 is asked "
        "(short by 0.079)"
    ]
    assert not failed(run, gated("worst_iou >= 0.95 where mae > 0.1"))


def test_a_mean_where_something_holds_is_taken_anew(results, artifact) -> None:
    run = results(artifact(mae=(0.0001, 0.02), iou=(0.2, 0.9)))
    judged = decide(run, gated("iou >= 0.85 where mae > 0.001"))
    found = next(g for g in judged.artifacts["tflite-int8"].gates if g.metric == "iou")
    assert (found.value, found.passed) == (0.9, True)


def test_a_photo_without_numbers_can_not_hide_behind_where(results, artifact) -> None:
    made = artifact(mae=(0.02, 0.02), iou=(0.99, 0.99))
    blank = made.photos[1].model_copy(update={"metrics": {}})
    run = results(made.model_copy(update={"photos": [made.photos[0], blank]}))
    (sentence,) = failed(run, gated("worst_iou >= 0.9 where mae > 0.001"))
    assert sentence.startswith("worst_iou has no value")


def test_what_was_not_measured_does_not_pass(results, artifact) -> None:
    run = results(
        artifact(latency_ms=None, timing=None, no_latency="Linux has no Core ML", cost=None)
    )
    sentences = failed(run, gated("latency_ms.p50 <= 9, macs <= 5, truth.mae <= 0.1, psnr >= 1"))
    assert sentences == [
        "latency_ms.p50 has no value (Linux has no Core ML), at most 9 is asked",
        "macs has no value (its operations were not counted), at most 5 is asked",
        "truth.mae has no value (the run was without ground truth (--masks)), at most 0.1 is asked",
        "psnr has no value (it was not measured), at least 1 is asked",
    ]


def test_what_a_file_costs_is_gated(results, artifact) -> None:
    sentences = failed(results(artifact()), gated("latency_ms.p90 <= 10, bytes <= 1e6"))
    assert sentences == [
        "latency_ms.p90 12, at most 10 is asked (over by 2)",
        "bytes 1300000, at most 1000000 is asked (over by 300000)",
    ]
    assert not failed(results(artifact()), gated("latency_to_fp32 <= 0.8, weight_bytes < 2e6"))


def test_a_class_is_gated_by_its_mean_and_its_worst_photo(results, artifact) -> None:
    made = artifact(class_iou={"upper": 0.8, "lower": 0.95})
    photos = [
        photo.model_copy(update={"class_iou": classes})
        for photo, classes in zip(made.photos, ([0.6, None], [1.0, 0.95]), strict=True)
    ]
    run = results(made.model_copy(update={"photos": photos}), labels=["upper", "lower"])
    asked = gated("iou[upper] >= 0.9, worst_iou[upper] >= 0.7, worst_iou[lower] > 0.9")
    assert failed(run, asked) == [
        "iou[upper] 0.8 (worst on boat.jpg: 0.6), at least 0.9 is asked (short by 0.1)",
        "worst_iou[upper] 0.6 on boat.jpg, at least 0.7 is asked (short by 0.1)",
    ]  # fmt: skip


def test_a_drop_against_ground_truth_names_the_photo_that_fell_most(results, artifact) -> None:
    made = artifact(truth={"s_measure": 0.85}, truth_drop={"s_measure": 0.05})
    photos = [
        photo.model_copy(update={"truth": {"s_measure": s}})
        for photo, s in zip(made.photos, (0.9, 0.8), strict=True)
    ]
    whole = [{"photo": p.photo, "metrics": {}, "truth": {"s_measure": 0.9}} for p in photos]
    run = results(
        made.model_copy(update={"photos": photos}),
        reference={"device": "cpu", "device_name": "x86", "weights": "w.pth", "photos": whole},
    )
    assert failed(run, gated("truth_drop.s_measure <= 0.01")) == [
        "truth_drop.s_measure 0.05 (worst on hill.jpg: 0.1), at most 0.01 is asked (over by 0.04)"
    ]


# What can't be switched off.


def test_a_file_whose_integers_can_saturate_fails_wherever_it_was_measured(
    results, artifact
) -> None:
    made = artifact("onnx-int8", saturating=["/stage1/conv/Conv", "/stage2/conv/Conv"])
    (sentence,) = failed(results(made), Gates())
    assert sentence == (
        "its mask depends on the processor: two neighbouring products of /stage1/conv/Conv and 1 "
        "more can add up to more than 16 bits hold, which is cut off on x86 without VNNI"
    )


def test_the_flags_that_fail_are_those_of_the_metrics() -> None:
    assert set(FATAL_FLAGS) == FATAL


@pytest.mark.parametrize("flag", FATAL_FLAGS)
def test_a_fatal_flag_on_one_photo_fails_whatever_the_averages_say(results, artifact, flag) -> None:
    made = artifact()
    spoilt = made.photos[1].model_copy(update={"flags": [flag]})
    run = results(made.model_copy(update={"photos": [made.photos[0], spoilt]}))
    (sentence,) = failed(run, Gates())
    assert sentence == f"{FATAL_FLAGS[flag][1]}, on hill.jpg"


def test_remarks_on_photos_fail_nothing(results, artifact) -> None:
    made = artifact()
    marked = made.photos[1].model_copy(update={"flags": ["empty-both"]})
    assert not failed(results(made.model_copy(update={"photos": [made.photos[0], marked]})))


def test_changed_bytes_fail(results, artifact) -> None:
    judged = decide(results(artifact(checksum_holds=False)), Gates())
    assert judged.artifacts["tflite-int8"].status == "failed"
    assert "not those that the manifest" in judged.artifacts["tflite-int8"].reason


def test_a_photo_that_was_left_out_fails(results, artifact) -> None:
    made = artifact()
    run = results(made)
    short = made.model_copy(update={"photos": made.photos[:1]})
    sentences = failed(run.model_copy(update={"artifacts": {made.target: short}}), Gates())
    assert sentences == ["compared on 1 of 2 photos, not on hill.jpg"]


def test_a_run_without_photos_proves_nothing(results, artifact) -> None:
    made = artifact().model_copy(update={"photos": []})
    assert failed(results(made, photos=[]), Gates()) == ["no photo was compared"]


@pytest.mark.parametrize("status", ["broken", "crashed", "timed-out", "out-of-memory", "missing"])
def test_what_does_not_run_keeps_its_status_and_reason(results, artifact, status) -> None:
    spoilt = artifact("onnx-fp32").model_copy(
        update={"status": status, "reason": "why", "fidelity": None, "photos": []}
    )
    run = results(artifact(), spoilt)
    judged = decide(run, default_gates())
    assert judged.artifacts["onnx-fp32"].status == status
    assert judged.artifacts["onnx-fp32"].reason == "why"
    assert [g.text for g in judged.artifacts["onnx-fp32"].gates if not g.passed] == [
        f"{status}: why"
    ]
    assert judged.artifacts["tflite-int8"].status == "passed"
    assert (judged.passed, exit_code(judged)) == (False, 1)


def test_what_nothing_here_runs_is_no_failure_and_no_pass(results, artifact) -> None:
    unavailable = artifact("executorch").model_copy(
        update={"status": "unavailable", "reason": "needs executorch", "photos": []}
    )
    judged = decide(results(artifact(), unavailable), assemble(None, ["executorch: iou >= 0.9"]))
    assert judged.artifacts["executorch"].status == "unavailable"
    assert (judged.passed, exit_code(judged)) == (False, 3)


def test_a_failure_outweighs_what_could_not_be_run(results, artifact) -> None:
    unavailable = artifact("executorch").model_copy(update={"status": "unavailable"})
    judged = decide(results(artifact(checksum_holds=False), unavailable), Gates())
    assert exit_code(judged) == 1


def test_changed_bytes_fail_even_where_the_file_can_not_be_run(results, artifact) -> None:
    unavailable = artifact("executorch", checksum_holds=False).model_copy(
        update={"status": "unavailable"}
    )
    judged = decide(results(artifact(), unavailable), Gates())
    assert judged.artifacts["executorch"].status == "unavailable"
    assert exit_code(judged) == 1


def test_a_good_run_passes_with_exit_code_0(results) -> None:
    judged = decide(results(passed=False), default_gates())
    assert (judged.passed, exit_code(judged)) == (True, 0)


def test_a_verdict_forgets_the_one_before(results, artifact) -> None:
    strict = decide(results(), gated("iou >= 0.9999"))
    assert strict.artifacts["tflite-int8"].status == "failed"
    assert decide(strict, default_gates()) == decide(results(), default_gates())


def test_judging_twice_is_judging_once(results, artifact) -> None:
    gates = assemble(None, ["iou >= 0.9999"])
    old = results(artifact(), artifact("onnx-fp32", mae=(0.0, 0.0)))
    once = decide(results(), gates, old)
    assert decide(once, gates, old) == once


def test_results_without_an_artifact_are_refused(results) -> None:
    with pytest.raises(InputError, match="hold no artifact"):
        decide(results(artifacts={}), default_gates())


def test_a_photo_without_ground_truth_is_not_the_worst(results, artifact) -> None:
    made = artifact(truth={"mae": 0.2})
    known = made.photos[1].model_copy(update={"truth": {"mae": 0.2}})
    run = results(made.model_copy(update={"photos": [made.photos[0], known]}))
    (sentence,) = failed(run, gated("truth.mae <= 0.1"))
    assert sentence.startswith("truth.mae 0.2 (worst on hill.jpg: 0.2)")
