"""Fixtures of every test."""

from __future__ import annotations

import os
import signal
import subprocess
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from maskport.models.u2net import FLAT, Stage, U2Net
from maskport.processes.scratch import Scratch
from maskport.validation.maps import MapStore
from maskport.validation.results import Results

from .sample_run import make as make_sample_run

# Of alpha matting, on small pictures: it is compiled for most of a minute, and runs for a second.
os.environ.setdefault("NUMBA_DISABLE_JIT", "1")

SHARED = Path(__file__).resolve().parents[2] / "shared"


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Tests run without a network; those that need one are asked for. And what tox runs once more
    with the kernels of AVX2 was run with them before where the processor has nothing above."""
    processor = Path("/proc/cpuinfo")
    above = not processor.is_file() or "avx512" in processor.read_text()
    if os.environ.get("ATEN_CPU_CAPABILITY") == "avx2" and not above:
        again = pytest.mark.skip(
            reason="this processor has nothing above AVX2: it was run so before"
        )
        for item in items:
            item.add_marker(again)
    if "runtimes" in config.option.markexpr:
        return
    skip = pytest.mark.skip(reason="installs runtimes from the package index: -m runtimes")
    for item in items:
        if item.get_closest_marker("runtimes"):
            item.add_marker(skip)


@pytest.fixture(scope="session", autouse=True)
def ctrl_c() -> None:
    """A shell that starts tests in the background has them, and their children, ignore it."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


# Tests neither read nor fill the cache of whoever runs them, nor that of other tests.


@pytest.fixture(scope="module", autouse=True)
def cache_of_this_module(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Of fixtures that several tests share."""
    with pytest.MonkeyPatch.context() as patch:
        folder = tmp_path_factory.getbasetemp() / "caches" / uuid.uuid4().hex
        patch.setenv("MASKPORT_CACHE", str(folder))
        yield folder


@pytest.fixture(autouse=True)
def cache_of_this_test(cache_of_this_module: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Its folder is made when something is put there."""
    folder = cache_of_this_module.with_name(uuid.uuid4().hex)
    monkeypatch.setenv("MASKPORT_CACHE", str(folder))
    return folder


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """tox runs those that depend on kernels a second time; of a few tests none may be such."""
    none = exitstatus == pytest.ExitCode.NO_TESTS_COLLECTED
    if none and session.config.getoption("markexpr") == "kernels":
        session.exitstatus = pytest.ExitCode.OK


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder beside the repository with trained weights, photos and golden outputs."""
    if not SHARED.is_dir():
        pytest.skip(f"there is no {SHARED}")
    return SHARED


# A network of the family that is small enough to be exported in a second.
NANO = (
    Stage("stage1", 4, 3, 2, 4),
    Stage("stage2", 4, 4, 2, 4),
    Stage("stage3", FLAT, 4, 2, 4),
    Stage("stage2d", 4, 8, 2, 4),
    Stage("stage1d", 4, 8, 2, 4),
)


@pytest.fixture(scope="session")
def nano() -> Callable[..., U2Net]:
    """A factory, so that a test can have two of them."""

    def make(outputs: int = 1, **options: bool) -> U2Net:
        return U2Net(NANO, outputs, **options).eval()

    return make


@pytest.fixture
def started_and_interrupted(
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[list[subprocess.Popen[Any]]]:
    """The processes that the code under test starts: Ctrl-C comes before it holds them."""
    Scratch().close()  # its keeper runs already
    started: list[subprocess.Popen[Any]] = []

    class Interrupted(subprocess.Popen):  # type: ignore[type-arg]
        def __init__(self, *arguments: Any, **options: Any) -> None:
            super().__init__(*arguments, **options)
            started.append(self)
            signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(subprocess, "Popen", Interrupted)
    yield started
    for process in started:
        process.kill()
        process.wait()


@pytest.fixture(scope="session")
def sample_run(tmp_path_factory: pytest.TempPathFactory) -> tuple[Results, MapStore]:
    """A validation run in which everything happened that can, and its masks."""
    return make_sample_run(tmp_path_factory.mktemp("maps"))
