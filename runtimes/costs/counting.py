"""The cost of an artifact, counted as its format is."""

from __future__ import annotations

from pathlib import Path

from ...artifacts.manifest import Artifact
from ...errors import RunnerError, UsageError
from ...formats import FORMATS
from ...loading import load
from ...sdks.errors import sdk_errors
from ..refusals import remedy
from .cost import Cost, Uncountable

__all__ = ["cost_of"]

_APART = "Its latency and fidelity don't depend on this count."


def cost_of(artifact: Artifact, path: Path) -> Cost:
    """The static cost of a file, counted on the graph that it holds.

    No image is put through it. It belongs into a child process, as running the file does: SDKs
    crash on malformed files.

    Args:
        artifact: Its entry in the manifest; its format chooses the counter.
        path: Where the file is.

    Raises:
        UsageError: Nothing here counts that format.
        MissingToolError: The format's SDK is not installed.
        RunnerError: There is no such file, it can't be read, or a part of it can't be counted,
            such as a convolution whose size is known only when it runs.
    """
    row = FORMATS.get(artifact.format)
    if row is None or not row.counter:
        known = sorted(name for name, row in FORMATS.items() if row.counter)
        raise UsageError(
            f"The cost of {artifact.target} can't be counted: its format is {artifact.format!r}.",
            f"Formats that are counted: {', '.join(known)}.",
        )
    if not path.exists():
        raise RunnerError(f"There is no {path}.", "Check the bundle: maskport verify.")
    what = f"The cost of {path} can't be counted"
    with sdk_errors(
        what,
        f"Counting the cost of {path.name}",
        lambda: remedy(artifact, path, f"Report it. {_APART}"),
        row.needs,
    ):
        try:
            found: Cost = load(row.counter)(artifact, path)
            return found
        except Uncountable as exc:
            raise RunnerError(f"{what}: {exc}.", _APART) from exc
