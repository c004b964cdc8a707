"""Lanes survive workers that crash, and nothing survives the lanes."""

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
from maskport.exporters.targets import select

# A worker of the real protocol that dies in one target, sleeps in another, and prints noise.
WORKER = """
import json, os, signal, subprocess, sys, time
print("a line that is no message")
for line in sys.stdin:
    order = json.loads(line)
    if "stop" in order:
        break
    name = order["target"]
    def send(kind, **more):
        print(json.dumps({"event": kind, "target": name, **more}), flush=True)
    send("started")
    print("noise", file=sys.stderr)
    if name == "tflite-fp16":
        os.kill(os.getpid(), signal.SIGSEGV)
    if name == "executorch":
        child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
        send("step", text=f"{os.getpid()} {child.pid}")
        time.sleep(600)
    send("finished", pid=os.getpid())
"""


@pytest.fixture
def lanes(tmp_path: Path) -> Iterator[Lanes]:
    with (tmp_path / "log").open("ab") as log:
        yield Lanes([sys.executable, "-c", WORKER], log, jobs=2)


def outcomes(messages: Iterator[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    return {m["target"]: m for m in messages if m["event"] in {"finished", "failed"}}


def test_a_crash_fails_its_target_and_the_others_go_on(lanes: Lanes) -> None:
    with lanes:
        lanes.order(select(["onnx-fp32", "tflite", "coreml-fp16"]))
        ended = outcomes(lanes.finish())
    assert ended["tflite-fp16"]["event"] == "failed"
    assert "crashed (SIGSEGV)" in ended["tflite-fp16"]["reason"]
    others = {name for name, message in ended.items() if message["event"] == "finished"}
    assert others == {
        *("onnx-fp32", "tflite-fp32", "tflite-dynamic-int8", "tflite-int8", "coreml-fp16")
    }
    before, after = ended["tflite-fp32"]["pid"], ended["tflite-int8"]["pid"]
    assert before != after  # a new process went on


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
    assert len({message["pid"] for message in ended.values()}) == 1


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
def test_leaving_the_lanes_kills_the_workers_and_what_they_started(lanes: Lanes) -> None:
    with pytest.raises(KeyboardInterrupt), lanes:
        lanes.order(select(["executorch"]))
        for message in lanes.finish():
            if message["event"] == "step":
                pids = [int(pid) for pid in message["text"].split()]
                raise KeyboardInterrupt
    deadline = time.monotonic() + 10
    while any(map(is_running, pids)) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not any(map(is_running, pids))
