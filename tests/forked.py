"""The command line in processes that can be killed, without seconds of imports for each: forks of
one process that has imported what runs need."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil
import pytest

__all__ = ["Command", "Run", "comes", "forking", "is_running"]

SERVER = """
import ctypes, json, os, pathlib, signal, sys, tempfile
import torch
import maskport.api, maskport.exporters.export, maskport.validation.validate
from maskport.cli.main import main
signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for a fork

NEW_MOUNTS, NEW_USER, READ_ONLY, BIND, REMOUNT, PRIVATE = 0x20000, 0x10000000, 1, 4096, 32, 0x44000

def mount(disks):
    # In a namespace of mounts of our own, which ends with us.
    libc = ctypes.CDLL(None, use_errno=True)
    def called(function, *arguments):
        if function(*arguments):
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    called(libc.unshare, NEW_MOUNTS | (0 if os.getuid() == 0 else NEW_USER))
    called(libc.mount, None, b"/", None, ctypes.c_ulong(PRIVATE), None)
    for folder, size in disks.items():
        at = folder.encode()
        if size is None:
            called(libc.mount, at, at, None, ctypes.c_ulong(BIND), None)
            called(libc.mount, None, at, None, ctypes.c_ulong(BIND | REMOUNT | READ_ONLY), None)
        else:
            called(libc.mount, b"none", at, b"tmpfs", ctypes.c_ulong(0), b"size=%d" % size)

for line in sys.stdin:
    asked = json.loads(line)
    if (pid := os.fork()):
        print(pid, flush=True)
        continue
    os.setsid()
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    os.chdir(asked["folder"])
    for name, value in asked["environment"].items():
        os.environ.pop(name, None)
        if value is not None:
            os.environ[name] = value
    for number in asked["ignore"]:
        signal.signal(number, signal.SIG_IGN)
    sys.path.insert(0, asked["folder"])
    tempfile.tempdir = None
    output = os.open(asked["output"], os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    for number in (1, 2):
        os.dup2(output, number)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    end = {"code": None, "left": []}
    try:
        if asked["disks"]:
            mount(asked["disks"])
        main(asked["arguments"])
    except OSError as exc:
        end["refused"] = str(exc)
    except SystemExit as exc:
        end["code"] = exc.code
    for disk in asked["disks"]:
        end["left"] += sorted(str(p.relative_to(disk)) for p in pathlib.Path(disk).rglob("*"))
    pathlib.Path(asked["output"] + ".end").write_text(json.dumps(end))
    break
"""


def is_running(process: psutil.Process) -> bool:
    """A dead one that nobody has waited for isn't."""
    try:
        return bool(process.is_running() and process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def comes(condition: Callable[[], object], seconds: float = 60) -> bool:
    """Whether it does within some time."""
    deadline = time.monotonic() + seconds
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.02)
    return bool(condition())


class Run:
    """A command line that runs."""

    def __init__(self, pid: int, output: Path) -> None:
        self.process, self._output = psutil.Process(pid), output
        self._seen: set[psutil.Process] = set()
        self.left_on_disks: list[str] = []

    @property
    def said(self) -> str:
        """What it has printed so far."""
        return self._output.read_text() if self._output.exists() else ""

    def others(self) -> list[psutil.Process]:
        """What it has started and still runs, also when it is gone itself."""
        with suppress(psutil.NoSuchProcess):
            self._seen |= set(self.process.children(recursive=True))
        return [process for process in self._seen if is_running(process)]

    def children(self) -> list[psutil.Process]:
        """Of these, those that convert and draw."""
        return [other for other in self.others() if "maskport.processes" in _command(other)]

    def wait(self) -> int:
        """Its exit code.

        It skips the test where the disks that were asked for can't be mounted here.
        """
        assert comes(lambda: not is_running(self.process), 120), self.said
        end = json.loads(Path(f"{self._output}.end").read_text())
        if "refused" in end:
            pytest.skip(f"disks can't be mounted here: {end['refused']}")
        self.left_on_disks = end["left"]
        return int(end["code"])

    def kill(self) -> None:
        """As the system does; it starts nothing else meanwhile."""
        self.process.send_signal(signal.SIGSTOP)
        self.others()
        self.process.kill()


class Command:
    """Starts command lines.

    Args:
        server: What forks.
        folder: Where they run, with temporary files and a cache of their own.
    """

    def __init__(self, server: subprocess.Popen[str], folder: Path) -> None:
        self._server, self.folder, self._count = server, folder, 0
        self.temporary, self.cache = folder / "tmp", folder / "cache"
        self.temporary.mkdir(exist_ok=True)

    def start(
        self,
        *arguments: str,
        environment: Mapping[str, str | None] | None = None,
        ignore: Sequence[int] = (),
        disks: Mapping[Path, int | None] | None = None,
    ) -> Run:
        """Begin one.

        Args:
            arguments: Of the command line.
            environment: Variables to set, or (None) to take away.
            ignore: Signals.
            disks: By folder, bytes of an empty disk that is mounted there; None makes what is there
                read-only.
        """
        self._count += 1
        output = self.folder / f"said-{self._count}"
        places = {"TMPDIR": str(self.temporary), "MASKPORT_CACHE": str(self.cache)}
        asked = {
            "arguments": arguments,
            "folder": str(self.folder),
            "environment": places | dict(environment or {}),
            "output": str(output),
            "ignore": [int(number) for number in ignore],
            "disks": {str(folder): size for folder, size in (disks or {}).items()},
        }
        assert self._server.stdin is not None and self._server.stdout is not None
        self._server.stdin.write(json.dumps(asked) + "\n")
        self._server.stdin.flush()
        return Run(int(self._server.stdout.readline()), output)

    def left(self) -> list[str]:
        """Temporary files, but for a folder that torch makes when it is imported."""
        names = (path.name for path in self.temporary.iterdir())
        return sorted(name for name in names if not name.startswith("torchinductor_"))


@contextmanager
def forking() -> Iterator[subprocess.Popen[str]]:
    """The process that forks, while the block lasts."""
    with subprocess.Popen(
        [sys.executable, "-c", SERVER],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"OMP_WAIT_POLICY": "PASSIVE"},
    ) as server:
        yield server
        server.kill()


def _command(process: psutil.Process) -> Sequence[str]:
    try:
        return process.cmdline()
    except psutil.Error:
        return ()
