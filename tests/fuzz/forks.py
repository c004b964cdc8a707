"""Children of `IsolatedRunner` by forks: all of it but the start of their Python is the real thing."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import IO, Any
from unittest import mock

from maskport.processes import child

__all__ = ["forking"]

SERVER = Path(__file__).with_name("fork_server.py")


@contextlib.contextmanager
def forking(target: str, bundle: Path) -> Iterator[None]:
    """Let `maskport.processes.child` have its processes forked, see `fork_server`.

    Args:
        target: Whose runtime they want.
        bundle: That has it.
    """
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    command = [sys.executable, "-P", str(SERVER), str(theirs.fileno()), target, str(bundle)]
    with ours, subprocess.Popen(command, pass_fds=[theirs.fileno()]) as server:
        theirs.close()
        if ours.recv(100) != b"ready":
            raise RuntimeError(f"The fork server of {target} ended with {server.wait()}.")

        def fork(*arguments: Any, **options: Any) -> _Forked:
            return _Forked(ours, *arguments, **options)

        with mock.patch.object(
            child,
            "subprocess",
            SimpleNamespace(
                Popen=fork, PIPE=subprocess.PIPE, TimeoutExpired=subprocess.TimeoutExpired
            ),
        ):
            try:
                yield
            finally:
                ours.close()  # with which the server ends


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
