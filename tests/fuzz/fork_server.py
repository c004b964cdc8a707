"""A process that has imported what runs some artifacts, and becomes their child again and again.

    python -P fork_server.py SOCKET BUNDLE TARGET…

A real child is a Python of its own, and imports its runtime for seconds. This process imports the
same once; for each artifact it forks, and the fork runs what a real child does from its first line
on (`maskport.processes.__main__`). A fork is asked for by a message: its environment as JSON, and
its three standard streams. Back come its process id and, when it has ended, its status.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import json
import os
import pickle
import socket
import sys
import tempfile
import traceback
from pathlib import Path

from maskport.artifacts.bundle import load_bundle
from maskport.artifacts.manifest import Artifact
from maskport.processes.__main__ import main as child
from maskport.runtimes import isolated_child, isolated_messages
from maskport.runtimes.runners import runner_for


def main() -> None:
    channel = socket.socket(fileno=int(sys.argv[1]))
    bundle = load_bundle(sys.argv[2])
    for artifact in map(bundle.artifact, sys.argv[3:]):
        path = bundle.path / artifact.path
        runner_for(artifact, path, 1).prepare()
        for name in later_imports(artifact, path):
            with contextlib.suppress(ImportError):  # what was made and not imported
                importlib.import_module(name)
    gc.freeze()  # what is here is here for good
    channel.send(b"ready")
    while True:
        request, streams, _, _ = socket.recv_fds(channel, 1 << 20, 3)
        if not request:
            return
        pid = os.fork()
        if pid == 0:
            become_child(channel, json.loads(request), streams)
        for stream in streams:
            os.close(stream)
        _, status = os.waitpid(pid, 0)
        channel.send(f"{os.waitstatus_to_exitcode(status)}\n".encode())


def become_child(
    channel: socket.socket, request: tuple[list[str], dict[str, str]], streams: list[int]
) -> None:
    """Never returns."""
    try:
        os.setsid()
        channel.send(f"{os.getpid()}\n".encode())
        channel.close()
        for number, stream in enumerate(streams):
            os.dup2(stream, number)
            os.close(stream)
        command, environment = request
        os.environ.update(environment)
        tempfile.tempdir = None
        child(*command)
        os._exit(0)
    except BaseException:
        traceback.print_exc()
        os._exit(1)


def later_imports(artifact: Artifact, path: Path) -> list[str]:
    """What is imported when the sound file is loaded, run and counted: by a fork, as this process
    may start no threads."""
    reads, writes = os.pipe()
    if os.fork() == 0:
        try:
            job = isolated_messages.Job(str(path), artifact, 1, 1 << 34, None, "", "")
            served = isolated_child._Served(job)
            before = set(sys.modules)
            for what in ("load", "count", "saturating"):
                list(served.answers(isolated_messages.Ask(what)))
            new = [name for name in sys.modules if name not in before]
            with open(writes, "wb") as file:
                pickle.dump(new, file)
            os._exit(0)
        except BaseException:
            traceback.print_exc()
            os._exit(1)
    os.close(writes)
    with open(reads, "rb") as file:
        found = file.read()
    os.wait()
    return list(pickle.loads(found))


if __name__ == "__main__":
    main()
