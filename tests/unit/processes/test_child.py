"""A child may say anything, eat anything and refuse to end; ours names it, and it ends with us."""

from __future__ import annotations

import os
import queue
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest

from maskport.processes.child import Child, Heard, how_it_ended
from maskport.processes.limits import LimitedChild, TooMuchMemory
from maskport.processes.messages import Garbled, Vocabulary

# The messages of both sides, and what a child may do.
ODD = """
    import os, signal, subprocess, sys, time
    from dataclasses import dataclass
    from maskport.processes.messages import Vocabulary
    from maskport.processes.sandbox import confine

    @dataclass(frozen=True)
    class Say:
        text: str

    @dataclass(frozen=True)
    class Process:
        pid: int

    VOCABULARY = Vocabulary(Say, Process)

    print("printed while it is imported")

    def echoes(parent):
        for request, array in parent.requests(VOCABULARY):
            print("printed at work")
            parent.send(request, array)

    def counts(parent, most):
        for number in range(int(most)):
            parent.send(Say(str(number)))

    def dies(parent, number):
        os.kill(os.getpid(), int(number))

    def exits(parent, code):
        sys.stderr.write("last words")
        sys.exit(int(code))

    def writes(parent, content):
        for number in range(3, 64):
            try:
                os.write(number, bytes.fromhex(content))
            except OSError:
                pass
        time.sleep(600)

    def sleeps(parent):
        parent.send(Process(os.getpid()))
        time.sleep(600)

    def stops(parent):
        parent.send(Process(os.getpid()))
        os.kill(os.getpid(), signal.SIGSTOP)

    def is_confined_and_stops(parent):
        confine(8 << 30)
        stops(parent)

    def eats(parent):
        kept = bytearray(400 << 20)
        kept[::4096] = b"x" * len(kept[::4096])
        time.sleep(600)

    def hangs_up(parent):
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        os.closerange(3, 64)
        time.sleep(600)

    def starts_another(parent):
        for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
            signal.signal(number, signal.SIG_IGN)
        command = [sys.executable, "-c", "import time; time.sleep(600)"]
        parent.send(Process(subprocess.Popen(command).pid))
        time.sleep(600)
"""

linux = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")


