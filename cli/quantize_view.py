"""What a search for a recipe looks like in a terminal and in JSON."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from .sensitivity_view import numbers
from .tables import print_table

if TYPE_CHECKING:
    from ..quantization.mix import Mixed

__all__ = ["print_mix", "to_dict"]


def print_mix(mixed: Mixed) -> None:
    """A line a try, and what came of it."""
    found = mixed.found
    searched, verified = mixed.photos
    names = {"calibration": f"{searched} it calibrates on", "held-out": f"{verified} others"}
    rows = [
        (
            f"{len(tried.float_parts)} in float",
            names[tried.photos],
            *numbers(tried.fidelity),
            f"{1 + tried.slower:.2f}×",
            "holds" if tried.holds else "fails",
            tried.why,
        )
        for tried in found.tries
    ]
    print_table(("parts", "photos", "MAE", "worst", "IoU", "worst", "time", "budget", "why"), rows)
    click.echo("Time is counted, in units of the integer network's own.")
    parts = ", ".join(found.float_parts) or "nothing"
    reached = (
        f"an IoU of {found.verified.iou:.5f} (worst {found.verified.worst_iou:.5f}) and an MAE of "
        f"{found.verified.mae:.5f} on the {verified} others"
    )
    if found.holds:
        click.echo(f"{mixed.budget} holds with {parts} in float: {reached}.")
    else:
        click.echo(f"No recipe holds {mixed.budget}. The best, with {parts} in float: {reached}.")


def to_dict(mixed: Mixed) -> dict[str, Any]:
    """Everything that was tried, and what each part costs, for JSON."""
    found = mixed.found
    return {
        "budget": str(mixed.budget),
        "holds": found.holds,
        "float_parts": list(found.float_parts),
        "verified": asdict(found.verified),
        "slower": found.slower,
        "tries": [asdict(tried) for tried in found.tries],
        "parts": [cost.to_dict() for cost in mixed.costs],
    }
