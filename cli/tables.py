"""Tables for the terminal, which stay whole when they are piped."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence

from ..texts import shown

__all__ = ["print_table", "printable"]


def print_table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """A table as wide as the terminal; tab-separated lines where the output is no terminal.

    Cells may come from files: they are shown as they are, and can't steer the terminal.
    """
    if not sys.stdout.isatty():
        for row in (columns, *rows):
            print("\t".join(printable(cell) for cell in row))
        return
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    for position, column in enumerate(columns):
        table.add_column(column, overflow="fold", no_wrap=position == 0)
    for row in rows:
        table.add_row(*(Text(printable(cell)) for cell in row))
    Console(highlight=False).print(table)


def printable(text: str) -> str:
    """Text of a file, such as a photo's name, without what would steer the terminal.

    Bytes of a name that are no text are escaped.
    """
    return "".join(c if c.isprintable() else " " for c in shown(text))
