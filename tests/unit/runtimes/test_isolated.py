"""A file may crash, hang or eat the memory of its process; ours goes on and names the cause."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest

from maskport.artifacts.manifest import Artifact
from maskport.errors import ArtifactError, ChangedError, LostError, NotCoveredError, RunnerError
from maskport.processes.messages import Frame, Garbled
from maskport.processes.scratch import Scratch
from maskport.runtimes.isolated import Build, IsolatedRunner, Limits
from maskport.runtimes.isolated_messages import ANSWERS

NETWORKS = """
    import ctypes, os, sys, time
    import torch
    from torch import nn

    class Mean(nn.Module):
        def forward(self, x):
            return x.mean(1, keepdim=True)

    class Odd(Mean):
        def __init__(self, deed):
            super().__init__()
            self.deed = deed
        def forward(self, x):
            self.deed()
            return super().forward(x)

    def mean():
        print("something that an SDK prints")
        return Mean()

    def slow():
        return Odd(lambda: time.sleep(0.25))

    def sleeps():
        return Odd(lambda: time.sleep(1000))

    def sleeps_while_loading():
        time.sleep(1000)

    def aborts():
        def abort():
            sys.stderr.write("tensor.cc:42: check failed\\n")
            sys.stderr.flush()
            os.abort()
        return Odd(abort)

    def reads_nothing():
        return Odd(lambda: ctypes.string_at(0))

    def eats():
        kept = []
        return Odd(lambda: [kept.append(bytearray(os.urandom(1 << 20)) * 64) for _ in range(64)])

    def asks_for_too_much():
        return Odd(lambda: torch.empty(1 << 40, dtype=torch.uint8))

    def raises():
        def fail():
            raise ValueError("tensor 7 has no buffer")
        return Odd(fail)

    def babbles():
        def write():
            for number in range(3, 64):
                try:
                    os.write(number, b"\\0\\0\\0\\5hello")
                except OSError:
                    pass
            time.sleep(1000)
        return Odd(write)

    def forges(answer, array=0):
        content = answer.encode()
        for number in range(3, 64):
            try:
                os.write(number, len(content).to_bytes(4, "big") + content + bytes(array))
            except OSError:
                pass
        time.sleep(1000)

    def lies(answer, array):
        return Odd(lambda: forges(answer, int(array)))

    def draws_another_shape():
        return nn.Identity()
