"""How far two tensors are apart, summed over photos."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["Distance"]


@dataclass(slots=True)
class Distance:
    """Running sums over pairs of arrays; every property is over all values of all pairs so far.

    A value that is not a number makes every error infinite.

    Attributes:
        unit: What counts as an error of 1: None for the RMS of what is expected.
    """

    unit: float | None = None
    count: int = 0
    not_finite: int = 0
    _absolute: float = 0.0
    _squares: float = 0.0
    _most: float = 0.0
    _expected: float = 0.0
    _given: float = 0.0
    _product: float = 0.0

    def add(self, given: NDArray[np.float32], expected: NDArray[np.float32]) -> None:
        """Take in a pair of the same shape."""
        self.count += given.size
        wrong = int(np.count_nonzero(~np.isfinite(given)))
        self.not_finite += wrong
        if wrong or not given.size:
            return
        first, second = given.ravel(), expected.ravel()
        difference = np.abs(first - second)
        self._absolute += float(difference.sum(dtype=np.float64))
        self._squares += _dot(difference, difference)
        self._most = max(self._most, float(difference.max()))
        self._expected += _dot(second, second)
        self._given += _dot(first, first)
        self._product += _dot(first, second)

    @property
    def mae(self) -> float:
        """Mean absolute error, in the module's own units."""
        return self._or_infinite(self._absolute / self.count if self.count else 0.0)

    @property
    def maximum(self) -> float:
        """Largest absolute error."""
        return self._or_infinite(self._most)

    @property
    def relative(self) -> float:
        """RMSE divided by the unit: 0 is equal, 1 as wrong as zeros would be.

        Infinite where nothing but zeros was expected and something else came.
        """
        if self._squares == 0.0:
            return self._or_infinite(0.0)
        whole = self._expected if self.unit is None else self.unit**2 * self.count
        return self._or_infinite(math.sqrt(self._squares / whole) if whole else math.inf)

    @property
    def cosine(self) -> float:
        """Of the two as vectors, in [-1, 1]; 1 for two that are zero."""
        if self.not_finite:
            return math.nan
        length = math.sqrt(self._expected * self._given)
        if length == 0.0:
            return float(self._expected == self._given)
        return min(1.0, self._product / length)

    def _or_infinite(self, value: float) -> float:
        return math.inf if self.not_finite else value


# Values that are multiplied and added in float32 before they join a float64 sum.
_BLOCK = 1 << 14


def _dot(first: NDArray[np.float32], second: NDArray[np.float32]) -> float:
    """Their inner product, without a float64 copy of either."""
    whole = first.size - first.size % _BLOCK
    blocks = np.einsum(
        "ij,ij->i", first[:whole].reshape(-1, _BLOCK), second[:whole].reshape(-1, _BLOCK)
    )
    return float(blocks.sum(dtype=np.float64)) + float(first[whole:] @ second[whole:])
