"""The options that say what results have to reach, for the commands that judge."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from ..validation.gates import Gates
    from ..validation.results import Results

__all__ = ["chosen_gates", "gate_options", "print_notes"]

Command = TypeVar("Command", bound=Callable[..., Any])


def gate_options(command: Command) -> Command:
    """Add ``--gates``, ``--gate`` and ``--baseline`` to a click command, as the parameters
    ``gates_file``, ``gate_texts`` and ``baseline``."""
    for option in reversed(
        (
            click.option(
                "--gates",
                "gates_file",
                metavar="FILE",
                type=click.Path(path_type=Path),
                help="TOML file of gates, on top of the defaults; see docs/gates.md.",
            ),
            click.option(
                "--gate",
                "gate_texts",
                metavar="GATE",
                multiple=True,
                help="One more, such as 'tflite-int8: iou >= 0.99' or 'mae <= 0.01'. Repeatable.",
            ),
            click.option(
                "--baseline",
                metavar="FILE",
                type=click.Path(path_type=Path),
                help="Older results (--json) that nothing may be worse than.",
            ),
        )
    ):
        command = option(command)
    return command


def chosen_gates(gates_file: Path | None, gate_texts: Sequence[str]) -> Gates:
    """The gates that those options ask for, above the defaults.

    Raises:
        InputError: The file can't be read, or holds what is no gate.
        UsageError: A ``--gate`` is none.
    """
    from ..formats import TARGETS
    from ..validation.gates import assemble

    known = {name for row in TARGETS for name in (row.name, row.format, row.precision)}
    return assemble(gates_file, gate_texts, known)


def print_notes(results: Results) -> None:
    """Say on stderr what differs from the baseline's run and may explain a difference."""
    from .tables import printable

    for note in results.notes:
        click.echo(f"Note: {printable(note)}", err=True)
