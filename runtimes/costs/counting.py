"""The static cost of a file, and the counting of it, which every format does in its own way."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from ...artifacts.manifest import Artifact
from ...errors import RunnerError, UsageError
from ...formats import FORMATS
from ...loading import load
from ...sdks.errors import sdk_errors
from ...specs import Count
from ..refusals import remedy

__all__ = ["Cost", "Layer", "Uncountable", "Work", "cost_of", "work_of"]

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

    macs: Count
    weight_bytes: Count
    operations: dict[str, Count]

    @classmethod
    def of(cls, macs: int, weight_bytes: int, kinds: Mapping[str, int]) -> Self:
        """With ``kinds`` brought into order."""
        ordered = sorted(kinds.items(), key=lambda item: (-item[1], item[0]))
        return cls(macs, weight_bytes, dict(ordered))


@dataclass(frozen=True, slots=True)
class Layer:
    """An operation that multiplies and accumulates.

    Attributes:
        kind: What the format calls it.
        name: Its own, or what tells it from its like.
        shape: Of what it gives; None in the place of a size that is open.
        macs: How often.
    """

    kind: str
    name: str
    shape: tuple[Count | None, ...]
    macs: Count


@dataclass(frozen=True, slots=True)
class Work:
    """What one run of a file computes, as far as that can be counted.

    Attributes:
        kinds: How often each kind of operation stands in the file.
        macs: Multiply-accumulates of what could be counted.
        weight_bytes: As in `Cost`.
        layers: Those that multiply, in the file's order; none where only their sum is known.
        unknown: Why something could not be counted; empty where all was.
    """

    kinds: Mapping[str, int]
    macs: int
    weight_bytes: int
    layers: tuple[Layer, ...] = field(default=())
    unknown: str = ""

    def cost(self) -> Cost:
        """Of all of it.

        Raises:
            Uncountable: It could not all be counted.
        """
        if self.unknown:
            raise Uncountable(self.unknown)
        # As `Count` has it: a damaged file may say any sizes, and JSON is read no further.
        if not all(0 <= count < 1 << 63 for count in (self.macs, self.weight_bytes)):
            raise Uncountable("by the sizes in it, it holds or computes more than there can be")
        return Cost.of(self.macs, self.weight_bytes, self.kinds)


class Uncountable(Exception):
    """A file is readable, and its cost isn't in it: a size that only a run gives, say."""


def cost_of(artifact: Artifact, path: Path) -> Cost:
    """The static cost of a file: all of what `work_of` counts.

    Args:
        artifact: As for `work_of`.
        path: Likewise.

    Raises:
        UsageError, MissingToolError: Likewise.
        RunnerError: Likewise; or a part of it can't be counted, such as a convolution whose size
            is known only when it runs.
    """
    work = work_of(artifact, path)
    try:
        return work.cost()
    except Uncountable as exc:
        raise RunnerError(f"{_what(path)}: {exc}.", _APART) from exc


def work_of(artifact: Artifact, path: Path) -> Work:
    """What one run of a file computes, counted on the graph that it holds.

    No image is put through it. It belongs into a child process, as running the file does: SDKs
    crash on malformed files.

    Args:
        artifact: Its entry in the manifest; its format chooses the counter.
        path: Where the file is.

    Raises:
        UsageError: Nothing here counts that format.
        MissingToolError: The format's SDK is not installed.
        RunnerError: There is no such file, it can't be read, or nothing of it can be counted.
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
    with sdk_errors(
        _what(path),
        f"Counting the cost of {path.name}",
        lambda: remedy(artifact, path, f"Report it. {_APART}"),
        row.needs,
    ):
        try:
            found: Work = load(row.counter)(artifact, path)
            return found
        except Uncountable as exc:
            raise RunnerError(f"{_what(path)}: {exc}.", _APART) from exc


def _what(path: Path) -> str:
    return f"The cost of {path} can't be counted"
