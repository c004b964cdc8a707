"""Groups of commands that are imported when they are called."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import click

from ..loading import load

__all__ = ["LazyGroup"]


class LazyGroup(click.Group):
    """A group that knows its commands' names and imports only the one that runs.

    Args:
        commands: By name, ``module:command`` and the line in ``--help``.
    """

    def __init__(self, *args: Any, commands: Mapping[str, tuple[str, str]], **options: Any) -> None:
        super().__init__(*args, **options)
        self._rows = commands

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self._rows)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in self._rows:
            return None
        command: click.Command = load(self._rows[cmd_name][0])
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, line) for name, (_, line) in self._rows.items()])
