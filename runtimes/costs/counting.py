"""The static cost of a file, and the counting of it, which every format does in its own way."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from ...artifacts.manifest import Artifact
from ...errors import RunnerError, UsageError
from ...formats import FORMATS
from ...loading import load
from ...sdks.errors import sdk_errors
from ..refusals import remedy

__all__ = ["Cost", "Uncountable", "cost_of"]

_APART = "Its latency and fidelity don't depend on this count."


@dataclass(frozen=True, slots=True)
class Cost:
    """What one run of a file costs, whatever it runs on.

    Attributes:
        macs: Multiply-accumulates of convolutions (grouped, depthwise, dilated and transposed
            ones included), fully connected layers and matrix products, for one photo. Taps
            that fall on padding count, as in every count of this kind; multiplications one by
            one and resizing don't.
        weight_bytes: Bytes of the network's constants as the file stores them: an int8 weight
            is one byte, a palettised tensor its indices and its table. Shapes, axes, strides
            and the like are not weights. A constant that several operations read counts once.
        operations: How often each kind of operation stands in the file, named as the format
            names it; the most frequent first, then by name. Constants are not operations.
    """

    macs: int
    weight_bytes: int
    operations: dict[str, int]

    @classmethod
    def of(cls, macs: int, weight_bytes: int, kinds: Mapping[str, int]) -> Self:
        """With ``kinds`` brought into order."""
        ordered = sorted(kinds.items(), key=lambda item: (-item[1], item[0]))
        return cls(macs, weight_bytes, dict(ordered))


class Uncountable(Exception):
    """A file is readable, and its cost isn't in it: a size that only a run gives, say."""


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
