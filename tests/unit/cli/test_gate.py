"""`maskport gate`: saved results, judged again."""

from __future__ import annotations

import json
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple
from xml.etree import ElementTree as ET

import pytest

from maskport.cli.main import main
from maskport.validation.results import read_results

OK, FAILED_CHECK, WRONG_USE, UNAVAILABLE = 0, 1, 2, 3


class Ended(NamedTuple):
    code: int
    out: str
    err: str


Command = Callable[..., Ended]


def artifact(target: str, precision: str, iou: float, **changes: Any) -> dict[str, Any]:
    """Of one photo, whose name would be markup in a terminal."""
    metrics = {"mae": 1e-6, "iou": iou}
    return {
        "target": target,
        "format": target.partition("-")[0],
        "precision": precision,
        "status": "passed",
        "fidelity": metrics | {f"worst_{name}": value for name, value in metrics.items()},
        "photos": [{"photo": "[red]boat\x1b.jpg", "metrics": metrics}],
        **changes,
    }


def saved(path: Path, *artifacts: dict[str, Any], **changes: Any) -> str:
    """Results as `maskport validate --json` writes them."""
    values = {
        "maskport": "0.1.0", "bundle": "exports/sky", "manifest_sha256": "0" * 64,
        "network": "u2netp", "input_height": 320, "input_width": 320, "threshold": 0.5,
        "labels": ["mask"], "started": "2026-11-02T10:00:00Z",
        "machine": {
            "system": "Linux", "processor": "x86", "cores": 2, "memory_mb": 24000,
            "python": "3.11", "versions": {},
        },
        "run": {
            "photos_from": "photos", "threads": 2, "latency": "none",
            "total_s": 6.0, "inference_s": 4.0, "load_s": 1.0,
        },
        "photos": [{"name": "[red]boat\x1b.jpg", "width": 640, "height": 480}],
        "reference": {"device": "cpu", "device_name": "x86", "weights": "sky.pth"},
        "artifacts": {made["target"]: made for made in artifacts},
        "passed": True,
    }  # fmt: skip
    path.write_text(json.dumps(values | changes))
    return str(path)


@pytest.fixture
def run(capfd: pytest.CaptureFixture[str]) -> Iterator[Command]:
    """Runs `maskport gate` in this process."""
    before = signal.getsignal(signal.SIGTERM)

    def gate(*arguments: str) -> Ended:
        with pytest.raises(SystemExit) as caught:
            main(["gate", *arguments])
        assert isinstance(caught.value.code, int)
        return Ended(caught.value.code, *capfd.readouterr())

    yield gate
    signal.signal(signal.SIGTERM, before)


@pytest.fixture
def results(tmp_path: Path) -> str:
    """Two files that are fine."""
    fine = artifact("onnx-fp32", "fp32", 1.0), artifact("tflite-int8", "int8", 0.992)
    return saved(tmp_path / "r.json", *fine)


def test_good_results_pass_and_the_terminal_says_so(run: Command, results: str) -> None:
    ended = run(results)
    assert ended.code == OK
    assert "✓\tonnx-fp32\t1.0000\t1.0000\t1.0e-6" in ended.out
    assert ended.out.splitlines()[-1] == "All 2 artifacts hold every gate."


def test_a_failed_gate_is_told_with_its_photo_and_distance(run: Command, results: str) -> None:
    ended = run(results, "--gate", "tflite-int8: worst_iou >= 0.995", "--gate", "mae <= 0.1")
    assert ended.code == FAILED_CHECK
    assert (
        "FAILED tflite-int8: worst_iou 0.992 on [red]boat .jpg, at least 0.995 is asked "
        "(short by 0.003)  [--gate]"
    ) in ended.out
    assert "\x1b" not in ended.out  # a photo's name doesn't steer the terminal
    assert "1 of 2 artifacts passed: 1 failed." in ended.out


