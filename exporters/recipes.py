"""What each target that has a recipe is quantised by."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..errors import UsageError
from ..formats import Target
from ..quantization.recipe import Recipe, named

if TYPE_CHECKING:
    from ..quantization.budget import Budget, Prefer

__all__ = ["RecipeSearch", "recipes_of"]

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
        from ..quantization.budget import budget_of

        found[MIXED] = RecipeSearch(budget or budget_of(BUDGET), prefer, given or named("best"))
    return found
