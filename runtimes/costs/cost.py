"""The static cost of a file, and why it may not be countable."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

__all__ = ["Cost", "Uncountable"]


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
