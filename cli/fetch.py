"""``maskport fetch``."""

from __future__ import annotations

import click

__all__ = ["command"]


@click.command(name="fetch")
@click.argument("name")
@click.option("--quiet", is_flag=True, help="No progress bar.")
def command(name: str, quiet: bool) -> None:
    """Download the published weights of NAME, check them, and print where they are.

    A download that was interrupted goes on where it stopped. Files are kept in
    $MASKPORT_CACHE, or in the platform's place for caches.
    """
    from ..models.catalog import entry
    from ..models.download import fetch

    click.echo(fetch(entry(name), progress=not quiet))
