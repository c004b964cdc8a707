"""What a sensitivity analysis looks like in a terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from .tables import print_table

if TYPE_CHECKING:
    from ..quantization.analysis import Analysis
    from ..quantization.sensitivity import Fidelity

__all__ = ["numbers", "print_sensitivity", "say_left_out"]


def print_sensitivity(found: Analysis) -> None:
    """A line a part, and one for all of them."""
    whole = sum(part.macs for part in found.parts) or 1
    rows = [
        (part.module, *numbers(part.alone), f"{part.macs / whole:.1%}", f"+{part.slower:.2f}×")
        for part in found.parts
    ]
    rows.append(("all of them", *numbers(found.whole), "", ""))
    columns = ("rounded alone", "MAE", "worst", "IoU", "worst", "of the work", "time in float")
    print_table(columns, rows)
    click.echo(f"{found.photos} photos; time in units of the integer network's own.")
    say_left_out(found.whole, f"{found.photos}")


def say_left_out(fidelity: Fidelity, photos: str) -> None:
    """How many of some photos don't count in the IoU, where there are any."""
    if fidelity.left_out:
        click.echo(
            f"{fidelity.left_out} of the {photos} not counted in the IoU: the network draws next "
            "to nothing there, or is unsure of most of it."
        )


def numbers(found: Fidelity) -> tuple[str, ...]:
    """MAE, worst MAE, IoU and worst IoU, as they stand in tables."""
    return (
        f"{found.mae:.5f}",
        f"{found.worst_mae:.5f}",
        f"{found.iou:.5f}",
        f"{found.worst_iou:.5f}",
    )
