"""A baseline: what got worse fails, what merely wobbles doesn't."""

from __future__ import annotations

import pytest

from maskport.errors import InputError
from maskport.validation.gates import Gates, assemble, decide, default_gates, exit_code, notes

TIMING = {"runs": 50, "rounds": 5, "threads": 2, "noisy": False}
ONLY_BASELINE = Gates(tolerances=default_gates().tolerances)


def failed(new, old, gates: Gates = ONLY_BASELINE) -> list[str]:
    judged = decide(new, gates, old)
    return [gate.text for a in judged.artifacts.values() for gate in a.gates if not gate.passed]


def test_equal_results_pass(results) -> None:
    judged = decide(results(), ONLY_BASELINE, results())
    compared = [g for g in judged.artifacts["tflite-int8"].gates if g.source == "baseline"]
    # worst_iou is compared on photos with an error above 0.001; here that is one of the two.
    assert [g.metric for g in compared] == [
        "mae", "iou", "worst_iou", "boundary_f", "latency_to_fp32",
    ]  # fmt: skip
    assert judged.passed
    assert judged.baseline == "exports/sky of 2026-11-02T10:00:00Z"


def test_better_results_pass(results, artifact) -> None:
    better = artifact(mae=(0.0, 0.0), iou=(1.0, 1.0), timing=TIMING | {"ratio_to_fp32": 0.1})
    assert not failed(results(better), results())


def test_a_loss_of_fidelity_fails_with_both_numbers(results, artifact) -> None:
    worse = artifact(mae=(0.001, 0.0112), iou=(0.997, 0.958))
    sentences = failed(results(worse), results())
    assert sentences[0] == (
        "mae 0.0061 (worst on hill.jpg: 0.0112), 0.0011 in the baseline: at most 0.0016 is "
        "allowed (over by 0.0045)"
    )
    assert sentences[1].startswith("iou 0.9775 (worst on hill.jpg: 0.958), 0.9975 in the baseline")
    assert sentences[2].startswith("worst_iou 0.958 on hill.jpg, 0.998 in the baseline")


def test_what_wobbles_within_the_tolerance_passes(results, artifact) -> None:
    assert not failed(results(artifact(mae=(0.0013, 0.0015), iou=(0.996, 0.997))), results())


def test_a_tiny_object_may_wobble_more(results, artifact) -> None:
    """Few pixels decide its IoU; the error of the photo says that nothing visible changed."""
    gates = Gates(tolerances={k: t for k, t in ONLY_BASELINE.tolerances.items()
                              if k == "worst_iou"})  # fmt: skip
    new = results(artifact(mae=(0.0002, 0.0002), iou=(0.4, 0.998)))
    old = results(artifact(mae=(0.0002, 0.0002), iou=(0.6, 0.998)))
    assert not failed(new, old, gates)


def test_a_slower_file_fails_by_its_ratio_to_fp32(results, artifact) -> None:
    slower = artifact(timing=TIMING | {"ratio_to_fp32": 1.0, "ratio_to_pytorch": 0.5})
    # 0.8 and 15 % of it
    assert failed(results(slower), results()) == [
        "latency_to_fp32 1, 0.8 in the baseline: at most 0.92 is allowed (over by 0.08)"
    ]


def test_a_slower_machine_is_no_regression(results, artifact) -> None:
    slow = {key: 10 * value for key, value in artifact().latency_ms.model_dump().items()}
    assert not failed(results(artifact(latency_ms=slow)), results())


def test_an_fp32_file_is_timed_against_pytorch(results, artifact) -> None:
    def run(to_pytorch: float):
        ratios = {"ratio_to_fp32": 1.0, "ratio_to_pytorch": to_pytorch}
        return results(artifact("tflite-fp32", timing=TIMING | ratios))

    assert failed(run(0.9), run(0.5))[0].startswith("latency_to_pytorch 0.9, 0.5 in the baseline")


@pytest.mark.parametrize("side", ["new", "old"])
def test_a_noisy_timing_gets_twice_the_room_and_says_so(results, artifact, side) -> None:
    def run(ratio: float, noisy: bool):
        timing = TIMING | {"ratio_to_fp32": ratio, "noisy": noisy}
        return results(artifact(timing=timing))

    def both(ratio: float):
        return run(ratio, side == "new"), run(0.8, side == "old")

    assert not failed(*both(1.0))
    (sentence,) = failed(*both(1.1))
    assert "at most 1.04 is allowed, twice the tolerance because the timing is noisy" in sentence


def test_a_run_without_latency_is_not_compared_in_it(results, artifact) -> None:
    quick = artifact(latency_ms=None, timing=None)
    run = results(quick, run=results().run.model_dump() | {"latency": "none"})
    assert not failed(run, results())
    assert "latency is not compared: one of the runs was without" in notes(run, results())


def test_a_latency_that_got_lost_fails(results, artifact) -> None:
    assert failed(results(artifact(latency_ms=None, timing=None)), results()) == [
        "latency_to_pytorch has no value (no latency was measured), 0.5 in the baseline"
    ]


def test_a_file_that_has_no_latency_here_is_noted(results, artifact) -> None:
    here = results(artifact("coreml-fp16", latency_ms=None, timing=None, emulated=True,
                            no_latency="Core ML runs on macOS only"))  # fmt: skip
    there = results(artifact("coreml-fp16"))
    assert not failed(here, there)
    told = notes(here, there)
    assert "coreml-fp16: latency is not compared: Core ML runs on macOS only" in told
    assert "coreml-fp16: run by its own runtime in the baseline, emulated now" in told


