"""Children of `IsolatedRunner` by forks: all but the start of their Python is the real thing."""

from __future__ import annotations

import atexit
import contextlib
import functools
import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import IO
from unittest import mock

from maskport.processes import child

__all__ = ["forking"]

SERVER = Path(__file__).with_name("fork_server.py")


@contextlib.contextmanager
def forking(targets: Sequence[str], bundle: Path) -> Iterator[None]:
    """Let `maskport.processes.child` have its processes forked, see `fork_server`.

    Args:
        targets: Whose runtimes they want.
        bundle: That has them.
    """
    server = _server(tuple(targets), bundle)
    processes = SimpleNamespace(
        Popen=functools.partial(_Forked, server),
        PIPE=subprocess.PIPE,
        TimeoutExpired=subprocess.TimeoutExpired,
    )
    with mock.patch.object(child, "subprocess", processes):
        yield


@functools.cache
def _server(targets: tuple[str, ...], bundle: Path) -> socket.socket:
    """The way to a server, which ends with this process."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    command = [sys.executable, "-P", str(SERVER), str(theirs.fileno()), str(bundle), *targets]
    server = subprocess.Popen(command, pass_fds=[theirs.fileno()])
    theirs.close()
    if ours.recv(100) != b"ready":
        raise RuntimeError(f"The fork server of {targets} ended with {server.wait()}.")
    atexit.register(server.wait)
    atexit.register(ours.close)  # before it waits
    return ours


class _Forked:
    """What `subprocess.Popen` gives, as far as `maskport.processes.child` asks."""

    def __init__(
        self,
        server: socket.socket,
        command: Sequence[str],
        *,
        stderr: IO[bytes],
        env: Mapping[str, str],
        **others: object,
    ) -> None:
        self.returncode: int | None = None
        self._server = server
        given_in, self_in = os.pipe()
        self_out, given_out = os.pipe()
        new = {key: value for key, value in env.items() if os.environ.get(key) != value}
        request = json.dumps([command[command.index("-m") + 2 :], new]).encode()
        socket.send_fds(server, [request], [given_in, given_out, stderr.fileno()])
        os.close(given_in)
        os.close(given_out)
        self.stdin = open(self_in, "wb", buffering=0)  # noqa: SIM115
        self.stdout = open(self_out, "rb", buffering=0)  # noqa: SIM115
        self.pid = int(server.recv(100))

    def wait(self, timeout: float | None = None) -> int:
        if self.returncode is None:
            self._server.settimeout(timeout)
            try:
                self.returncode = int(self._server.recv(100))
            except TimeoutError:
                raise subprocess.TimeoutExpired("a fork", timeout or 0) from None
            finally:
                self._server.settimeout(None)
        return self.returncode
