"""A network's masks against held-out truths: MAE and the authors' max-F, between steps."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from ..imaging.convert import mask_for_photo, photo_to_input
from ..metrics import mean_absolute_error, precision_recall_curves
from ..metrics.f_measure import THRESHOLDS, f_measure
from ..metrics.pairs import object_of
from ..models.devices import full_precision
from ..models.families import SupervisedNetwork
from ..models.prepared import Reference
from ..scenes import scene
from ..scenes.seeds import SCORING
from ..specs import ImageSpec, ModelSpec
from .datasets import Pair, read_pair
from .distributed import Processes, average
from .failures import Interruption, ignore_in_worker, loading

__all__ = ["HeldOut", "Scores", "StoppedError", "is_better", "score"]


class StoppedError(Exception):
    """A scoring was given up because the run is to end."""


class Scores(NamedTuple):
    """Over the held-out photos, each at its own size.

    Attributes:
        mae: Mean |mask - truth|, the truth being 0 or 1; lower is better.
        max_f: `SaliencyScores`' ``max_f_authors``; higher is better.
    """

    mae: float
    max_f: float


class HeldOut(Dataset[tuple[Tensor, NDArray[np.float32]]]):
    """Photos and truths to score on.

    Args:
        pairs: From disk.
        scenes: How many generated scenes to add; never trained on.
        spec: Size and divisor of the network's photos.
    """

    def __init__(self, pairs: Sequence[Pair], scenes: int, spec: ImageSpec) -> None:
        self._pairs, self._scenes, self._spec = pairs, scenes, spec

    def __len__(self) -> int:
        return len(self._pairs) + self._scenes

    def __getitem__(self, index: int) -> tuple[Tensor, NDArray[np.float32]]:
        """The network's photo (3, H, W) in [0, 1], and the truth at the photo's own size."""
        if index < len(self._pairs):
            photo, truth = read_pair(self._pairs[index])
        else:
            drawn = scene(SCORING + index - len(self._pairs), self._spec.height, self._spec.width)
            photo, truth = drawn.photo, drawn.mask
        return torch.from_numpy(photo_to_input(photo, self._spec)[0]), truth


def score(
    network: SupervisedNetwork,
    spec: ModelSpec,
    held_out: HeldOut,
    *,
    device: str,
    batch: int,
    workers: int,
    processes: Processes,
    interruption: Interruption,
    watch: Callable[[int, int], None],
) -> Scores:
    """Score a network that is being trained; it is left in training mode.

    In float32 whatever the run's precision: that is what will be exported. Of several processes
    each scores a part.

    Args:
        network: Giving logits.
        spec: Of its photos and masks.
        held_out: At least one photo.
        device: Where the network is.
        batch: Photos at once.
        workers: Processes that read them.
        processes: That share the work.
        interruption: Asked between batches, where there is one process.
        watch: Called with photos done and in all.

    Raises:
        StoppedError: The run is to end.
        ImageError: A photo or mask can't be read any more.
    """
    mine = range(processes.rank, len(held_out), processes.count)
    loader = DataLoader(
        held_out,
        batch_size=batch,
        sampler=list(mine),
        num_workers=workers,
        collate_fn=list,
        worker_init_fn=ignore_in_worker,
    )
    # Of the photos: MAE, then precision and recall at each threshold.
    sums = np.zeros(1 + 2 * THRESHOLDS)
    done = 0
    with _evaluating(network), torch.inference_mode(), full_precision(), loading(loader) as batches:
        reference = Reference(network, spec).to(device)
        for rows in batches:
            if interruption.asked and processes.count == 1:
                raise StoppedError
            planes = reference(torch.stack([row[0] for row in rows]).to(device)).cpu().numpy()
            for values, (_, truth) in zip(planes, rows, strict=True):
                mask = mask_for_photo(values, spec.mask, *truth.shape)
                sums += _of_a_photo(mask[None], truth[None, None])
            done += len(rows)
            watch(done, len(mine))
    total = average(torch.from_numpy(sums).to(device, _exact(device)), processes)
    means = total.cpu().double().numpy() * processes.count / len(held_out)
    precision, recall = means[1:].reshape(2, THRESHOLDS)
    return Scores(float(means[0]), float(f_measure(precision, recall).max()))


def is_better(new: dict[str, float], old: dict[str, float]) -> bool:
    """Whether scores are better than the best: higher max-F, then lower MAE, then lower loss."""
    if not old:
        return True

    def rank(scores: dict[str, float]) -> tuple[float, float, float]:
        return scores.get("max_f", 0.0), -scores.get("mae", 0.0), -scores["loss"]

    return rank(new) > rank(old)


def _of_a_photo(mask: NDArray[np.float32], truth: NDArray[np.float32]) -> NDArray[np.float64]:
    precision, recall = precision_recall_curves(mask, truth)
    error = mean_absolute_error(mask.astype(np.float64), object_of(truth).astype(np.float64))
    return np.concatenate((error, precision[0], recall[0]))


def _exact(device: str) -> torch.dtype:
    return torch.float32 if device.startswith("mps") else torch.float64


@contextmanager
def _evaluating(network: SupervisedNetwork) -> Iterator[None]:
    """The network as it is used: batch norms by their running statistics, sigmoid at the end."""
    network.eval()
    network.sigmoid = True
    try:
        yield
    finally:
        network.sigmoid = False
        network.train()
