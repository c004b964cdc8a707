"""The runner of an artifact: its format's, of what runs on this platform."""

from __future__ import annotations

import sys
from pathlib import Path

from ..artifacts.manifest import Artifact
from ..errors import UsageError, did_you_mean
from ..formats import FORMATS, Runtime
from ..loading import load
from .base import Runner

__all__ = ["exact_runner_for", "runner_for", "runtimes_of"]


def runner_for(
    artifact: Artifact, path: Path, threads: int | None = None, runtime: str = ""
) -> Runner:
    """The runner of an artifact, not yet loaded: enter it with ``with``.

    Args:
        artifact: Its entry in the manifest; its format chooses the runner.
        path: Where the file is.
        threads: CPU threads; the runtime's own choice where not given.
        runtime: One of `runtimes_of`; the first where empty.

    Raises:
        UsageError: Nothing here runs that format, or that runtime doesn't.
        RunnerError: The artifact has several inputs, or no output.
    """
    row = _runtime(artifact, runtime)
    if row is not None:
        return _made(row.runner, artifact, path, threads)
    if names := runtimes_of(artifact.format):
        raise UsageError(
            f"{runtime} doesn't run {artifact.target}.",
            f"{did_you_mean(runtime, names)}It is run by {' or '.join(names)}.",
        )
    known = sorted(FORMATS)
    hint = did_you_mean(artifact.format, known)
    raise UsageError(
        f"{artifact.target} has the format {artifact.format!r}, which nothing here runs.",
        f"{hint}Formats with a runner: {', '.join(known)}.",
    )


def runtimes_of(format_name: str) -> list[str]:
    """What runs a format on this platform, the one that is taken by itself first."""
    row = FORMATS.get(format_name)
    here = (r.name for r in row.runtimes if r.platform in {"", sys.platform}) if row else ()
    return list(dict.fromkeys(here))


def exact_runner_for(artifact: Artifact, path: Path, threads: int | None = None) -> Runner | None:
    """The runner that adds up the file's integers without saturating, whatever the processor; None
    where the file has none, or `runner_for`'s does so itself. A mask that differs between the two
    depends on the processor.

    Args:
        artifact: As for `runner_for`.
        path: Likewise.
        threads: Likewise.
    """
    row = _runtime(artifact)
    if row is None or not row.exact or artifact.quantization is None:
        return None
    return _made(row.exact, artifact, path, threads)


def _runtime(artifact: Artifact, name: str = "") -> Runtime | None:
    row = FORMATS.get(artifact.format)
    here = (r for r in row.runtimes if r.platform in {"", sys.platform}) if row else iter(())
    return next((r for r in here if name in {"", r.name}), None)


def _made(dotted: str, artifact: Artifact, path: Path, threads: int | None) -> Runner:
    runner: type[Runner] = load(dotted)
    return runner(path, artifact, threads=threads)
