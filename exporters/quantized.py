"""Quantising the network of an export by a recipe, or by one that is to be found."""

from __future__ import annotations

import queue
import threading
from collections.abc import Generator
from concurrent.futures import CancelledError, ThreadPoolExecutor
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import BudgetError, ExportError
from ..models.devices import best_device
from ..models.prepared import PreparedMask
from ..quantization.calibration import CalibrationSet
from ..quantization.drawing import Watch
from ..quantization.mix import Mixed, find_mix, held_out
from ..quantization.program import quantized_program
from ..quantization.quantize import quantize
from ..quantization.recipe import Recipe, write_recipe
from .intermediates import keep_program
from .messages import Step
from .recipes import RecipeSearch
from .run import Run

__all__ = ["quantized"]


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
