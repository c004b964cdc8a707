"""What a file holds: its weights, the values between its operations, and what it says in words."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from math import prod

from ...specs import Count

__all__ = ["Contents", "Stored", "Value", "bits_of", "stored"]


@dataclass(frozen=True, slots=True)
class Stored:
    """A constant of the network, as the file stores it. Shapes, axes and the like are none.

    Attributes:
        name: Of the tensor, or of what reads it; empty where the file has neither.
        dtype: NumPy's name of the type, ``palette6`` for one of 64 values each.
        shape: Of what it stands for.
        values: How many numbers.
        bytes: In the file.
    """

    name: str
    dtype: str
    shape: tuple[Count, ...]
    values: Count
    bytes: Count


@dataclass(frozen=True, slots=True)
class Value:
    """What an operation gives when the network runs.

    Attributes:
        dtype: NumPy's name of the type.
        values: How many numbers; None where a size is open.
    """

    dtype: str
    values: int | None

    @property
    def bytes(self) -> int | None:
        """In memory, for one photo."""
        bits = bits_of(self.dtype)
        return None if self.values is None or bits is None else -(-self.values * bits // 8)


@dataclass(frozen=True, slots=True)
class Contents:
    """A file's contents.

    Attributes:
        weights: In the file's order; what several operations read stands there once.
        activations: What operations give that depends on the photo; none where the format doesn't
            say.
        metadata: What the file says for people and tools, by its own keys.
    """

    weights: tuple[Stored, ...]
    activations: tuple[Value, ...] = ()
    metadata: dict[str, str] = field(default_factory=dict)


def stored(name: str, dtype: str, shape: Sequence[int], size: int | None = None) -> Stored:
    """A constant whose numbers lie in the file as they are.

    Args:
        name: See `Stored`.
        dtype: Likewise.
        shape: Likewise.
        size: Bytes, where the type's own size isn't theirs.
    """
    values = prod(shape)
    own = -(-values * (bits_of(dtype) or 0) // 8)
    return Stored(name, dtype, tuple(shape), values, own if size is None else size)


def bits_of(dtype: str) -> int | None:
    """Of one number of a type; None of types without a size, such as ``str``."""
    if dtype == "bool":
        return 8
    found = re.search(r"\d+", dtype)
    return int(found[0]) if found else None
