"""Lanes survive processes that crash, and nothing survives the lanes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from maskport.exporters.lanes import Lanes
from maskport.exporters.messages import Failed, Finished, News, Step
from maskport.exporters.targets import select


@pytest.fixture
def lanes(tmp_path: Path, lane: list[str]) -> Iterator[Lanes]:
    with (tmp_path / "log").open("ab") as log:
        yield Lanes(lane, log, jobs=2)


def outcomes(messages: Iterator[News]) -> dict[str, Finished | Failed]:
    return {m.target: m for m in messages if isinstance(m, Finished | Failed)}


def made_by(outcome: Finished | Failed) -> str:
    """The number of the process."""
    assert isinstance(outcome, Finished)
    return outcome.tools["pid"]


def reason(outcome: Finished | Failed) -> str:
    assert isinstance(outcome, Failed)
    return outcome.reason


def test_a_crash_fails_its_target_and_the_others_go_on(lanes: Lanes) -> None:
    with lanes:
        lanes.order(select(["onnx-fp32", "tflite", "coreml-fp16"]))
        ended = outcomes(lanes.finish())
    assert "crashed (SIGSEGV)" in reason(ended["tflite-fp16"])
    others = {name for name, outcome in ended.items() if isinstance(outcome, Finished)}
    assert others == {
        *("onnx-fp32", "tflite-fp32", "tflite-dynamic-int8", "tflite-int8", "coreml-fp16")
    }
    # A new process went on.
    assert made_by(ended["tflite-fp32"]) != made_by(ended["tflite-int8"])


def test_a_lane_that_says_nonsense_is_ended_as_one_that_crashes(lanes: Lanes) -> None:
    with lanes:
        lanes.order(select(["coreml-fp32", "coreml-fp16"]))
        ended = outcomes(lanes.finish())
    assert "sent nonsense" in reason(ended["coreml-fp32"])
    assert isinstance(ended["coreml-fp16"], Finished)


@pytest.mark.parametrize(
    ("target", "words"),
    [("openvino-fp16", "'savedmodel' for openvino-fp16"), ("openvino-fp32", "Finished.seconds")],
)
def test_what_cant_be_of_a_target_fails_it(lanes: Lanes, target: str, words: str) -> None:
    with lanes:
        lanes.order(select([target]))
        ended = outcomes(lanes.finish())
    assert words in reason(ended[target])


def test_what_lanes_print_goes_into_the_log(lanes: Lanes, tmp_path: Path) -> None:
    with lanes:
        lanes.order(select(["onnx-fp32"]))
        outcomes(lanes.finish())
    assert (tmp_path / "log").read_text().splitlines() == ["noise while it is imported", "noise"]


def test_a_process_that_is_just_starting_is_ended_too(
    lanes: Lanes, started_and_interrupted: list[subprocess.Popen[Any]]
) -> None:
    with pytest.raises(KeyboardInterrupt), lanes:
        lanes.warm_up(select(["onnx-fp32"]))
    (process,) = started_and_interrupted
    assert process.returncode == -signal.SIGKILL


def test_targets_of_a_lane_share_a_process_that_was_warm(lanes: Lanes) -> None:
    rows = select(["onnx-fp32", "savedmodel", "keras"])
    with lanes:
        lanes.warm_up(rows)
        lanes.order(rows[:1])
        lanes.order(rows[1:])
        ended = outcomes(lanes.finish())
    assert len({made_by(outcome) for outcome in ended.values()}) == 1


def test_more_lanes_than_jobs_wait_for_their_turn(lanes: Lanes) -> None:
    rows = select(["onnx-fp32", "coreml-fp16", "torchscript-lite"])
    with lanes:
        lanes.warm_up(rows)
        lanes.order(rows)
        assert outcomes(lanes.finish()).keys() == {row.name for row in rows}


def test_a_lane_without_orders_ends_too(lanes: Lanes) -> None:
    with lanes:
        lanes.warm_up(select(["all"]))
        assert list(lanes.finish()) == []


def is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    # A killed process that nobody has waited for yet is as good as gone.
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_leaving_the_lanes_kills_the_processes_and_what_they_started(lanes: Lanes) -> None:
    with pytest.raises(KeyboardInterrupt), lanes:
        lanes.order(select(["executorch"]))
        for message in lanes.finish():
            if isinstance(message, Step):
                pids = [int(pid) for pid in message.text.split()]
                raise KeyboardInterrupt
    deadline = time.monotonic() + 10
    while any(map(is_running, pids)) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not any(map(is_running, pids))
