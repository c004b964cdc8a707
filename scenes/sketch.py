"""A figure before it has size or colour: outlines on top of one another."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from .outlines import Outline

__all__ = ["ACCENT", "DARK", "MAIN", "PALE", "SECOND", "SURFACES", "Part", "Sketch"]

# A figure's surfaces; each gets a colour and a texture of its own when the figure is painted.
MAIN, SECOND, ACCENT, DARK, PALE = range(5)
SURFACES = 5


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

    def add(self, outline: Outline, surface: int = MAIN) -> None:
        self.parts.append(Part(outline, surface, "solid"))

    def cut(self, outline: Outline) -> None:
        self.parts.append(Part(outline, MAIN, "hole"))

    def mark(self, outline: Outline, surface: int) -> None:
        self.parts.append(Part(outline, surface, "mark"))

    def write(
        self, text: str, outline: Outline, surface: int, role: Literal["solid", "mark"]
    ) -> None:
        self.parts.append(Part(outline, surface, role, text))

    def placed(self, matrix: NDArray[np.float64]) -> list[Part]:
        """The parts under a linear map (2, 2), moved so that their box starts at (0, 0)."""
        moved = [(part, part.outline @ matrix.T) for part in self.parts]
        corner = np.min([o.min(0) for part, o in moved if part.role == "solid"], axis=0)
        return [Part(o - corner, part.surface, part.role, part.text) for part, o in moved]


def turning(angle: float, mirror: bool, width: float, height: float) -> NDArray[np.float64]:
    """Scale by width and height, mirror, then turn clockwise by ``angle`` radians."""
    cos, sin = math.cos(angle), math.sin(angle)
    scale = np.diag([-width if mirror else width, height])
    matrix: NDArray[np.float64] = np.array([[cos, -sin], [sin, cos]]) @ scale
    return matrix
