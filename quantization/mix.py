"""The recipe for a budget: which parts of a network stay in float, found and verified."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cache

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from ..errors import UsageError
from ..models.prepared import PreparedMask
from .budget import Budget, Prefer
from .drawing import Watch, counting, draw
from .encodings import QuantizedNetwork
from .graph import NetworkGraph, capture
from .measure import Measured, measure
from .pricing import added_time, multiplications
from .quantize import completed, simulated
from .recipe import Recipe
from .search import Photos, SearchResult, Try, search, with_last_resort
from .sensitivity import Fidelity, PartCost, fidelity, finer_parts, parts_of, sensitivity
from .simulation import Simulation
from .suitability import apart, evenly_spaced

__all__ = ["Mixed", "check_apart", "find_mix", "held_out"]

# Calibration photos that each part is rounded alone on, and that mixes are tried on: each costs an
# inference a try, and there are many parts.
RANKED, SEARCHED = 6, 16
# Parts with a larger share of the multiplications are too expensive to be left in float whole.
FINEST = 0.1


@dataclass(frozen=True, slots=True)
class Mixed:
    """A recipe for a budget, and how it was found.

    Attributes:
        recipe: With the parts that stay in float.
        found: What was tried, and whether the budget holds on the held-out photos.
        costs: What each part costs, by which the search chose.
        budget: What was to be held.
        photos: How many photos it was searched on, and how many verified on.
        tuned: What fine-tuning made, where it was needed, as `quantize` gives it.
    """

    recipe: Recipe
    found: SearchResult
    costs: tuple[PartCost, ...]
    budget: Budget
    photos: tuple[int, int]
    tuned: tuple[QuantizedNetwork, PreparedMask] | None = None


def held_out(photos: NDArray[np.uint8]) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Two thirds of (N, 3, H, W) photos to calibrate on, and the rest to verify on.

    Raises:
        UsageError: There are too few to be divided.
    """
    kept = apart(len(photos))
    if not kept.any():
        raise UsageError(
            f"{len(photos)} photos can't be divided into some to calibrate and some to verify on.",
            "Give some dozens, or others to verify on: --photos DIR.",
        )
    return photos[~kept], photos[kept]


def check_apart(shown: NDArray[np.uint8], others: NDArray[np.uint8]) -> None:
    """See that no photo to verify on is one to calibrate on.

    Raises:
        UsageError: Some are.
    """
    known = {photo.tobytes() for photo in shown}
    twice = sum(photo.tobytes() in known for photo in others)
    if twice:
        raise UsageError(
            f"{twice} of {len(others)} photos to verify on are calibrated on, too.",
            "Give others as --photos, or leave it out: then every third is kept apart.",
        )


