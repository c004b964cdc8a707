"""A network's sensitivity to integers, from its exported view and two sets of photos."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ..models.prepared import PreparedMask
from .drawing import Watch, draw
from .measure import measure
from .recipe import Recipe
from .sensitivity import Fidelity, PartCost, fidelity, sensitivity
from .simulation import simulation

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
    watch: Watch = lambda text, done, total: None,
    device: str = "cpu",
) -> Analysis:
    """Find ranges on one set of photos, and round part after part on another.

    Args:
        view: As it is exported; a batch is one photo.
        calibration: (N, 3, H, W) RGB bytes that give the ranges.
        photos: (M, 3, H, W) RGB bytes that masks are compared on.
        threshold: From which a pixel belongs to the object.
        recipe: Its rewrites and ranges are used; weights go to the nearest integer, so that parts
            can be told apart.
        watch: Told what is being done and how far it is.
        device: Where the network runs.

    Raises:
        ExportError: There are no calibration photos.
        NetworkError: The network's graph can't be captured.
    """
    measured = measure(view, calibration, replace(recipe, rounding="nearest"), watch, device)
    graph, weights, encodings = measured.graph, measured.weights, measured.encodings
    parts = sensitivity(
        graph,
        weights,
        encodings,
        photos,
        threshold,
        wide=measured.wide,
        watch=watch,
        device=device,
    )
    watch("rounding all of them", 0, 0)
    rounded, _ = measured.rounded(watch)
    whole = simulation(graph, rounded, measured.stored)
    truths = draw(lambda photo: graph.run(photo, None, weights), photos, device=device)
    found = fidelity(draw(whole, photos, device=device), truths, threshold)
    return Analysis(tuple(parts), found, len(photos))
