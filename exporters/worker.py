"""One lane of an export run: a process of its own, for SDKs that print, leak or crash.

It reads orders from its standard input and writes events to its standard output, both JSON, a
line each. Whatever else is printed here goes to the run's log. When the parent is gone, so is
this process.
"""

from __future__ import annotations

import gc
import importlib
import importlib.metadata
import json
import os
import queue
import shutil
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from ..artifacts.bundle import describe_files
from ..artifacts.inspect.declared import differences
from ..artifacts.inspect.read import declared_by
from ..artifacts.manifest import Artifact
from ..errors import ExportError, MaskportError, NotCoveredError
from ..formats import Target
from ..sdks.needs import load
from .failures import reason_of
from .inspection import inspect_artifact
from .run import Exported, Run
from .targets import target

__all__ = ["CHECK", "PLAN", "as_declared", "main"]

PLAN = "run.json"
CHECK = "check.npz"

Send = Callable[[dict[str, Any]], None]


def main(scratch: Path) -> None:
    """Serve orders until told to stop.

    Args:
        scratch: The run's folder for intermediates.
    """
    # Converters make millions of objects and keep most: looking through them often finds nothing.
    gc.set_threshold(100_000, 20, 100)
    send = _take_over_streams()
    orders = _listen()
    while True:
        order = orders.get()
        if "stop" in order:
            return
        _make(target(order["target"]), scratch, send)


def _make(row: Target, scratch: Path, send: Send) -> None:
    """One target, from its intermediate to a judged file in the bundle."""
    started = time.monotonic()
    send({"event": "started", "target": row.name})
    print(f"\n===== {row.name} =====", flush=True)

    def step(text: str, done: int = 0, total: int = 0) -> None:
        send({"event": "step", "target": row.name, "text": text, "done": done, "total": total})

    bundle = scratch.parent
    run = Run.load(scratch / PLAN, step)
    path = bundle / f"{run.spec.name}-{row.name}{row.suffix}"
    try:
        artifact = _export(row, run, path)
        step("checking")
        artifact = as_declared(artifact, path)
        artifact = _inspect(row, artifact, path, run)
        values = artifact.model_dump(mode="json", exclude_none=True)
    # One target's failure, whatever it is, must not stop the others; SDKs call sys.exit, too.
    except (Exception, SystemExit) as exc:
        traceback.print_exc()
        shutil.rmtree(path, ignore_errors=True)
        path.unlink(missing_ok=True)
        send({"event": "failed", "target": row.name, "reason": reason_of(exc)})
        return
    seconds = time.monotonic() - started
    send(
        {
            "event": "finished",
            "target": row.name,
            "artifact": values,
            "seconds": seconds,
            "tools": _versions(row.needs),
        }
    )


def _export(row: Target, run: Run, path: Path) -> Artifact:
    unfinished = run.scratch / path.name
    seen = run.of_recipe(row.recipe) if row.recipe else run
    exported: Exported = load(row.exporter)(seen, unfinished)
    unfinished.rename(path)
    files, size, digest = describe_files(path, path.parent)
    return Artifact(
        target=row.name,
        path=path.name,
        format=row.format,
        precision=row.precision,
        bytes=size,
        sha256=digest,
        files=files,
        inputs=exported.inputs,
        outputs=exported.outputs,
        quantization=exported.quantization,
        properties=exported.properties,
    )


def as_declared(artifact: Artifact, path: Path) -> Artifact:
    """The artifact with what its file says of itself.

    Raises:
        ExportError: The file can't be read back, or takes or gives something else than the
            manifest would say.
    """
    try:
        declared = declared_by(artifact, path)
    except MaskportError:
        raise
    except Exception as exc:  # every SDK has its own types
        raise ExportError(
            f"The file was made, but can't be read back: {reason_of(exc)}.",
            f"Leave out {artifact.target}, and report it with the network.",
        ) from exc
    wrong = differences(artifact.inputs, artifact.outputs, declared)
    if wrong:
        raise ExportError(
            f"The file was made, but {'; '.join(wrong)}.",
            f"Leave out {artifact.target}, and report it with the network.",
        )
    known = {**declared.properties, "operators": list(declared.operators)}
    return artifact.model_copy(
        update={
            "properties": {**artifact.properties, **known},
            "oldest_runtime": declared.oldest_runtime,
        }
    )


def _inspect(row: Target, artifact: Artifact, path: Path, run: Run) -> Artifact:
    """The artifact with what it drew.

    Raises:
        ExportError: It doesn't draw the reference's mask.
    """
    try:
        with np.load(run.scratch / CHECK) as check:
            halves = None
            if row.in_halves and "halves" in check:
                halves = check["halves"], str(check["overflow"])
            inspection, objection = inspect_artifact(
                path, artifact, check["images"], check["references"], run.spec.mask, halves
            )
    except NotCoveredError as exc:  # says nothing of the file
        return artifact.model_copy(update={"inspection_skipped": exc.what})
    print(inspection.model_dump_json(), flush=True)
    if objection:
        raise ExportError(
            f"The file was made, but {objection}.",
            "Compare the other targets: it is the format's conversion, or this precision.",
        )
    return artifact.model_copy(update={"inspection": inspection})


def _take_over_streams() -> Send:
    """Keep the way to the parent, and send everything that is printed to the log."""
    channel = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]
    lock = threading.Lock()

    def send(message: dict[str, Any]) -> None:
        with lock:
            channel.write(json.dumps(message) + "\n")
            channel.flush()

    return send


def _listen() -> queue.Queue[dict[str, Any]]:
    """Orders as they come; the end of the stream means that the parent died."""
    orders: queue.Queue[dict[str, Any]] = queue.Queue()

    def read() -> None:
        for line in sys.stdin:
            order = json.loads(line)
            orders.put(order)
            if "stop" in order:
                return
        if os.name == "posix" and os.getpgrp() == os.getpid():
            os.killpg(os.getpid(), signal.SIGKILL)  # with what the SDKs have started
        os._exit(1)

    threading.Thread(target=read, daemon=True).start()
    return orders


def _versions(modules: tuple[str, ...]) -> dict[str, str]:
    found = {}
    for module in modules:
        try:
            found[module] = importlib.metadata.version(module)
        except importlib.metadata.PackageNotFoundError:
            continue  # a module of another distribution's
    return found


if __name__ == "__main__":
    main(Path(sys.argv[1]))