def test_a_terminal_gets_colors_and_the_names_as_they_are(
    run: Command, results: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {"FORCE_COLOR": "1", "TERM": "xterm-256color", "COLUMNS": "200"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr("sys.stdout.isatty", lambda: True, raising=False)
    ended = run(results, "--gate", "tflite-int8: worst_iou >= 0.995")
    assert "on [red]boat .jpg" in ended.out
    assert "\x1b[1;31mtflite-int8\x1b[0m" in ended.out


def test_a_file_of_gates_is_read(run: Command, results: str, tmp_path: Path) -> None:
    gates = tmp_path / "gates.toml"
    gates.write_text('[int8]\niou = ">= 0.995"\n[coreml]\niou = ">= 0.99"')
    ended = run(results, "--gates", str(gates))
    assert ended.code == FAILED_CHECK
    assert "[gates.toml]" in ended.out


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (("--gate", "iuo >= 0.9"), "Did you mean iou?"),
        (("--gate", "coreml-fp16: iou >= 0.9"), "It has onnx-fp32, tflite-int8."),
        (("--gates", "nowhere.toml"), "nowhere.toml can't be read"),
        (("--baseline", "nowhere.json"), "nowhere.json can't be read"),
    ],
)
def test_what_can_not_be_meant_is_wrong_use(run, results, arguments, complaint) -> None:
    ended = run(results, *arguments)
    assert ended.code == WRONG_USE
    assert complaint in ended.err


def test_a_section_of_no_target_is_wrong_use(run: Command, results: str, tmp_path: Path) -> None:
    gates = tmp_path / "gates.toml"
    gates.write_text('[coreml-fp61]\niou = ">= 0.98"')
    ended = run(results, "--gates", str(gates))
    assert ended.code == WRONG_USE
    assert "Did you mean coreml-fp16?" in ended.err


def test_what_could_not_be_run_here_is_exit_code_3(run: Command, tmp_path: Path) -> None:
    lacking = artifact("executorch", "fp32", 1.0, status="unavailable", reason="needs an SDK")
    ended = run(saved(tmp_path / "r.json", artifact("onnx-fp32", "fp32", 1.0), lacking))
    assert ended.code == UNAVAILABLE
    assert "unavailable executorch: needs an SDK" in ended.out


def test_a_baseline_gates_and_what_differs_is_noted(
    run: Command, results: str, tmp_path: Path
) -> None:
    old = saved(tmp_path / "old.json", artifact("tflite-int8", "int8", 0.998), maskport="0.0.9")
    ended = run(results, "--baseline", old)
    assert ended.code == FAILED_CHECK
    assert "0.998 in the baseline: at least 0.996 is allowed (short by 0.004)" in ended.out
    assert "Note: onnx-fp32 is new" in ended.err
    assert "Note: maskport: 0.0.9 in the baseline, 0.1.0 now" in ended.err


def test_the_new_verdict_is_written_in_each_form(
    run: Command, results: str, tmp_path: Path
) -> None:
    ended = run(
        *(results, "--gate", "iou >= 0.995"),
        *("--json", str(tmp_path / "new.json")),
        *("--junit", str(tmp_path / "new.xml")),
        *("--markdown", str(tmp_path / "new.md")),
    )
    assert ended.code == FAILED_CHECK
    written = read_results(tmp_path / "new.json")
    assert not written.passed
    assert written.artifacts["tflite-int8"].status == "failed"
    failures = ET.parse(tmp_path / "new.xml").getroot().iter("failure")
    assert [failure.get("type") for failure in failures] == ["iou"]
    assert "tflite-int8" in (tmp_path / "new.md").read_text()


def test_results_may_be_judged_in_place(run: Command, results: str) -> None:
    assert run(results, "--gate", "iou >= 0.995", "--json", results).code == FAILED_CHECK
    assert run(results, "--json", results).code == OK


def test_a_file_that_holds_no_results_is_named(run: Command, tmp_path: Path) -> None:
    (tmp_path / "r.json").write_text("{}")
    ended = run(str(tmp_path / "r.json"))
    assert ended.code == WRONG_USE
    assert "holds no results of version 1" in ended.err
