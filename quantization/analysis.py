"""What integers cost a network, and which of its parts had better stay in float: from its exported
view and two sets of photos."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..models.prepared import PreparedMask, copied
from .encodings import Encoding
from .graph import capture
from .photo_input import pass_bytes
from .quantise import quantise, simulated
from .ranges import estimate, histograms
from .recipe import Recipe
from .search import Budget, Found, Prefer, Try, search
from .sensitivity import Fidelity, PartCost, draw, fidelity, parts_of, sensitivity
from .simulation import Simulation
from .suitability import evenly_spaced

__all__ = ["Analysis", "Mixed", "analyse", "find_mix"]

# Calibration photos that parts and mixes are tried on: each costs an inference a try.
SEARCHED = 8


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


@dataclass(frozen=True, slots=True)
class Mixed:
    """A recipe for a budget.

    Attributes:
        recipe: With the parts that stay in float.
        found: How it was found, and whether the budget holds.
        verified: The recipe's own fidelity on the held-out photos, made anew and simulated as
            files compute it.
        holds: Whether the budget holds there.
    """

    recipe: Recipe
    found: Found
    verified: Fidelity
    holds: bool


def find_mix(
    view: PreparedMask,
    calibration: NDArray[np.uint8],
    held_out: NDArray[np.uint8],
    threshold: float,
    base: Recipe,
    budget: Budget,
    prefer: Prefer,
    watch: Callable[[str, int, int], None] = lambda text, done, total: None,
    tell: Callable[[Try], None] = lambda tried: None,
) -> Mixed:
    """The fastest mix of integers and float that holds a budget.

    Args:
        view: As it is exported.
        calibration: (N, 3, H, W) RGB bytes, for ranges and for the search.
        held_out: (M, 3, H, W) RGB bytes of other photos, to verify on.
        threshold: From which a pixel belongs to the object.
        base: What is done to the parts in integers.
        budget: To hold.
        prefer: As `search.search`.
        watch: Told what is being done and how far it is.
        tell: Told of each try.

    Raises:
        NetworkError: The network's graph can't be captured.
    """
    few = calibration[evenly_spaced(len(calibration), SEARCHED)]
    analysis = analyse(view, calibration, few, threshold, base, watch)
    network, rewritten = quantise(view, calibration, "", base, watch)
    shape = (1, *few.shape[1:])
    whole = simulated(network, rewritten, shape)
    parts = parts_of(whole.graph)
    photos = {"calibration": few, "held-out": held_out}
    plain = capture(view, shape)  # type: ignore[arg-type]
    floats = {name: value.detach() for name, value in view.state_dict().items()}
    truths = {
        name: draw(lambda photo: plain.run(photo, None, floats), some)
        for name, some in photos.items()
    }

    def score(chosen: frozenset[str], on: Literal["calibration", "held-out"]) -> Fidelity:
        watch(f"trying {len(chosen)} parts in float", 0, 0)
        names = frozenset().union(*(parts[part] for part in chosen))
        mixed = Simulation(
            whole.graph,
            network.weights,
            whole.encodings,
            whole.quantised,
            whole.kept_in_float | names,
        )
        return fidelity(draw(mixed, photos[on]), truths[on], threshold)

    found = search(analysis.parts, budget, score, prefer=prefer, watch=tell)
    recipe = replace(base, name="mixed", float_modules=found.float_parts)
    watch("making the recipe's network", 0, 0)
    made, rewritten = quantise(view, calibration, "", recipe, watch)
    final = simulated(made, rewritten, shape)
    verified = fidelity(draw(final, held_out), truths["held-out"], threshold)
    return Mixed(recipe, found, verified, budget.holds(verified))
