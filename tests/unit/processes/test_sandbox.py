"""What a child that reads a file from anywhere can't do, where the kernel has Landlock."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from maskport.processes.sandbox import forbid_writing, landlock_version

CONFINED = """
import os, socket, subprocess, sys, threading
from pathlib import Path
from maskport.processes.sandbox import forbid_writing
place = Path(sys.argv[1])
assert forbid_writing(place / "scratch")
def told(what, do):
    try:
        do()
    except OSError as exc:
        print(what, type(exc).__name__)
    else:
        print(what, "done")
told("own", lambda: (place / "scratch" / "new").write_text("x"))
told("own removed", lambda: (place / "scratch" / "new").unlink())
told("read", lambda: (place / "old").read_text())
told("null", lambda: Path("/dev/null").write_text("x"))
told("changed", lambda: (place / "old").write_text("x"))
told("removed", lambda: (place / "old").unlink())
told("made", lambda: (place / "new").write_text("x"))
told("moved", lambda: (place / "old").rename(place / "scratch" / "old"))
told("truncated", lambda: os.truncate(place / "old", 0))
told("program", lambda: subprocess.run(["true"], check=True))
told("connected", lambda: socket.create_connection(("127.0.0.1", int(sys.argv[2])), 1))
told("listening", lambda: socket.create_server(("127.0.0.1", 0)))
told("signal", lambda: os.kill(os.getppid(), 0))
thread = threading.Thread(target=told, args=("thread", lambda: (place / "new").write_text("x")))
thread.start(); thread.join()
"""


@pytest.mark.skipif(not landlock_version(), reason="this kernel has no Landlock")
def test_it_writes_in_its_folder_and_nowhere_else(tmp_path: Path) -> None:
    import socket

    (tmp_path / "scratch").mkdir()
    (tmp_path / "old").write_text("old")
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        ran = subprocess.run(
            [sys.executable, "-c", CONFINED, str(tmp_path), str(port)],
            capture_output=True,
            text=True,
            check=False,
        )
    assert ran.returncode == 0, ran.stderr
    told = dict(line.rsplit(" ", 1) for line in ran.stdout.splitlines())
    allowed = {"own", "own removed", "read", "null"}
    since = {"truncated": 3, "connected": 4, "listening": 4, "signal": 6}
    for what, how in told.items():
        if what in allowed or landlock_version() < since.get(what, 1):
            assert how == "done", what
        else:
            assert how == "PermissionError" or (what == "moved" and how == "OSError"), what
    assert len(told) == 14
    assert (tmp_path / "old").read_text() == "old"


def test_where_the_kernel_has_none_nothing_is_forbidden(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("maskport.processes.sandbox.landlock_version", lambda: 0)
    assert not forbid_writing(tmp_path)
    (tmp_path / "new").write_text("x")
