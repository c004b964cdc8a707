"""A network or one of its files over a data set: the measures of salient object detection.

It is told how to draw a mask and doesn't know what draws: a checkpoint in PyTorch and a file on a
phone's runtime are measured by the same lines.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError
from ..imaging.convert import mask_for_photo, photo_to_input
from ..metrics import SaliencyScores
from ..scenes import scene
from ..scenes.seeds import EVALUATION
from ..specs import ImageSpec, ModelSpec
from ..texts import shown
from .datasets import Pair, read_pair

__all__ = [
    "PAPER",
    "Evaluation",
    "PaperRow",
    "Sample",
    "evaluate",
    "of_pairs",
    "of_scenes",
    "paper_set",
]

Map = NDArray[np.float32]
Draw = Callable[[Map], Map]


@dataclass(frozen=True, slots=True)
class Sample:
    """A photo with its truth, read when it is needed.

    Attributes:
        name: Unique in the set.
        read: Gives the photo (H, W, 3) in RGB bytes and its mask (H, W) in [0, 1]; raises
            ImageError where they can't be read or don't fit each other.
    """

    name: str
    read: Callable[[], tuple[NDArray[np.uint8], Map]]


def of_pairs(pairs: Sequence[Pair]) -> list[Sample]:
    """Photos and masks from disk, named as the files; by their paths where names are alike."""
    times = Counter(pair.photo.name for pair in pairs)
    return [
        Sample(
            shown(pair.photo.name if times[pair.photo.name] == 1 else str(pair.photo)),
            partial(read_pair, pair),
        )
        for pair in pairs
    ]


def of_scenes(count: int, spec: ImageSpec) -> list[Sample]:
    """Generated scenes of a network's size, that nothing was trained on or chosen by."""
    seeds = range(EVALUATION, EVALUATION + count)
    return [
        Sample(f"scene {seed}", partial(_draw_scene, seed, spec.height, spec.width))
        for seed in seeds
    ]


def _draw_scene(seed: int, height: int, width: int) -> tuple[NDArray[np.uint8], Map]:
    drawn = scene(seed, height, width)
    return drawn.photo, drawn.mask


@dataclass(frozen=True, slots=True)
class Evaluation:
    """What was measured.

    Attributes:
        photos: How many.
        scores: By the names of `metrics.SALIENCY`, over the data set.
        by_photo: Each photo's own values, by its name.
    """

    photos: int
    scores: Mapping[str, float]
    by_photo: Mapping[str, Mapping[str, float]]


@dataclass(frozen=True, slots=True)
class PaperRow:
    """A data set in the table of Qin et al. 2020 (arXiv 2005.09007, tables 3 and 4).

    Attributes:
        photos: In the data set.
        scores: By network, by the names of `metrics.SALIENCY`.
    """

    photos: int
    scores: Mapping[str, Mapping[str, float]]


def evaluate(
    draw: Draw,
    samples: Sequence[Sample],
    spec: ModelSpec,
    watch: Callable[[int, int], None] = lambda done, total: None,
) -> Evaluation:
    """Score final masks at their photos' size, in 256 grey levels as published masks are.

    Args:
        draw: Gives (1, 1, H, W) in [0, 1] for a photo (1, 3, H, W) in [0, 1].
        samples: Photos and their truths; at least one.
        spec: How photos go in, and what the maps mean.
        watch: Called with the photos done and all of them.

    Raises:
        InputError: The network has several classes, or draws what is not a number.
        ImageError: A photo or a mask can't be read, or they don't fit each other.
    """
    if spec.mask.channels != 1:
        raise InputError(
            f"The masks of {spec.name} have {spec.mask.channels} classes; the measures of salient "
            "objects are for one.",
            "Evaluate a network with one.",
        )
    scores = SaliencyScores()
    by_photo: dict[str, Mapping[str, float]] = {}
    for done, sample in enumerate(samples, 1):
        photo, truth = sample.read()
        drawn = draw(photo_to_input(photo, spec.image))
        if not np.isfinite(drawn).all():
            raise InputError(
                f"The mask of {sample.name} has values that are not numbers.",
                "maskport validate says which files are broken.",
            )
        final = mask_for_photo(drawn[0], spec.mask, *truth.shape)
        levels = np.rint(final * 255).astype(np.float32) / np.float32(255)
        scores.add(levels[None], truth[None, None])
        by_photo[sample.name] = scores.last()
        watch(done, len(samples))
    known = {name: value for name, value in scores.result().items() if value is not None}
    return Evaluation(len(samples), known, by_photo)


def _row(photos: int, full: tuple[float, ...], small: tuple[float, ...]) -> PaperRow:
    names = ("max_f_authors", "mae", "weighted_f", "s_measure", "relaxed_boundary_f")
    rows = {"u2net": full, "u2netp": small}
    scores = {name: dict(zip(names, row, strict=True)) for name, row in rows.items()}
    return PaperRow(photos, MappingProxyType(scores))


# fmt: off
PAPER: Mapping[str, PaperRow] = MappingProxyType({
    "DUT-OMRON": _row(5168, (.823, .054, .757, .847, .702), (.813, .060, .731, .837, .676)),
    "DUTS-TE": _row(5019, (.873, .044, .804, .861, .765), (.852, .054, .763, .847, .723)),
    "HKU-IS": _row(4447, (.935, .031, .890, .916, .812), (.928, .037, .867, .908, .794)),
    "ECSSD": _row(1000, (.951, .033, .910, .928, .836), (.943, .041, .885, .918, .808)),
    "PASCAL-S": _row(850, (.859, .074, .797, .844, .657), (.849, .086, .768, .831, .627)),
    "SOD": _row(300, (.861, .108, .748, .786, .613), (.841, .124, .697, .759, .559)),
})
# fmt: on


def paper_set(path: str) -> str | None:
    """The paper's data set that a folder's path names; None for any other."""
    parts = [part.lower().replace("_", "-") for part in path.replace("\\", "/").split("/")]
    for name in PAPER:
        if any(part.startswith(name.lower()) for part in parts):
            return name
    return None
