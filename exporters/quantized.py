"""Quantising the network of an export by a recipe, or by one that is to be found."""

from __future__ import annotations

import queue
import threading
from collections.abc import Generator, Sequence
from concurrent.futures import CancelledError, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import BudgetError, ExportError, UsageError
from ..formats import Target
from ..models.devices import best_device
from ..models.prepared import PreparedMask
from ..quantization.calibration import CalibrationSet
from ..quantization.drawing import Watch
from ..quantization.mix import Mixed, find_mix, held_out
from ..quantization.program import quantized_program
from ..quantization.quantize import quantize
from ..quantization.recipe import Recipe, named, write_recipe
from ..quantization.search import Budget, Prefer, budget_of
from .intermediates import keep_program
from .messages import Step
from .run import Run

__all__ = ["RecipeSearch", "quantized", "recipes_of"]

# The recipe of targets whose parts in float a search finds, and what it has to hold unless told.
MIXED = "mixed"
BUDGET = "iou>=0.999"


@dataclass(frozen=True, slots=True)
class RecipeSearch:
    """A recipe that is to be found.

    Attributes:
        budget: What its masks must hold, on photos that are not calibrated on.
        prefer: Of several that do.
        base: What is done to the parts in integers.
    """

    budget: Budget
    prefer: Prefer
    base: Recipe


def quantized(
    prepared: PreparedMask,
    run: Run,
    photos: CalibrationSet | None,
    recipe: Recipe | RecipeSearch,
) -> Generator[Step, None, None]:
    """Quantise the network by a recipe, and keep its program and the recipe in the recipe's run.

    Yields:
        What is being done, while a thread of its own works.

    Raises:
        ExportError: There are no photos.
        BudgetError: No recipe holds the budget.
    """
    if photos is None:
        raise ExportError(
            "There are no calibration photos.", "Give a folder of them: --calibration DIR."
        )
    heard: queue.Queue[Step | None] = queue.Queue()
    given_up = threading.Event()

    def watch(text: str, done: int, total: int) -> None:
        if given_up.is_set():
            raise CancelledError
        heard.put(Step(text, done=done, total=total))

    with ThreadPoolExecutor(1) as pool:
        try:
            result = pool.submit(_by_recipe, prepared, run, photos, recipe, watch)
            result.add_done_callback(lambda _: heard.put(None))
            while (step := heard.get()) is not None:
                yield step
            recipe_used, program = result.result()
        finally:
            # After Ctrl-C the search, which may take minutes, ends at its next step.
            given_up.set()
    keep_program(program, run)
    write_recipe(recipe_used, run.recipe)


def _by_recipe(
    prepared: PreparedMask,
    run: Run,
    photos: CalibrationSet,
    recipe: Recipe | RecipeSearch,
    watch: Watch,
) -> tuple[Recipe, Any]:
    pixels, found = photos.pixels, None
    if isinstance(recipe, RecipeSearch):
        # What was verified is what is made: the photos kept apart stay apart.
        pixels, others = held_out(photos.pixels)
        mixed = _granted(prepared, run, pixels, others, recipe, watch)
        recipe, found = mixed.recipe, mixed.tuned
    network, view = found or quantize(prepared, pixels, recipe, watch, best_device())
    watch("making the quantised program", 0, 0)
    return network.recipe, quantized_program(view, network, pixels[0])


def _granted(
    prepared: PreparedMask,
    run: Run,
    shown: NDArray[np.uint8],
    others: NDArray[np.uint8],
    wanted: RecipeSearch,
    watch: Watch,
) -> Mixed:
    """A recipe that holds a budget.

    Raises:
        BudgetError: There is none.
    """
    mixed = find_mix(
        prepared,
        shown,
        others,
        run.spec.mask.threshold,
        wanted.base,
        wanted.budget,
        wanted.prefer,
        watch,
        device=best_device(),
    )
    best = mixed.found.best
    if not mixed.found.holds:
        where = "it was searched on" if best.photos == "calibration" else "that were kept apart"
        raise BudgetError(
            f"No mix of integers and float was found that holds {wanted.budget}: on the photos "
            f"{where}, the nearest has {best.fidelity}, in {1 + best.slower:.2f} times the "
            "integer network's time.",
            "`maskport quantize` shows what was tried; ask for less, or give more photos.",
        )
    return mixed


def recipes_of(
    rows: Sequence[Target], given: Recipe | None, budget: Budget | None, prefer: Prefer
) -> dict[str, Recipe | RecipeSearch]:
    """What each of the targets' recipes is."""
    names = {row.recipe for row in rows}
    searched = MIXED in names and (given is None or budget is not None)
    if budget is not None and MIXED not in names:
        raise UsageError(
            "A budget is for tflite-mixed, and that is not asked for.", "Add it to --targets."
        )
    if given is not None and not any(names):
        raise UsageError(
            "No target that is asked for is quantised by a recipe.",
            "Leave --recipe out, or add tflite-int8, onnx-int8 or another of them to --targets.",
        )
    if prefer != "latency" and not searched:
        raise UsageError(
            f"Nothing is searched for, so {prefer} can't be preferred.",
            "It is for tflite-mixed with a budget; leave it out.",
        )
    integers = [row.name for row in rows if row.all_integers]
    if given is not None and given.float_modules and integers:
        raise UsageError(
            f"The recipe leaves {', '.join(given.float_modules)} in float, and "
            f"{', '.join(integers)} is integers throughout.",
            "Make tflite-mixed of it.",
        )
    found: dict[str, Recipe | RecipeSearch] = {
        name: given or named("best" if name == MIXED else name) for name in sorted(names) if name
    }
    if searched:
        found[MIXED] = RecipeSearch(budget or budget_of(BUDGET), prefer, given or named("best"))
    return found
