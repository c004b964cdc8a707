"""What each part of a network costs in integers: fidelity where it is rounded, time where not.

Each part is rounded alone, everything else staying in float, and its mask is held against the
float network's. What a part would cost if it stayed in float is counted, not timed (`pricing`).
The search that uses these numbers verifies what it finds.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..metrics import intersection_over_union, mean_absolute_error
from ..models.prepared import PreparedMask
from .drawing import Watch, counting, draw
from .encodings import Encoding
from .graph import NetworkGraph
from .measure import measure
from .pricing import added_time, multiplications
from .recipe import Recipe
from .simulation import Simulation
from .suitability import NOTHING, unsure
from .weight_grids import SAFE_PAIR, on_grid, weight_scale

__all__ = [
    "Analysis",
    "Fidelity",
    "PartCost",
    "analyse",
    "fidelity",
    "finer_parts",
    "parts_of",
    "ranked",
    "sensitivity",
]

# More parts than that make a table that nobody reads, and cost an inference a photo each.
MOST_PARTS = 24
# Share of photos that may be left out of the IoU because the network is unsure of them.
FEW = 1 / 3


@dataclass(frozen=True, slots=True)
class Fidelity:
    """Masks held against the float network's, over photos.

    Attributes:
        mae: Mean absolute error.
        worst_mae: Of the worst photo.
        iou: Mean intersection over union of the objects.
        worst_iou: Of the worst photo.
        mse: Mean squared error. Parts that are rounded independently add up in it.
        left_out: How many photos count in the errors and not in the IoU.
    """

    mae: float
    worst_mae: float
    iou: float
    worst_iou: float
    mse: float
    left_out: int = 0

    def __str__(self) -> str:
        return (
            f"an IoU of {self.iou:.5f} (worst {self.worst_iou:.5f}) and an MAE of {self.mae:.5f} "
            f"(worst {self.worst_mae:.5f})"
        )


@dataclass(frozen=True, slots=True)
class PartCost:
    """One part.

    Attributes:
        module: Its path in the exported view.
        macs: Multiplications for a photo.
        alone: Fidelity where nothing but this part is rounded.
        slower: What leaving it in float adds, in units of the integer network's whole time.
    """

    module: str
    macs: int
    alone: Fidelity
    slower: float

    def to_dict(self) -> dict[str, float | int | str]:
        """Flat, for a table in JSON."""
        return {
            "module": self.module,
            "macs": self.macs,
            **asdict(self.alone),
            "slower": self.slower,
        }


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
        graph, weights, encodings, photos, threshold, wide=measured.wide, watch=watch, device=device
    )
    watch("rounding all of them", 0, 0)
    rounded, _ = measured.rounded(watch)
    whole = Simulation(graph, rounded, measured.stored)
    truths = draw(lambda photo: graph.run(photo, None, weights), photos, device=device)
    found = fidelity(draw(whole, photos, device=device), truths, threshold)
    return Analysis(tuple(parts), found, len(photos))


def parts_of(graph: NetworkGraph, most: int = MOST_PARTS) -> dict[str, frozenset[str]]:
    """The network's parts: the names of their points, by path.

    Of all depths of the module tree, the deepest with at most ``most`` modules that compute
    something. What is computed outside of any module of that depth belongs to the module that
    it is in.
    """
    paths = [point.module.split(".") for point in graph.points.values() if point.module]
    chosen: dict[str, set[str]] = {}
    for depth in range(1, max(map(len, paths), default=0) + 1):
        found: dict[str, set[str]] = {}
        for point in graph.points.values():
            if point.module:
                part = ".".join(point.module.split(".")[:depth])
                found.setdefault(part, set()).add(point.name)
        if len(found) > most and chosen:
            break
        chosen = found
    return {part: frozenset(names) for part, names in chosen.items()}


def finer_parts(
    graph: NetworkGraph,
    macs: Mapping[str, int],
    parts: Mapping[str, frozenset[str]],
    share: float,
) -> dict[str, frozenset[str]]:
    """The same, but parts with more than a share of the multiplications in parts of their own.

    Args:
        graph: The network.
        macs: `pricing.multiplications` of its points.
        parts: Points by path, as of `parts_of`.
        share: Between 0 and 1; parts that consist of nothing smaller may have more.
    """
    most = share * sum(macs.values())
    found: dict[str, frozenset[str]] = {}
    waiting = list(parts.items())
    while waiting:
        part, names = waiting.pop(0)
        below: dict[str, set[str]] = {}
        if sum(macs.get(name, 0) for name in names) > most:
            depth = part.count(".") + 2
            for name in (point for point in graph.points if point in names):
                path = ".".join(graph.points[name].module.split(".")[:depth])
                below.setdefault(path, set()).add(name)
        if below.keys() - {part}:
            waiting = [*((path, frozenset(some)) for path, some in below.items()), *waiting]
        else:
            found[part] = names
    return found


def sensitivity(
    graph: NetworkGraph,
    weights: Mapping[str, Tensor],
    encodings: Mapping[str, Encoding],
    photos: NDArray[np.uint8],
    threshold: float,
    *,
    parts: Mapping[str, frozenset[str]] | None = None,
    wide: frozenset[str] = frozenset(),
    watch: Watch = lambda text, done, total: None,
    device: str = "cpu",
) -> list[PartCost]:
    """Round each part alone.

    Args:
        graph: For one photo at a time.
        weights: Float values by path.
        encodings: By group, from calibration.
        photos: (N, 3, H, W) RGB bytes to judge by.
        threshold: From which a pixel belongs to the object.
        parts: Points by path; `parts_of` the graph where None.
        wide: Names of points that no recipe rounds to 8 bits.
        watch: Told of each mask that is drawn.
        device: Where the network runs.

    Returns:
        In the network's order.
    """
    parts = parts_of(graph) if parts is None else parts
    macs = multiplications(graph, weights)
    tell = counting(watch, "rounding part after part", len(photos) * (len(parts) + 1))
    truths = draw(lambda photo: graph.run(photo, None, weights), photos, tell, device)
    rows = []
    for part, names in parts.items():
        rounded = _rounded_alone(graph, weights, encodings, names, names - wide)
        alone = fidelity(draw(rounded, photos, tell, device), truths, threshold)
        count = sum(macs.get(name, 0) for name in names)
        rows.append(PartCost(part, count, alone, added_time(graph, macs, names)))
    return rows


def _rounded_alone(
    graph: NetworkGraph,
    weights: Mapping[str, Tensor],
    encodings: Mapping[str, Encoding],
    part: Collection[str],
    stored: Collection[str],
) -> Simulation:
    """The network with the weights of a part each at the nearest on the grid that no 16-bit sum
    leaves (`weight_grids`), and the points ``stored`` rounded."""
    values = dict(weights)
    for point in (graph.points[name] for name in part):
        if point.weight:
            weight, how = weights[point.weight], (point.outputs, SAFE_PAIR)
            values[point.weight] = on_grid(weight, weight_scale(weight, *how), *how)
    own: dict[str, Encoding | None] = dict.fromkeys(graph.points)
    own |= {name: encodings.get(graph.points[name].group) for name in stored}
    return Simulation(graph, values, own)


def fidelity(masks: Tensor, truths: Tensor, threshold: float) -> Fidelity:
    """Hold masks (N, C, H, W) against others; classes are compared by their highest value.

    Photos with next to nothing in both masks (`suitability.NOTHING` of the pixels) count in the
    error and not in the IoU, which a few pixels at the threshold would decide; without any other
    photo the IoU is 1. Where the network is unsure of most pixels of a few of the others (`FEW`,
    `suitability.unsure`), these don't count in the IoU either: whatever rounds draws another object
    there. Where it is unsure of more photos, it is judged by them. All this is of masks of one
    plane.
    """
    errors = mean_absolute_error(masks.numpy(), truths.numpy())
    overlap = torch.from_numpy(intersection_over_union(masks.numpy(), truths.numpy(), threshold))
    if masks.shape[1] == 1:
        either = (torch.maximum(masks, truths) >= threshold).flatten(1)
        counted = either.double().mean(1) > NOTHING
        doubtful = unsure(truths) & counted
        if doubtful.sum() <= FEW * counted.sum():
            counted &= ~doubtful
        overlap = overlap[counted]
    left_out = len(truths) - len(overlap)
    if not len(overlap):
        overlap = torch.ones(1)
    return Fidelity(
        mae=float(errors.mean()),
        worst_mae=float(errors.max()),
        iou=float(overlap.mean()),
        worst_iou=float(overlap.min()),
        mse=float((masks - truths).square().mean()),
        left_out=left_out,
    )


def ranked(costs: Sequence[PartCost]) -> list[PartCost]:
    """By the squared error that leaving a part in float saves for the time it costs, the best
    first: unlike an IoU it hardly depends on what else is rounded.
    """
    return sorted(costs, key=lambda cost: cost.alone.mse / (cost.slower + 1e-3), reverse=True)
