"""The recipe for a budget: which parts of a network stay in float, found and verified."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from ..errors import UsageError
from ..models.prepared import PreparedMask
from .graph import NetworkGraph, capture
from .quantise import Measured, Watch, measure, simulation
from .recipe import Recipe
from .search import Budget, Found, Prefer, Try, search
from .sensitivity import Fidelity, PartCost, draw, fidelity, parts_of, sensitivity
from .simulation import Simulation
from .suitability import evenly_spaced

__all__ = ["Mixed", "check_apart", "find_mix", "held_out"]

# Calibration photos that parts and mixes are tried on: each costs an inference a try.
SEARCHED = 8
# Of photos that are given as one set, every so many-th is kept for the verification.
KEPT_APART = 3


@dataclass(frozen=True, slots=True)
class Mixed:
    """A recipe for a budget, and how it was found.

    Attributes:
        recipe: With the parts that stay in float.
        found: What was tried, and whether the budget holds on the held-out photos.
        costs: What each part costs, by which the search chose.
        budget: What was to be held.
        photos: How many photos it was searched on, and how many verified on.
    """

    recipe: Recipe
    found: Found
    costs: tuple[PartCost, ...]
    budget: Budget
    photos: tuple[int, int]


def held_out(photos: NDArray[np.uint8]) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Two thirds of (N, 3, H, W) photos to calibrate on, and the rest to verify on.

    Raises:
        UsageError: There are too few to be divided.
    """
    if len(photos) < KEPT_APART:
        raise UsageError(
            f"{len(photos)} photos can't be divided into some to calibrate and some to verify on.",
            "Give some dozens, or others to verify on: --photos DIR.",
        )
    kept = np.arange(len(photos)) % KEPT_APART == KEPT_APART - 1
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
) -> Mixed:
    """The fastest mix of integers and float that holds a budget.

    Masks are drawn by the simulation, which rounds as the files do; each layer's rounding depends
    on nothing but its own inputs in float, so a mix has the very weights that `quantise` gives it.

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

    Raises:
        ExportError: There are no calibration photos.
        NetworkError: The network's graph can't be captured.
    """
    few = calibration[evenly_spaced(len(calibration), SEARCHED)]
    measured = measure(view, calibration, base, watch)
    parts = _choosable(measured.graph, base)
    costs = sensitivity(
        measured.graph,
        measured.weights,
        measured.encodings,
        few,
        threshold,
        parts=parts,
        wide=measured.wide,
        watch=lambda done, total: watch("rounding part after part", done, total),
    )
    integers, _ = measured.rounded(watch)
    photos = {"calibration": few, "held-out": others}
    # The network as it was given, so that an inexact rewrite would be seen.
    plain = capture(view, measured.graph.shape)
    truths = {}
    for name, some in photos.items():
        watch(f"drawing the masks of the {name} photos in float", 0, 0)
        truths[name] = draw(plain.run, some)

    def score(chosen: frozenset[str], on: Literal["calibration", "held-out"]) -> Fidelity:
        watch(f"trying {len(chosen)} of {len(parts)} parts in float", 0, 0)
        mixed = _mixed(measured, integers, chosen)
        return fidelity(draw(mixed, photos[on]), truths[on], threshold)

    found = search(costs, budget, score, prefer=prefer, watch=tell)
    chosen = (*base.float_modules, *found.float_parts)
    recipe = replace(base, name="mixed", float_modules=chosen)
    return Mixed(recipe, found, tuple(costs), budget, (len(few), len(others)))


def _choosable(graph: NetworkGraph, base: Recipe) -> dict[str, frozenset[str]]:
    """The parts with weights that a recipe can name without naming others that lie in them."""
    parts = parts_of(graph)
    return {
        part: names
        for part, names in parts.items()
        if any(graph.points[name].weight for name in names)
        and not any(other.startswith(f"{part}.") for other in parts)
        and not base.is_float(part)
    }


def _mixed(measured: Measured, integers: dict[str, Tensor], chosen: frozenset[str]) -> Simulation:
    """The network with some parts in float, and the rest's weights on their grids."""
    recipe = measured.recipe
    recipe = replace(recipe, float_modules=(*recipe.float_modules, *sorted(chosen)))
    # What a float part shares with an integer one is rounded.
    on_grids = {
        path
        for point in measured.graph.points.values()
        if not recipe.is_float(point.module)
        for path in (point.weight, point.bias)
    }
    weights = {k: v if k in on_grids else measured.weights[k] for k, v in integers.items()}
    mixed = replace(measured, recipe=recipe)
    encodings = {name: mixed.encoding(name) for name in measured.graph.points}
    return simulation(measured.graph, weights, encodings)