"""

IMAGE = np.linspace(0, 1, 3 * 4 * 6, dtype=np.float32).reshape(1, 3, 4, 6)
PLENTY = Limits(load=60, run=60, memory=8 << 30)


@pytest.fixture
def runner(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., IsolatedRunner]:
    """Makes runners of networks that are given by name."""
    (tmp_path / "odd_networks.py").write_text(textwrap.dedent(NETWORKS))
    monkeypatch.setenv("PYTHONPATH", str(tmp_path), prepend=os.pathsep)
    weights = tmp_path / "weights.bin"
    weights.write_bytes(b"")

    def make(name: str, limits: Limits = PLENTY, **arguments: str) -> IsolatedRunner:
        return IsolatedRunner(
            an_artifact(),
            weights,
            threads=1,
            limits=limits,
            build=Build(f"odd_networks:{name}", arguments),
        )

    return make


def an_artifact(format: str = "pytorch") -> Artifact:
    zeros = "0" * 64
    tensor = {"dtype": "float32", "layout": "NCHW"}
    return Artifact.model_validate(
        {
            "target": "odd",
            "path": "weights.bin",
            "format": format,
            "precision": "fp32",
            "bytes": 0,
            "sha256": zeros,
            "files": [{"path": "weights.bin", "bytes": 0, "sha256": zeros}],
            "inputs": [{"name": "image", "shape": [1, 3, 4, 6], **tensor}],
            "outputs": [{"name": "mask", "shape": [1, 1, 4, 6], **tensor}],
        }
    )


def test_a_mask_comes_back_as_it_was_drawn(runner: Callable[..., IsolatedRunner]) -> None:
    with runner("mean") as mean:
        loaded = mean.load()
        mask, milliseconds = mean.run(IMAGE)
    assert loaded.runtime == "pytorch" and loaded.load_ms >= 0 and not loaded.emulated
    np.testing.assert_array_equal(mask, IMAGE.mean(1, keepdims=True))
    assert milliseconds > 0


def test_timing_gives_at_least_the_runs_and_the_seconds(
    runner: Callable[..., IsolatedRunner],
) -> None:
    with runner("mean") as mean:
        mean.load()
        few, _ = mean.time(IMAGE, warm_up=1, runs=3, seconds=0)
        long, _ = mean.time(IMAGE, warm_up=1, runs=3, seconds=0.05)
    assert len(few) == 3
    assert len(long) > 3 and sum(long) >= 50


def test_a_slow_file_is_not_timed_out_because_it_is_timed_first(
    runner: Callable[..., IsolatedRunner],
) -> None:
    """Twelve runs of a quarter of a second are more than the limit of one, and fine."""
    limits = Limits(load=60, run=1.5, memory=8 << 30)
    with runner("slow", limits) as slow:
        slow.load()
        times, _ = slow.time(IMAGE, warm_up=1, runs=12, seconds=0)
    assert len(times) == 12


def test_memory_is_the_childs_own(runner: Callable[..., IsolatedRunner]) -> None:
    with runner("mean") as mean:
        mean.load()
        assert mean.saturating() == []
        peak = mean.peak_memory_mb()
        resident = mean.resident_memory() / 1e6
    # torch alone takes some hundred MB; what the child says and what the system says agree.
    assert 100 < peak < 4000
    assert resident <= peak * 1.05


@pytest.mark.parametrize(
    ("name", "kind", "words"),
    [
        ("aborts", "crashed", ["SIGABRT", "tensor.cc:42: check failed"]),
        ("reads_nothing", "crashed", ["SIGSEGV"]),
        ("babbles", "broken", ["nonsense"]),
    ],
)
def test_a_death_is_named_with_its_cause(
    runner: Callable[..., IsolatedRunner], name: str, kind: str, words: list[str]
) -> None:
    with runner(name) as odd:
        odd.load()
        with pytest.raises(LostError) as caught:
            odd.run(IMAGE)
    assert caught.value.kind == kind
    for word in [*words, "weights.bin"]:
        assert word in caught.value.what


@pytest.mark.parametrize("name", ["sleeps", "sleeps_while_loading"])
def test_what_hangs_is_ended_at_its_time_limit(
    runner: Callable[..., IsolatedRunner], name: str
) -> None:
    limits = Limits(load=3 if "loading" in name else 60, run=1, memory=8 << 30)
    with runner(name, limits) as odd, pytest.raises(LostError) as caught:
        odd.load()
        odd.run(IMAGE)
    assert caught.value.kind == "timed-out"
    assert "--time-limit" in caught.value.remedy


@pytest.mark.parametrize("name", ["eats", "asks_for_too_much"])
def test_what_takes_too_much_memory_is_ended(
    runner: Callable[..., IsolatedRunner], name: str
) -> None:
    # torch itself needs some hundred MB; the network asks for four GB, or a terabyte.
    limits = Limits(load=60, run=60, memory=1500 << 20)
    with runner(name, limits) as odd, pytest.raises(LostError) as caught:
        odd.load()
        odd.run(IMAGE)
    assert caught.value.kind == "out-of-memory"
    assert "1.6 GB" in caught.value.what


@pytest.mark.parametrize(
    ("name", "reason"),
    [("raises", "tensor 7 has no buffer"), ("draws_another_shape", "shape (1, 3, 4, 6)")],
)
def test_a_runtimes_refusal_is_passed_on(
    runner: Callable[..., IsolatedRunner], name: str, reason: str
) -> None:
    with runner(name) as odd:
        odd.load()
        with pytest.raises(RunnerError, match=r"weights\.bin") as caught:
            odd.run(IMAGE)
        assert reason in caught.value.what
        # The process lives on: the next photo may be fine.
        assert odd.resident_memory() > 0


@pytest.mark.parametrize(
    "answer",
    [
        "Loaded\n{}",
        'Loaded\n{"load_ms": "fast", "runtime": "x", "emulated": false}',
        'Loaded\n{"load_ms": NaN, "runtime": "x", "emulated": false}',
        'Loaded\n{"load_ms": true, "runtime": "x", "emulated": false}',
        'Loaded\n{"load_ms": -1, "runtime": "x", "emulated": false}',
        'Ran\n{"milliseconds": [1], "warm_up": 0}',
    ],
)
def test_an_answer_that_makes_no_sense_is_the_files_fault(
    runner: Callable[..., IsolatedRunner], answer: str
) -> None:
    """A process that a file has taken over may send anything."""
    with (
        runner("forges", answer=answer) as odd,
        pytest.raises(LostError, match="nonsense") as caught,
    ):
        odd.load()
    assert caught.value.kind == "broken"


@pytest.mark.parametrize(
    ("answer", "array", "words"),
    [
        ('Ran 1 1 2 2\n{"milliseconds": [1], "warm_up": 0}', 16, r"\(1, 1, 2, 2\) instead of"),
        ('Ran 1 1 4 6\n{"milliseconds": [1e9], "warm_up": 0}', 96, "times of more than the 60 s"),
        ('Ran 1 1 4 6\n{"milliseconds": [-5], "warm_up": 0}', 96, "milliseconds"),
    ],
)
def test_a_run_that_cant_be_is_the_files_fault(
    runner: Callable[..., IsolatedRunner], answer: str, array: int, words: str
) -> None:
    with runner("lies", answer=answer, array=str(array)) as odd:
        odd.load()
        with pytest.raises(LostError, match=words) as caught:
            odd.run(IMAGE)
    assert caught.value.kind == "broken"


LONG = "1" + "0" * 400


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("Loaded", f'{{"load_ms": {LONG}, "runtime": "x", "emulated": false}}', "load_ms"),
        ("Loaded", r'{"load_ms": 1, "runtime": "\udc80", "emulated": false}', "surrogate"),
        ("Ran", '{"milliseconds": [1, 1e400], "warm_up": 0}', "milliseconds.1"),
        ("Ran", '{"milliseconds": [1, 1e300], "warm_up": 0}', "milliseconds.1"),
        ("Ran", '{"milliseconds": [1], "warm_up": -1e-9}', "warm_up"),
        ("Peak", '{"megabytes": -1}', "megabytes"),
        ("Cost", f'{{"macs": {LONG}, "weight_bytes": 1, "operations": {{}}}}', "macs"),
        ("Cost", '{"macs": 1, "weight_bytes": -1, "operations": {}}', "weight_bytes"),
        ("Cost", '{"macs": 1, "weight_bytes": 1, "operations": {"Conv": -1}}', "operations.Conv"),
        ("Cost", r'{"macs": 1, "weight_bytes": 1, "operations": {"\ud800": 1}}', "Invalid JSON"),
    ],
)
def test_numbers_and_texts_have_bounds(name: str, content: str, words: str) -> None:
    with pytest.raises(Garbled, match=words):
        ANSWERS.read(Frame(name, content.encode(), None))


def test_a_format_that_nothing_runs_is_unavailable_not_broken(tmp_path: Path) -> None:
    file = tmp_path / "weights.bin"
    file.write_bytes(b"")
    with (
        IsolatedRunner(an_artifact("tarot"), file, threads=1, limits=PLENTY, force=True) as odd,
        pytest.raises(NotCoveredError, match="tarot"),
    ):
        odd.load()


def test_a_file_that_is_not_the_manifests_is_not_loaded(tmp_path: Path) -> None:
    file = tmp_path / "weights.bin"
    file.write_bytes(b"other")
    started = IsolatedRunner(an_artifact("tarot"), file, threads=1, limits=PLENTY)
    with started as odd, pytest.raises(ChangedError, match=r"weights\.bin is not the odd"):
        odd.load()
    file.unlink()
    with started as odd, pytest.raises(ArtifactError, match="can't be read: No such file"):
        odd.load()


def test_leaving_ends_the_process_whatever_it_does(runner: Callable[..., IsolatedRunner]) -> None:
    Scratch().close()  # its keeper runs already
    before = psutil.Process().children()
    with runner("sleeps_while_loading"):
        (process,) = [child for child in psutil.Process().children() if child not in before]
        assert process.status() != psutil.STATUS_ZOMBIE
    assert not process.is_running()


def test_a_process_that_is_just_starting_is_ended_too(
    runner: Callable[..., IsolatedRunner], started_and_interrupted: list[subprocess.Popen[Any]]
) -> None:
    with pytest.raises(KeyboardInterrupt), runner("sleeps_while_loading"):
        pytest.fail("it went on")
    (process,) = started_and_interrupted
    assert process.returncode == -signal.SIGKILL


@pytest.mark.skipif(sys.platform != "linux", reason="kills its parent; written for Linux")
def test_a_runner_doesnt_outlive_its_parent(
    runner: Callable[..., IsolatedRunner], tmp_path: Path
) -> None:
    """Not even when the parent is killed, and the child hangs."""
    script = f"""
        import time
        from pathlib import Path
        from maskport.artifacts.manifest import Artifact
        from maskport.runtimes.isolated import Build, IsolatedRunner, Limits
        artifact = Artifact.model_validate_json({an_artifact().model_dump_json()!r})
        runner = IsolatedRunner(artifact, Path({str(tmp_path)!r}) / "weights.bin", threads=1,
                                limits=Limits(60, 60, 8 << 30),
                                build=Build("odd_networks:sleeps_while_loading", {{}}))
        runner.start()
        print(runner._child.pid, flush=True)
        time.sleep(1000)
    """
    parent = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(script)], stdout=subprocess.PIPE, text=True
    )
    assert parent.stdout is not None
    child = int(parent.stdout.readline())
    os.kill(parent.pid, signal.SIGKILL)
    parent.wait()
    parent.stdout.close()
    deadline = time.monotonic() + 20
    while psutil.pid_exists(child) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not psutil.pid_exists(child)
