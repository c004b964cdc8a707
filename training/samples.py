"""The endless stream of training samples: each is a function of the seed and its position.

Nothing is drawn from a generator that lives on between samples, so a run that goes on from a
step reads what an uninterrupted one would have read, whichever process loads it.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset, Sampler

from ..imaging.photos import read_photo
from ..imaging.truth import read_mask
from ..scenes import scene
from ..scenes.seeds import TRAINING
from .augment import Augmentation, augmented
from .datasets import Pair

__all__ = ["Batches", "FilePairs", "GeneratedScenes", "SampleSource", "Stream"]

# A run of one seed draws at most so many scenes before it meets those of the next seed.
SCENES_OF_A_SEED = 10**9
# Squares, and the two orientations of a common sensor, squeezed as photos are.
ASPECTS = (1.0, 4 / 3, 3 / 4)

# First words of the seeds of what is drawn, so that no two streams coincide.
ORDER, AUGMENTATION = 1, 2


class SampleSource(Protocol):
    """Photos and masks by number."""

    def __len__(self) -> int:
        """How many an epoch has."""

    def take(self, epoch: int, index: int) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
        """A photo (H, W, 3) in RGB bytes and its mask in [0, 1], its shape up to scale."""


class FilePairs:
    """Pairs from disk, the same in every epoch."""

    def __init__(self, pairs: Sequence[Pair]) -> None:
        self._pairs = pairs

    def __len__(self) -> int:
        return len(self._pairs)

    def take(self, epoch: int, index: int) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
        """Raises ImageError where a file has become unreadable."""
        pair = self._pairs[index]
        return read_photo(pair.photo), read_mask(pair.mask)


class GeneratedScenes:
    """Generated scenes, new ones in every epoch.

    Args:
        count: How many an epoch has.
        size: Side of the square that they have about as many pixels as.
        seed: Of the run; its scenes have seeds from 10⁹ · (1 + seed).
    """

    def __init__(self, count: int, size: int, seed: int) -> None:
        self._count, self._size = count, size
        self._first = TRAINING + seed * SCENES_OF_A_SEED

    def __len__(self) -> int:
        return self._count

    def take(self, epoch: int, index: int) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
        number = self._first + epoch * self._count + index
        stretch = math.sqrt(ASPECTS[number % len(ASPECTS)])
        drawn = scene(number, round(self._size / stretch), round(self._size * stretch))
        return drawn.photo, drawn.mask


class Stream(Dataset[tuple[Tensor, Tensor]]):
    """Samples by their position in the whole run; epochs follow each other without a seam.

    Args:
        sources: An epoch has all samples of all of them once, in an order of its own.
        how: What happens to a sample.
        seed: Of order and augmentation.
        inverted: The network draws the mask's negative, and is trained on it.
    """

    def __init__(
        self,
        sources: Sequence[SampleSource],
        how: Augmentation,
        seed: int,
        *,
        inverted: bool = False,
    ) -> None:
        self._sources, self._how, self._seed, self._inverted = sources, how, seed, inverted
        self.epoch_length = sum(len(source) for source in sources)
        self._order: tuple[int, NDArray[np.int64]] = (-1, np.empty(0, np.int64))

    def __getitem__(self, position: int) -> tuple[Tensor, Tensor]:
        """(3, crop, crop) RGB in [0, 1] and (1, crop, crop) in [0, 1]."""
        epoch, place = divmod(position, self.epoch_length)
        photo, mask = self._take(epoch, int(self._order_of(epoch)[place]))
        rng = np.random.default_rng([AUGMENTATION, self._seed, position])
        pixels, truth = augmented(photo, mask, self._how, rng)
        if self._inverted:
            truth = 1 - truth
        return torch.from_numpy(pixels), torch.from_numpy(truth)

    def _take(self, epoch: int, index: int) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
        for source in self._sources:
            if index < len(source):
                return source.take(epoch, index)
            index -= len(source)
        raise IndexError(index)

    def _order_of(self, epoch: int) -> NDArray[np.int64]:
        if self._order[0] != epoch:
            rng = np.random.default_rng([ORDER, self._seed, epoch])
            self._order = (epoch, rng.permutation(self.epoch_length))
        return self._order[1]


class Batches(Sampler[list[int]]):
    """The positions of each step's samples, from a step on: one process's share of the batch.

    Args:
        first: Step to begin with, from 0.
        last: Step to end before.
        batch: Samples of a step over all processes; a multiple of ``processes``.
        process: Which of them this is.
        processes: How many there are.
    """

    def __init__(
        self, first: int, last: int, batch: int, *, process: int = 0, processes: int = 1
    ) -> None:
        self._first, self._last, self._batch = first, last, batch
        self._share = batch // processes
        self._offset = process * self._share

    def __len__(self) -> int:
        return self._last - self._first

    def __iter__(self) -> Iterator[list[int]]:
        for step in range(self._first, self._last):
            start = step * self._batch + self._offset
            yield list(range(start, start + self._share))
