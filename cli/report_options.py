"""The options that say where reports go, for the commands that judge."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from ..validation.results import Results

__all__ = ["report_options", "write_reports"]

Command = TypeVar("Command", bound=Callable[..., Any])

_PATH = click.Path(path_type=Path)


def report_options(command: Command) -> Command:
    """Add ``--json``, ``--junit`` and ``--markdown`` to a click command, as the parameters
    ``json_out``, ``junit_out`` and ``markdown_out``."""
    for name, what in (
        ("markdown", "Write a summary for a pull request."),
        ("junit", "Write JUnit XML, one test case a gate."),
        ("json", "Write everything found."),
    ):
        option = click.option(f"--{name}", f"{name}_out", metavar="FILE", type=_PATH, help=what)
        command = option(command)
    return command


def write_reports(
    results: Results, json_out: Path | None, junit_out: Path | None, markdown_out: Path | None
) -> None:
    """Write the reports that were asked for.

    Raises:
        InputError: A path can't be written.
    """
    from ..validation.reports import write_json, write_junit, write_markdown

    for write, path in (
        (write_json, json_out),
        (write_junit, junit_out),
        (write_markdown, markdown_out),
    ):
        if path is not None:
            write(results, path)
