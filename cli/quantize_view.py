"""What INT8 costs a network, and a search for a recipe, in a terminal and in JSON."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from .tables import print_table

if TYPE_CHECKING:
    from ..quantization.mix import Mixed
    from ..quantization.search import Try
    from ..quantization.sensitivity import Analysis, Fidelity

__all__ = ["print_mix", "print_sensitivity", "to_dict", "try_line"]


def print_mix(mixed: Mixed) -> None:
    """A line a try, and what came of it."""
    found = mixed.found
    searched, verified = mixed.photos
    names = {"calibration": f"{searched} it calibrates on", "held-out": f"{verified} others"}
    rows = [
        (
            f"{len(tried.float_parts)} in float",
            names[tried.photos],
            *_numbers(tried.fidelity),
            f"{1 + tried.slower:.2f}×",
            "holds" if tried.holds else "fails",
            tried.why,
        )
        for tried in found.tries
    ]
    print_table(("parts", "photos", "MAE", "worst", "IoU", "worst", "time", "budget", "why"), rows)
    click.echo("Time is counted, in units of the integer network's own.")
    for photos, name in names.items():
        judged = [tried.fidelity for tried in found.tries if tried.photos == photos]
        if judged:
            _say_left_out(judged[0], name)
    best = found.best
    parts = ", ".join(best.float_parts) or "nothing"
    steps = mixed.recipe.finetune
    tuned = f" and {steps} steps of fine-tuning" if steps else ""
    made = f"{parts} in float{tuned}"
    click.echo(
        f"{mixed.budget} holds with {made}: {best.fidelity} on the {verified} others."
        if found.holds
        else f"None was found that holds {mixed.budget}. The nearest, with {made}, has "
        f"{best.fidelity} on the {names[best.photos]}, in {1 + best.slower:.2f} times the time."
    )


def try_line(tried: Try) -> str:
    """What came of one try, while others are still to come."""
    return (
        f"{len(tried.float_parts)} parts in float, {1 + tried.slower:.2f}× the time: "
        f"{tried.fidelity} on the {tried.photos} photos, {'holds' if tried.holds else 'fails'} "
        f"({tried.why})"
    )


def to_dict(mixed: Mixed) -> dict[str, Any]:
    """Everything that was tried, and what each part costs, for JSON."""
    found = mixed.found
    return {
        "budget": str(mixed.budget),
        "holds": found.holds,
        "best": asdict(found.best),
        "tries": [asdict(tried) for tried in found.tries],
        "parts": [cost.to_dict() for cost in mixed.costs],
    }


def print_sensitivity(found: Analysis) -> None:
    """A line a part, and one for all of them."""
    whole = sum(part.macs for part in found.parts) or 1
    rows = [
        (part.module, *_numbers(part.alone), f"{part.macs / whole:.1%}", f"+{part.slower:.2f}×")
        for part in found.parts
    ]
    rows.append(("all of them", *_numbers(found.whole), "", ""))
    columns = ("rounded alone", "MAE", "worst", "IoU", "worst", "of the work", "time in float")
    print_table(columns, rows)
    click.echo(f"{found.photos} photos; time in units of the integer network's own.")
    _say_left_out(found.whole, f"{found.photos}")


def _say_left_out(fidelity: Fidelity, photos: str) -> None:
    """How many of some photos don't count in the IoU, where there are any."""
    if fidelity.left_out:
        click.echo(
            f"{fidelity.left_out} of the {photos} not counted in the IoU: the network draws next "
            "to nothing there, or is unsure of most of it."
        )


def _numbers(found: Fidelity) -> tuple[str, ...]:
    """MAE, worst MAE, IoU and worst IoU, as they stand in tables."""
    figures = (found.mae, found.worst_mae, found.iou, found.worst_iou)
    return tuple(f"{figure:.5f}" for figure in figures)
