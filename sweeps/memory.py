"""How much memory a task takes, from its network's size: Ray puts it where there is room."""

from __future__ import annotations

from typing import Literal

from .plan import Cell

__all__ = ["Work", "memory_of"]

Work = Literal["export", "compare", "time", "judge"]

# Fitted to peaks that were measured (benchmarks/README.md): bytes that SDKs and runtimes take
# whatever they run, times that weights are held at once, and floats that are held for each pixel.
_BASE = {"export": 1.9e9, "compare": 1.7e9, "time": 2.0e9, "judge": 0.9e9}
_TIMES_WEIGHTS = {"export": 9.0, "compare": 4.0, "time": 10.0, "judge": 0.0}
_BYTES_A_PIXEL = {"export": 5000.0, "compare": 2500.0, "time": 6000.0, "judge": 0.0}
# A judgement holds every fact: what a file drew of a photo, its results and its page.
_BYTES_A_FACT = 10_000


def memory_of(work: Work, cell: Cell, photos: int) -> int:
    """Bytes that a task of a bundle takes at its peak, its children's included.

    Args:
        work: What it does.
        cell: Of which bundle.
        photos: Of the sweep.
    """
    taken = _BASE[work] + _TIMES_WEIGHTS[work] * cell.weight_bytes
    taken += _BYTES_A_PIXEL[work] * cell.pixels
    if work == "judge":
        taken += _BYTES_A_FACT * photos * (len(cell.targets) + 1)
    return int(taken)
