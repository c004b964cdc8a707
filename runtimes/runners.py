"""The runner of an artifact: its format's, of what runs on this platform."""

from __future__ import annotations

import sys
from pathlib import Path

from ..artifacts.manifest import Artifact
from ..errors import UsageError, did_you_mean
from ..formats import FORMATS, Runtime
from ..loading import load
from .base import Runner

__all__ = ["exact_runner_for", "runner_for"]


def runner_for(artifact: Artifact, path: Path, threads: int | None = None) -> Runner:
    """The runner of an artifact, not yet loaded: enter it with ``with``.

    Args:
        artifact: Its entry in the manifest; its format chooses the runner.
        path: Where the file is.
        threads: CPU threads; the runtime's own choice where not given.

    Raises:
        UsageError: Nothing here runs that format.
        RunnerError: The artifact has several inputs, or no output.
    """
    row = _runtime(artifact)
    if row is not None:
        return _made(row.runner, artifact, path, threads)
    known = sorted(FORMATS)
    hint = did_you_mean(artifact.format, known)
    raise UsageError(
        f"{artifact.target} has the format {artifact.format!r}, which nothing here runs.",
        f"{hint}Formats with a runner: {', '.join(known)}.",
    )


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


def _runtime(artifact: Artifact) -> Runtime | None:
    row = FORMATS.get(artifact.format)
    here = (r for r in row.runtimes if r.platform in {"", sys.platform}) if row else iter(())
    return next(here, None)


def _made(dotted: str, artifact: Artifact, path: Path, threads: int | None) -> Runner:
    runner: type[Runner] = load(dotted)
    return runner(path, artifact, threads=threads)