def find_mix(
    view: PreparedMask,
    calibration: NDArray[np.uint8],
    others: NDArray[np.uint8],
    threshold: float,
    base: Recipe,
    budget: Budget,
    prefer: Prefer = "latency",
    watch: Watch = lambda text, done, total: None,
    tell: Callable[[Try], None] = lambda tried: None,
    device: str = "cpu",
) -> Mixed:
    """The fastest mix of integers and float that holds a budget.

    Masks are drawn by the simulation, which rounds as the files do; each layer's rounding depends
    on nothing but its own inputs in float, so a mix has the very weights that `quantize` gives it.
    Only where none holds, and ``base`` has steps of fine-tuning, the nearest mix is fine-tuned.

    Args:
        view: As it is exported.
        calibration: (N, 3, H, W) RGB bytes, for ranges and for the search.
        others: (M, 3, H, W) RGB bytes of other photos, to verify on.
        threshold: From which a pixel belongs to the object.
        base: What is done to the parts in integers; what it leaves in float stays there.
        budget: To hold.
        prefer: As `search.search`.
        watch: Told what is being done and how far it is.
        tell: Told of each try.
        device: Where the network runs.

    Raises:
        ExportError: There are no calibration photos.
        NetworkError: The network's graph can't be captured.
        UsageError: Fine-tuning is asked for, and time is without a limit.
    """
    if base.finetune and budget.time == math.inf:
        raise UsageError(
            "Fine-tuning comes after all that may stay in float does, and without a limit of time "
            "that is everything.",
            "Say how long it may take, in the integer network's time: time<=1.2 in the budget.",
        )
    measured = measure(view, calibration, base, watch, device)
    graph = measured.graph
    macs = multiplications(graph, measured.weights)
    parts = _choosable(graph, macs, base)
    costs = sensitivity(
        graph,
        measured.weights,
        measured.encodings,
        calibration[evenly_spaced(len(calibration), RANKED)],
        threshold,
        parts=parts,
        wide=measured.wide,
        watch=watch,
        device=device,
    )
    integers, _ = measured.rounded(watch)
    few = calibration[evenly_spaced(len(calibration), SEARCHED)]
    photos: dict[Photos, NDArray[np.uint8]] = {"calibration": few, "held-out": others}
    # The network as it was given, so that an inexact rewrite would be seen.
    plain = capture(view, graph.shape)
    truths = {}
    for name, some in photos.items():
        watching = counting(watch, f"drawing the masks of the {name} photos in float", len(some))
        truths[name] = draw(plain.run, some, watching, device)

    def score(chosen: frozenset[str], on: Photos) -> Fidelity:
        text = f"trying {len(chosen)} of {len(parts)} parts in float"
        mixed = _mixed(_leaving(measured, chosen), integers)
        masks = draw(mixed, photos[on], counting(watch, text, len(photos[on])), device)
        return fidelity(masks, truths[on], threshold)

    @cache
    def time(chosen: frozenset[str]) -> float:
        return added_time(graph, macs, _leaving(measured, chosen).floats)

    found = search(costs, budget, score, time, prefer=prefer, watch=tell)
    chosen = (*base.float_modules, *found.best.float_parts)
    recipe = replace(measured.recipe, name="mixed", float_modules=chosen, finetune=0)
    tuned = None
    if base.finetune and not found.holds:
        recipe = replace(recipe, finetune=base.finetune)
        tuned = completed(replace(measured, recipe=recipe), calibration, watch, device)
        rounding = simulated(*tuned, graph.shape)

        def score_tuned(on: Photos) -> Fidelity:
            tell_watch = counting(watch, "trying what was fine-tuned", len(photos[on]))
            return fidelity(draw(rounding, photos[on], tell_watch, device), truths[on], threshold)

        found = with_last_resort(found, budget, score_tuned, f"{base.finetune} steps fine-tuned")
        for tried in found.tries[-2:]:
            tell(tried)
    return Mixed(recipe, found, tuple(costs), budget, (len(few), len(others)), tuned)


def _choosable(
    graph: NetworkGraph, macs: Mapping[str, int], base: Recipe
) -> dict[str, frozenset[str]]:
    """The parts with weights that a recipe can name without naming others that lie in them."""
    parts = finer_parts(graph, macs, parts_of(graph), FINEST)
    return {
        part: names
        for part, names in parts.items()
        if any(graph.points[name].weight for name in names)
        and not any(other.startswith(f"{part}.") for other in parts)
        and not base.is_float(part)
    }


def _leaving(measured: Measured, chosen: frozenset[str]) -> Measured:
    """The same with some more parts in float."""
    modules = (*measured.recipe.float_modules, *sorted(chosen))
    return replace(measured, recipe=replace(measured.recipe, float_modules=modules))


def _mixed(measured: Measured, integers: dict[str, Tensor]) -> Simulation:
    """The network as its recipe says, the weights of what is in integers on their grids."""
    # What a float part shares with an integer one is rounded.
    on_grids = {
        path
        for point in measured.graph.points.values()
        if not measured.recipe.is_float(point.module)
        for path in (point.weight, point.bias)
    }
    weights = {k: v if k in on_grids else measured.weights[k] for k, v in integers.items()}
    return Simulation(measured.graph, weights, measured.stored)
