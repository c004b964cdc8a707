"""What an evaluation looks like in a terminal: its measures."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from .tables import print_table

if TYPE_CHECKING:
    from ..training.evaluation import Evaluation

__all__ = ["print_evaluation"]

_PAPER_COLUMNS = {
    "max_f_authors": "max-F",
    "mae": "MAE",
    "weighted_f": "weighted F",
    "s_measure": "S",
    "relaxed_boundary_f": "boundary F",
}


def print_evaluation(
    found: Evaluation, name: str, network: str | None, images: Path | None
) -> None:
    """Every measure; beside the paper's table of ``network`` where that is given."""
    if network is None:
        rows = [(measure, f"{value:.4f}") for measure, value in found.scores.items()]
        print_table((name, f"{found.photos} photos"), rows)
        return
    from ..training.evaluation import PAPER, paper_set

    here = paper_set(str(images or ""))
    rows_of_table = [_row(f"{name}, {found.photos} photos", found.scores, 4)]
    for data_set, row in PAPER.items():
        if network in row.scores and here in {None, data_set}:
            label = f"paper, {network}, {data_set} ({row.photos})"
            rows_of_table.append(_row(label, row.scores[network], 3))
    print_table(("", *_PAPER_COLUMNS.values()), rows_of_table)
    if len(rows_of_table) == 1:
        click.echo("The paper has no numbers of this network.")


def _row(label: str, scores: object, digits: int) -> tuple[str, ...]:
    values = dict(scores)  # type: ignore[call-overload]
    return (label, *(f"{values[name]:.{digits}f}" for name in _PAPER_COLUMNS))
