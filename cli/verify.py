"""``maskport verify``."""

from __future__ import annotations

from pathlib import Path

import click

__all__ = ["command", "is_whole"]


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


def is_whole(bundle: Path, otherwise: str) -> bool:
    """Whether a bundle's files hold what its manifest says; else each difference is printed, and
    what isn't done then."""
    from ..artifacts.bundle import verify

    differences = verify(bundle)
    for difference in differences:
        click.echo(difference)
    if differences:
        click.echo(f"{bundle} differs from its manifest, so it is not {otherwise}.", err=True)
    return not differences
