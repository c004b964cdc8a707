"""A network's sensitivity to integers, from its exported view and two sets of photos."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..models.prepared import PreparedMask, copied
from .encodings import Encoding
from .graph import capture
from .photo_input import pass_bytes
from .ranges import estimate, histograms
from .recipe import Recipe
from .sensitivity import Fidelity, PartCost, draw, fidelity, sensitivity
from .simulation import Simulation

__all__ = ["Analysis", "analyse"]


@dataclass(frozen=True, slots=True)
class Analysis:
    """What integers cost a network.

    Attributes:
        parts: Each part's own cost, in the network's order.
        whole: Fidelity where all parts are rounded.
        photos: How many photos masks were compared on.
    """

    parts: tuple[PartCost, ...]
    whole: Fidelity
    photos: int


def analyse(
    view: PreparedMask,
    calibration: NDArray[np.uint8],
    photos: NDArray[np.uint8],
    threshold: float,
    recipe: Recipe,
    watch: Callable[[str, int, int], None] = lambda text, done, total: None,
) -> Analysis:
    """Find ranges on one set of photos, and round part after part on another.

    Args:
        view: As it is exported; a batch is one photo.
        calibration: (N, 3, H, W) RGB bytes that give the ranges.
        photos: (M, 3, H, W) RGB bytes that masks are compared on.
        threshold: From which a pixel belongs to the object.
        recipe: Its ranges are used; nothing is corrected, so that parts can be told apart.
        watch: Told what is being done and how far it is.

    Raises:
        NetworkError: The network's graph can't be captured.
    """
    watch("capturing the network's graph", 0, 0)
    shape = (1, *photos.shape[1:])
    rewritten = copied(view)
    graph = capture(rewritten, (1, 3, shape[2], shape[3]))
    encoding = pass_bytes(rewritten, graph)
    if encoding is not None:
        graph = capture(rewritten, (1, 3, shape[2], shape[3]))
    weights = {name: value.detach() for name, value in rewritten.state_dict().items()}
    total = len(calibration)

    def shown() -> Iterator[Tensor]:
        for number, photo in enumerate(calibration):
            watch("calibrating", number, total)
            yield torch.from_numpy(np.ascontiguousarray(photo))[None].float() / 255

    encodings = {
        group: Encoding.of_range(*estimate(seen, recipe.ranges, recipe.percentile))
        for group, seen in histograms(graph, weights, shown(), recipe.ranges).items()
    }
    for group, points in graph.groups.items():
        if points[0].fixed is not None:
            encodings[group] = Encoding(*points[0].fixed)
    photo = next(iter(graph.points))
    encodings[graph.points[photo].group] = Encoding(1 / 255, -128)
    if encoding is not None:
        encodings[graph.readers[photo][0].group] = encoding
    parts = sensitivity(
        graph,
        weights,
        encodings,
        photos,
        threshold,
        watch=lambda done, of: watch("rounding part after part", done, of),
    )
    watch("rounding all of them", 0, 0)
    whole = Simulation(
        graph, weights, encodings, frozenset(p.weight for p in graph.points.values() if p.weight)
    )
    truths = draw(lambda photo: graph.run(photo, None, weights), photos)
    found = fidelity(draw(whole, photos), truths, threshold)
    return Analysis(tuple(parts), found, len(photos))