@pytest.fixture(autouse=True)
def odd(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The module of what children do."""
    (tmp_path / "odd_children.py").write_text(textwrap.dedent(ODD))
    monkeypatch.setenv("PYTHONPATH", str(tmp_path), prepend=os.pathsep)
    monkeypatch.syspath_prepend(str(tmp_path))
    sys.modules.pop("odd_children", None)
    import odd_children  # type: ignore[import-not-found]

    return odd_children


@pytest.fixture
def limited(odd: Any, tmp_path: Path) -> Iterator[Callable[..., LimitedChild[Any]]]:
    """Starts children that do what is named."""
    started: list[LimitedChild[Any]] = []
    with (tmp_path / "log").open("wb") as log:

        def make(*command: str, memory: int = 8 << 30) -> LimitedChild[Any]:
            name, *arguments = command
            started.append(
                LimitedChild([f"odd_children:{name}", *arguments], odd.VOCABULARY, log, memory)
            )
            started[-1].start()
            return started[-1]

        yield make
        for child in started:
            child.close()


def status(pid: int) -> str:
    """One that is dead is so, whether somebody has waited for it or not."""
    try:
        return str(psutil.Process(pid).status())
    except psutil.NoSuchProcess:
        return psutil.STATUS_ZOMBIE


def is_running(pid: int) -> bool:
    return status(pid) != psutil.STATUS_ZOMBIE


def becomes(wanted: str, pid: int) -> bool:
    """Within ten seconds."""
    deadline = time.monotonic() + 10
    while status(pid) != wanted and time.monotonic() < deadline:
        time.sleep(0.02)
    return status(pid) == wanted


def test_what_is_said_comes_back_and_what_is_printed_doesnt(
    limited: Callable[..., LimitedChild[Any]], odd: Any, tmp_path: Path
) -> None:
    child = limited("echoes")
    image = np.linspace(0, 1, 3 << 18, dtype=np.float32).reshape(1, 3, 512, 512)
    child.send(odd.Say("hello"))
    child.send(odd.Say("look"), image)
    assert child.receive(30) == (odd.Say("hello"), None)
    message, array = child.receive(30)
    assert message == odd.Say("look")
    np.testing.assert_array_equal(array, image)  # type: ignore[arg-type]
    printed = ["printed while it is imported", *["printed at work"] * 2]
    assert (tmp_path / "log").read_text().splitlines() == printed


def test_what_is_printed_before_we_are_there_is_no_message(
    limited: Callable[..., LimitedChild[Any]], odd: Any, tmp_path: Path
) -> None:
    """Python's own start-up runs code of others."""
    (tmp_path / "sitecustomize.py").write_text("print('x' * 9000); print(end='no line')")
    child = limited("counts", "1")
    assert child.receive(30) == (odd.Say("0"), None)


def test_more_than_is_read_waits_in_the_child(
    limited: Callable[..., LimitedChild[Any]], odd: Any
) -> None:
    """And one that has more to say than is ever read can be let go."""
    child = limited("counts", "100000")
    for number in range(10):
        assert child.receive(30) == (odd.Say(str(number)), None)
    child.close()
    assert not is_running(child.pid)


@pytest.mark.parametrize(
    ("command", "how"),
    [
        (("dies", str(int(signal.SIGSEGV))), "SIGSEGV"),
        (("dies", str(int(signal.SIGKILL))), "SIGKILL"),
        (("exits", "3"), "exit code 3"),
        (("no_such_function",), "exit code 1"),
    ],
)
def test_one_that_dies_before_its_first_message_is_named_with_its_cause(
    limited: Callable[..., LimitedChild[Any]], command: tuple[str, ...], how: str
) -> None:
    child = limited(*command)
    with pytest.raises(EOFError):
        child.receive(30)
    assert how_it_ended(child.wait()) == how


@pytest.mark.parametrize(
    "content", [b"\0\0\0\5hello", b"\xff\xff\xff\xff", b"\0\0\0\x12Say 9999999999\n{}\n"]
)
def test_garbage_is_refused_and_its_sender_ended(
    limited: Callable[..., LimitedChild[Any]], content: bytes
) -> None:
    child = limited("writes", content.hex())
    with pytest.raises(Garbled):
        child.receive(30)
    assert not is_running(child.pid)


def test_one_that_takes_too_long_is_ended(limited: Callable[..., LimitedChild[Any]]) -> None:
    child = limited("sleeps")
    child.receive(30)
    with pytest.raises(TimeoutError):
        child.receive(0.3)
    assert not is_running(child.pid)


def test_one_that_takes_too_much_memory_is_ended(
    limited: Callable[..., LimitedChild[Any]],
) -> None:
    # Python, numpy and pydantic take less than 100 MB; it takes 400 MB more.
    child = limited("eats", memory=300 << 20)
    with pytest.raises(TooMuchMemory):
        child.receive(30)
    assert not is_running(child.pid)


def test_one_that_doesnt_read_is_ended(limited: Callable[..., LimitedChild[Any]], odd: Any) -> None:
    child = limited("stops")
    child.receive(30)
    assert becomes(psutil.STATUS_STOPPED, child.pid)
    began = time.monotonic()
    # More than a pipe holds.
    child.send_within(2, odd.Say("look"), np.zeros((4, 1 << 20), np.float32))
    with pytest.raises(EOFError):
        child.receive(30)
    assert how_it_ended(child.wait()) == "SIGKILL"
    assert time.monotonic() - began < 10


def test_one_that_hangs_up_and_goes_on_is_ended(
    limited: Callable[..., LimitedChild[Any]],
) -> None:
    child = limited("hangs_up")
    with pytest.raises(EOFError):
        child.receive(30)
    assert how_it_ended(child.wait()) == "SIGKILL"


def test_closing_ends_one_that_ignores_signals_and_what_it_started(
    limited: Callable[..., LimitedChild[Any]],
) -> None:
    child = limited("starts_another")
    other, _ = child.receive(30)
    assert is_running(child.pid) and is_running(other.pid)
    child.close()
    assert not is_running(child.pid)
    assert becomes(psutil.STATUS_ZOMBIE, other.pid)
    child.close()  # again is nothing


def test_ctrl_c_while_it_starts_leaves_nothing(
    odd: Any, tmp_path: Path, started_and_interrupted: list[subprocess.Popen[Any]]
) -> None:
    heard: queue.Queue[Heard[Any]] = queue.Queue()
    with (tmp_path / "log").open("wb") as log:
        child: Child[Any] = Child(["odd_children:sleeps"], Vocabulary(), log, heard.put)
        with pytest.raises(KeyboardInterrupt):
            child.start()
        child.close()
    (process,) = started_and_interrupted
    assert process.returncode == -signal.SIGKILL


@linux
@pytest.mark.parametrize("deed", ["starts_another", "is_confined_and_stops"])
def test_a_killed_parents_children_end(deed: str, odd: Any, tmp_path: Path) -> None:
    """With what they have started; and where nothing of Python's runs in them any more."""
    script = f"""
        import queue, sys, time
        sys.path.insert(0, {str(tmp_path)!r})
        import odd_children
        from maskport.processes.child import Child
        heard = queue.Queue()
        child = Child(["odd_children:{deed}"], odd_children.VOCABULARY, sys.stderr, heard.put)
        child.start()
        message, _ = heard.get()
        print(child.pid, message.pid, flush=True)
        time.sleep(600)
    """
    parent = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(script)], stdout=subprocess.PIPE, text=True
    )
    assert parent.stdout is not None
    parent.stdout.readline()  # printed while it is imported
    pids = [int(pid) for pid in parent.stdout.readline().split()]
    assert len(pids) == 2
    if "stops" in deed:
        assert becomes(psutil.STATUS_STOPPED, pids[0])
    assert all(map(is_running, pids))
    parent.kill()
    parent.wait()
    parent.stdout.close()
    assert all(becomes(psutil.STATUS_ZOMBIE, pid) for pid in pids)
