"""``maskport cache``."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from .tables import print_table

if TYPE_CHECKING:
    from ..artifacts.cache import Kept

__all__ = ["command"]


@click.group(name="cache", invoke_without_command=True)
@click.pass_context
def command(ctx: click.Context) -> None:
    """Show what exports have kept, so that nothing is made twice; `prune` makes room.

    \b
    maskport cache
    maskport cache prune
    maskport cache prune --max-size 10GB --max-age 30d
    """
    if ctx.invoked_subcommand is not None:
        return
    from ..artifacts.cache import default_limit
    from ..exporting import cache_of_exports

    cache = cache_of_exports()
    entries = cache.entries()
    by_name: dict[str, list[Kept]] = {}
    for kept in entries:
        by_name.setdefault(kept.folder.parent.name, []).append(kept)
    if entries:
        rows = [
            (name, str(len(some)), _size(_bytes(some)), _age(some[0]), _age(some[-1]))
            for name, some in by_name.items()
        ]
        print_table(("what", "entries", "size", "last used", "longest unused"), rows)
    if damaged := sum(kept.entry is None for kept in entries):
        click.echo(f"{damaged} damaged: prune removes them, and so does an export that wants them.")
    held = _bytes(entries)
    limit = f", of at most {_size(default_limit(cache.folder, held))}" if entries else ""
    click.echo(f"{len(entries)} entries, {_size(held)}{limit}, in {cache.folder}")


@command.command(name="prune")
@click.option(
    "--max-size",
    metavar="SIZE",
    help="What was unused for longest is removed until so much is left: 10GB, 500MB, 0.  "
    "[default: $MASKPORT_CACHE_SIZE, else 20 GB, at most half of the disk's room]",
)
@click.option(
    "--max-age", metavar="AGE", help="What was unused for longer is removed: 30d, 12h, 2w."
)
def prune(max_size: str | None, max_age: str | None) -> None:
    """Remove what was not used for long; what is damaged, and what killed exports have left."""
    from ..artifacts.cache import age_of, default_limit, size_of
    from ..exporting import cache_of_exports

    cache = cache_of_exports()
    entries = cache.entries()
    oldest = age_of(max_age) if max_age is not None else math.inf
    if max_size is not None:
        most = size_of(max_size)
    else:
        most = default_limit(cache.folder, _bytes(entries)) if cache.folder.is_dir() else 0
    removed = cache.prune(most, oldest)
    left = _bytes(entries) - _bytes(removed)
    click.echo(
        f"Removed {len(removed)} of {len(entries)} entries, {_size(_bytes(removed))}; "
        f"{_size(left)} are left in {cache.folder}"
    )


def _bytes(entries: Sequence[Kept]) -> int:
    return sum(kept.entry.bytes for kept in entries if kept.entry)


def _size(count: int) -> str:
    return f"{count / 1e9:.1f} GB" if count >= 1e9 else f"{count / 1e6:.1f} MB"


def _age(kept: Kept) -> str:
    """How long it was not used, for people."""
    seconds = max(0.0, time.time() - kept.used)
    for unit, length in (("d", 86_400), ("h", 3600), ("min", 60)):
        if seconds >= length:
            return f"{seconds / length:.0f} {unit}"
    return f"{seconds:.0f} s"
