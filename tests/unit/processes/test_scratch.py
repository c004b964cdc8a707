"""Temporary files of children end with a parent that is killed, or at last with the next one."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="kills; written for Linux")

CHILDREN = """
    import os, subprocess, sys, tempfile, time
    from dataclasses import dataclass
    from pathlib import Path
    from maskport.processes.messages import Vocabulary
    from maskport.processes.sandbox import confine

    @dataclass(frozen=True)
    class Here:
        folder: str
        started: int

    VOCABULARY = Vocabulary(Here)

    def confined(parent):
        confine(8 << 30)
        unconfined(parent)

    def unconfined(parent):
        (Path(tempfile.mkdtemp()) / "half").write_bytes(b"x" * 1000)
        command = [sys.executable, "-c", "import time; time.sleep(600)"]
        parent.send(Here(tempfile.gettempdir(), subprocess.Popen(command).pid))
        time.sleep(600)
"""
PARENT = """
    import os, queue, sys, time
    from maskport.processes.child import Child
    from children_with_files import VOCABULARY
    heard = queue.Queue()
    child = Child([f"children_with_files:{sys.argv[1]}"], VOCABULARY, sys.stderr, heard.put)
    child.start()
    here, _ = heard.get()
    print(child.pid, here.started, here.folder, flush=True)
    if sys.argv[2] == "forks":
        if os.fork() == 0:
            time.sleep(600)
    if sys.argv[2] == "ends":
        sys.stdin.readline()
        child.close()
    else:
        time.sleep(600)
"""
Start = Callable[..., "Started"]


class Started:
    """A process with a child that has temporary files, and has started another."""

    def __init__(self, folder: Path, deed: str, then: str) -> None:
        command = [sys.executable, "-c", textwrap.dedent(PARENT), deed, then]
        environment = {
            **os.environ,
            "TMPDIR": str(folder / "tmp"),
            "PYTHONPATH": self._path(folder),
        }
        self.process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=environment,
            start_new_session=True,
        )
        assert self.process.stdout is not None
        child, other, place = self.process.stdout.readline().split()
        self.temporary = folder / "tmp"
        self.place = Path(place)
        self.processes = [psutil.Process(int(pid)) for pid in (child, other)]
        (self.keeper,) = [
            process
            for process in psutil.Process(self.process.pid).children()
            if "keeper.py" in " ".join(process.cmdline())
        ]

    @staticmethod
    def _path(folder: Path) -> str:
        return os.pathsep.join([str(folder), *filter(None, [os.environ.get("PYTHONPATH")])])

    def close(self) -> None:
        for process in (*self.processes, self.keeper):
            if is_running(process):
                process.kill()
        with self.process, contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)


def is_running(process: psutil.Process) -> bool:
    try:
        return bool(process.is_running() and process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def comes(condition: Callable[[], bool]) -> bool:
    """Within ten seconds."""
    deadline = time.monotonic() + 10
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.02)
    return condition()


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    (tmp_path / "children_with_files.py").write_text(textwrap.dedent(CHILDREN))
    (tmp_path / "tmp").mkdir()
    begun: list[Started] = []

    def make(deed: str = "unconfined", then: str = "sleeps") -> Started:
        begun.append(Started(tmp_path, deed, then))
        return begun[-1]

    yield make
    for one in begun:
        one.close()


@pytest.mark.parametrize(
    ("deed", "then"), [("unconfined", "sleeps"), ("confined", "sleeps"), ("unconfined", "forks")]
)
def test_a_killed_process_leaves_no_child_and_no_file(start: Start, deed: str, then: str) -> None:
    """Nor what the child started, though the child may be gone first; nor for a fork of it."""
    begun = start(deed, then)
    assert list(begun.place.rglob("half")) and begun.place.is_relative_to(begun.temporary)
    assert all(map(is_running, begun.processes))
    begun.process.kill()
    assert comes(lambda: not any(map(is_running, (*begun.processes, begun.keeper))))
    assert os.listdir(begun.temporary) == []


def test_where_the_keeper_was_killed_too_the_next_run_removes_what_is_left(start: Start) -> None:
    begun, other = start(), start()
    for process in (begun.keeper, begun.process):
        process.kill()
    begun.process.wait()
    assert comes(lambda: not is_running(begun.processes[0]))
    assert begun.place.exists()
    started = start()
    assert not begun.place.parent.exists()
    # And nothing of those that run.
    assert sorted(begun.temporary.iterdir()) == sorted(one.place.parent for one in (other, started))


def test_an_orderly_end_leaves_nothing(start: Start) -> None:
    begun = start(then="ends")
    begun.process.communicate("end\n", 30)
    assert begun.process.returncode == 0
    assert os.listdir(begun.temporary) == []
    assert not any(map(is_running, (*begun.processes, begun.keeper)))


def test_ctrl_c_is_nothing_to_the_keeper(start: Start) -> None:
    """It comes to all processes of a terminal; ours has children to end first."""
    begun = start()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        begun.keeper.send_signal(number)
    time.sleep(0.1)
    assert is_running(begun.keeper) and begun.place.exists()


def test_folders_of_others_and_links_are_left_alone(start: Start, tmp_path: Path) -> None:
    precious = tmp_path / "precious"
    (precious / "inner").mkdir(parents=True)
    (tmp_path / "tmp" / "maskport-run-link").symlink_to(precious)
    young, aside = (tmp_path / "tmp" / name for name in ("maskport-run-young", "maskport-export"))
    for folder in (young, aside):
        folder.mkdir()
    start()
    assert (precious / "inner").exists() and young.exists() and aside.exists()
