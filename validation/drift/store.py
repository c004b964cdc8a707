"""Where the reference's tensors of one photo wait for the artifact's."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .errors import Distance

__all__ = ["Store"]

Array = NDArray[np.float32]


class Store:
    """Arrays on disk, by name: a large network's maps of one photo are gigabytes."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._files: dict[str, Path] = {}

    def put(self, name: str, values: NDArray[Any]) -> None:
        """Keep a copy."""
        path = self._folder / f"{len(self._files)}.npy"
        np.save(path, values.astype(np.float32))
        self._files[name] = path

    def get(self, name: str) -> Array:
        """What was kept under that name."""
        values: Array = np.load(self._files[name])
        return values

    def equals(self, name: str, values: Array, tolerance: float) -> bool:
        """Holds something of that name which is ``values`` up to a relative error."""
        if name not in self._files:
            return False
        kept = self.get(name)
        if kept.shape != values.shape:
            return False
        distance = Distance()
        distance.add(values, kept)
        return distance.relative <= tolerance
