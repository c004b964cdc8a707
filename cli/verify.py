"""``maskport verify``."""

from __future__ import annotations

from pathlib import Path

import click

__all__ = ["command"]


@click.command(name="verify")
@click.argument("bundle", type=click.Path(path_type=Path))
def command(bundle: Path) -> int:
    """Recompute the checksums of BUNDLE's files and name what differs from its manifest."""
    from ..artifacts.bundle import load_bundle, verify

    differences = verify(bundle)
    for difference in differences:
        click.echo(difference)
    count = len(load_bundle(bundle).manifest.artifacts)
    if differences:
        places = "1 place" if len(differences) == 1 else f"{len(differences)} places"
        click.echo(f"{bundle} differs from its manifest in {places}.", err=True)
        return 1
    click.echo(f"{bundle}: {count} artifacts, all as the manifest says.")
    return 0
