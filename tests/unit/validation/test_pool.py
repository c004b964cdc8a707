"""Processes are kept while there is room, and the oldest makes room first."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar

import pytest

from maskport.errors import RunnerError
from maskport.runtimes.isolated import Limits, Loaded
from maskport.validation import pool as module
from maskport.validation.pool import Job, Pool

LIMITS = Limits(1, 1, 1)


class FakeRunner:
    """Behaves as `IsolatedRunner` does, without a process."""

    alive: ClassVar[list[str]] = []

    def __init__(self, artifact: Any, path: Path, **_: Any) -> None:
        self.name = artifact.target
        self.size = artifact.size
        self.started = 0
        FakeRunner.alive.append(self.name)

    def start(self) -> None:
        self.started += 1

    def load(self) -> Loaded:
        if self.size < 0:
            raise RunnerError("broken")
        return Loaded("fake", False, 1.0)

    def resident_memory(self) -> int:
        return int(self.size)

    def close(self) -> None:
        FakeRunner.alive.remove(self.name)


@pytest.fixture(autouse=True)
def fake(monkeypatch: pytest.MonkeyPatch) -> None:
    FakeRunner.alive = []
    monkeypatch.setattr(module, "IsolatedRunner", FakeRunner)


def job(name: str, size: int = 10) -> Job:
    return Job(SimpleNamespace(target=name, size=size), Path(name))  # type: ignore[arg-type]


def test_a_runner_is_loaded_once_and_ended_with_the_pool() -> None:
    with Pool(1, LIMITS, budget=100) as pool:
        first, _ = pool.runner(job("a"))
        again, _ = pool.runner(job("a"))
        assert first is again
    assert FakeRunner.alive == []


def test_a_started_runner_is_the_one_that_is_loaded() -> None:
    with Pool(1, LIMITS, budget=100) as pool:
        pool.start(job("a"))
        pool.start(job("a"))
        runner, _ = pool.runner(job("a"))
        assert FakeRunner.alive == ["a"] and runner.started == 1  # type: ignore[attr-defined]


def test_the_one_used_longest_ago_makes_room_and_comes_back() -> None:
    with Pool(1, LIMITS, budget=25) as pool:
        for name in ("a", "b"):
            pool.runner(job(name))
        pool.runner(job("a"))  # now b is the older
        pool.runner(job("c"))
        pool.make_room()
        assert sorted(FakeRunner.alive) == ["a", "c"]
        pool.runner(job("b"))
        assert "b" in FakeRunner.alive


def test_one_that_is_too_large_alone_stays() -> None:
    with Pool(1, LIMITS, budget=5) as pool:
        pool.runner(job("a"))
        pool.make_room()
        assert FakeRunner.alive == ["a"]


def test_one_that_cant_be_loaded_leaves_no_process() -> None:
    with Pool(1, LIMITS, budget=5) as pool:
        with pytest.raises(RunnerError):
            pool.runner(job("a", size=-1))
        assert FakeRunner.alive == []