def test_an_artifact_that_vanished_fails(results, artifact) -> None:
    judged = decide(results(), ONLY_BASELINE, results(artifact(), artifact("coreml-w8")))
    gone = judged.artifacts["coreml-w8"]
    assert (gone.status, gone.fidelity, exit_code(judged)) == ("missing", None, 1)
    assert gone.gates[0].text == "the baseline has it, and the bundle no longer does"


def test_a_vanished_artifact_is_forgotten_with_the_baseline(results, artifact) -> None:
    judged = decide(results(), ONLY_BASELINE, results(artifact(), artifact("coreml-w8")))
    assert list(decide(judged, default_gates()).artifacts) == ["tflite-int8"]
    # As a baseline, too, it stands for nothing.
    assert not failed(results(), judged)


def test_a_new_artifact_is_noted_and_not_failed(results, artifact) -> None:
    new, old = results(artifact(), artifact("coreml-w8")), results()
    assert not failed(new, old)
    assert notes(new, old) == ["coreml-w8 is new: the baseline doesn't have it"]


def test_a_file_that_was_broken_in_the_baseline_can_only_get_better(results, artifact) -> None:
    broken = artifact().model_copy(update={"status": "broken", "fidelity": None, "photos": []})
    assert not failed(results(), results(broken))


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"network": "u2net"}, "the network was u2net and is u2netp now"),
        ({"input_width": 512}, "the input's size was 512x320"),
        ({"threshold": 0.3}, "the threshold was 0.3"),
        ({"labels": ["a", "b"]}, "the list of classes was a, b and is mask"),
        ({"photos": [{"name": "boat.jpg", "width": 640, "height": 480}]}, "other photos: 1 are"),
        ({"photos": [{"name": "boat.jpg", "width": 64, "height": 48},
                     {"name": "hill.jpg", "width": 640, "height": 480}]}, "boat.jpg"),
    ],
)  # fmt: skip
def test_a_baseline_of_something_else_is_refused(results, changes, complaint) -> None:
    with pytest.raises(InputError) as caught:
        decide(results(), ONLY_BASELINE, results(**changes))
    assert complaint in str(caught.value)


def test_other_weights_are_compared_and_noted(results) -> None:
    retrained = {"device": "cuda", "device_name": "a GPU", "weights": "sky2.pth"}
    told = notes(results(reference=retrained), results())
    assert "weights: sky.pth in the baseline, sky2.pth now" in told
    assert "the reference's device: cpu in the baseline, cuda now" in told


def machine(run, *features: str, **changes: str):
    """The same results of a machine with these features."""
    kind = {"architecture": "x86_64", "features": list(features), **changes}
    return run.model_copy(update={"machine": run.machine.model_copy(update=kind)})


def test_another_kind_of_processor_is_warned_of(results) -> None:
    laptop, server = machine(results(), "avx2"), machine(results(), "avx2", "avx512-vnni")
    judged = decide(laptop, ONLY_BASELINE, server)
    assert judged.notes[0] == (
        "another kind of processor: x86_64 with avx2, avx512-vnni in the baseline, x86_64 with "
        "avx2 now; sums are added up by other kernels there"
    )
    assert not decide(laptop, ONLY_BASELINE, laptop).notes
    # Without a baseline there is nothing that could differ, though it was judged with one before.
    assert not decide(judged, ONLY_BASELINE).notes


def test_arm_and_x86_without_features_are_two_kinds(results) -> None:
    arm, x86 = machine(results(), architecture="arm64"), machine(results())
    assert "arm64 with none of the features" in decide(arm, ONLY_BASELINE, x86).notes[0]


@pytest.fixture
def slow_and_fast(results, artifact):
    """What INT8 takes beside float without and with VNNI."""

    def run(ratio: float):
        return results(artifact(timing=TIMING | {"ratio_to_fp32": ratio, "ratio_to_pytorch": 0.5}))

    return run(0.88), run(0.23)


def test_latency_is_not_compared_between_kinds_of_processors(slow_and_fast) -> None:
    slow, fast = slow_and_fast
    laptop, server = machine(slow, "avx2"), machine(fast, "avx2", "avx512-vnni")
    assert not failed(laptop, server)
    assert any(n.startswith("latency is not compared") for n in notes(laptop, server))
    assert failed(laptop, machine(fast, "avx2"))


def test_older_results_say_no_kind_and_are_compared_as_before(slow_and_fast) -> None:
    slow, older = slow_and_fast
    assert older.machine.features is None
    assert failed(machine(slow, "avx2"), older)
    assert not decide(machine(slow, "avx2"), ONLY_BASELINE, older).notes


def test_tolerances_come_from_the_file(results, artifact, tmp_path) -> None:
    path = tmp_path / "gates.toml"
    path.write_text('defaults = false\n[baseline]\nbytes = "1%"\nworst_mae = 0.001')
    gates = assemble(path, [])
    new = results(artifact(bytes=1_400_000, mae=(0.003, 0.001)))
    assert failed(new, results(), gates) == [
        "bytes 1400000, 1300000 in the baseline: at most 1313000 is allowed (over by 87000)",
        "worst_mae 0.003 on boat.jpg, 0.0012 in the baseline: at most 0.0022 is allowed "
        "(over by 0.0008)",
    ]
