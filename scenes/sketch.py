"""A figure before it has size or colour: outlines on top of one another."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Literal, TypeVar

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from .outlines import Outline, Point

__all__ = ["ACCENT", "DARK", "MAIN", "PALE", "SECOND", "Dice", "Part", "Sketch"]

# A figure's surfaces; each gets a colour and a texture of its own when the figure is painted.
MAIN, SECOND, ACCENT, DARK, PALE = range(5)

T = TypeVar("T")


@dataclass(frozen=True)
class Part:
    """One outline, or a line of letters, of a figure.

    Attributes:
        outline: (n, 2); of letters the four corners of the box that they fill.
        surface: One of the surfaces above.
        role: ``solid`` belongs to the figure, ``hole`` is cut out of what lies below, ``mark``
            colours what lies below and adds nothing to it.
        text: The letters; empty for outlines.
    """

    outline: Outline
    surface: int
    role: Literal["solid", "hole", "mark"]
    text: str = ""


@dataclass
class Sketch:
    """Parts from bottom to top, in units of which the figure is about two wide or high.

    Attributes:
        upright: It stands as drawn, up to a slight lean; otherwise it may lie any way round.
        families: Colour families of surfaces that can't have any colour.
        parts: What was added so far.
    """

    upright: bool = True
    families: dict[int, str] = field(default_factory=dict)
    parts: list[Part] = field(default_factory=list)

    def add(self, outline: Outline | Sequence[Point], surface: int = MAIN) -> None:
        self.parts.append(Part(np.asarray(outline), surface, "solid"))

    def cut(self, outline: Outline) -> None:
        self.parts.append(Part(outline, MAIN, "hole"))

    def mark(self, outline: Outline | Sequence[Point], surface: int) -> None:
        self.parts.append(Part(np.asarray(outline), surface, "mark"))

    def write(
        self, text: str, outline: Outline, surface: int, role: Literal["solid", "mark"]
    ) -> None:
        self.parts.append(Part(outline, surface, role, text))

    def placed(self, matrix: NDArray[np.float64]) -> list[Part]:
        """The parts under a linear map (2, 2), moved so that their box starts at (0, 0)."""
        moved = [(part, part.outline @ matrix.T) for part in self.parts]
        corner = np.min([o.min(0) for part, o in moved if part.role == "solid"], axis=0)
        return [replace(part, outline=o - corner) for part, o in moved]


@dataclass(frozen=True)
class Dice:
    """What a figure draws its chances from; called, a number between two."""

    rng: Generator

    def __call__(self, low: float, high: float) -> float:
        return self.rng.uniform(low, high)

    def many(self, low: float, high: float, count: int) -> NDArray[np.float64]:
        return self.rng.uniform(low, high, count)

    def chance(self, share: float) -> bool:
        return self.rng.random() < share

    def count(self, low: int, beyond: int) -> int:
        return int(self.rng.integers(low, beyond))

    def one(self, *choices: T) -> T:
        return choices[int(self.rng.integers(len(choices)))]

    def letters(self, alphabet: str, count: int) -> str:
        return "".join(self.rng.choice(list(alphabet), count))
