"""``maskport catalog``."""

from __future__ import annotations

import click

__all__ = ["command"]


@click.command(name="catalog")
def command() -> None:
    """List the networks that have a name: size, mask, where their weights are, licence."""
    from ..models.catalog import CATALOG, LEFT_OUT
    from ..models.download import is_cached
    from .tables import print_table

    rows = []
    for entry in CATALOG.values():
        image, mask = entry.spec.image, entry.spec.mask
        kind = "inverted" if mask.inverted else "mask"
        if mask.channels > 1:
            kind = f"argmax of {mask.channels}"
        checksum = ""
        if entry.sources:
            published = entry.sources[0].checksum
            checksum = " ".join(published) if published else "none published"
        state = "yes" if is_cached(entry) else "no"
        rows.append(
            (entry.name, f"{image.height}x{image.width}", kind, entry.license, state,
             entry.summary, entry.origin, checksum)
        )  # fmt: skip
    print_table(("name", "size", "draws", "license", "fetched", "what", "source", "checksum"), rows)
    for name, reason in LEFT_OUT.items():
        click.echo(f"\nNot included: {name}: {reason}.")
