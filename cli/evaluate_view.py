"""What an evaluation looks like in a terminal: progress, then the measures."""

from __future__ import annotations

from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from .tables import print_table

if TYPE_CHECKING:
    from ..training.evaluation import Evaluation

__all__ = ["EvaluateView"]

_PAPER_COLUMNS = {
    "max_f_authors": "max-F",
    "mae": "MAE",
    "weighted_f": "weighted F",
    "s_measure": "S",
    "relaxed_boundary_f": "boundary F",
}
# Photos between two lines where the output is no terminal.
_EVERY = 50


class EvaluateView:
    """A bar on stderr; where that is no terminal a line now and then."""

    def __init__(self) -> None:
        console = Console(stderr=True, highlight=False)
        self._animated = console.is_terminal
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            console=console,
            transient=True,
            disable=not self._animated,
        )
        self._task = self._progress.add_task("", total=None)

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._progress.stop()

    def say(self, text: str) -> None:
        """What is being done."""
        self._progress.update(self._task, description=text)

    def photos(self, done: int, total: int) -> None:
        """How many photos are measured."""
        self._progress.update(self._task, completed=done, total=total)
        if not self._animated and (done % _EVERY == 0 or done == total):
            click.echo(f"{done} of {total} photos", err=True)

    def summarise(
        self, found: Evaluation, name: str, network: str | None, images: Path | None
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
