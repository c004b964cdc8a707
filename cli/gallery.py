"""``maskport gallery``."""

from __future__ import annotations

from pathlib import Path

import click

from .network_options import PATH

__all__ = ["command"]


@click.command(name="gallery")
@click.argument("folder", metavar="DIR", type=PATH)
@click.option(
    "--photos", type=PATH, required=True, metavar="DIR", help="Of the photos that it was made of."
)
@click.option("--out", type=PATH, metavar="DIR", help="Folder of the page.  [default: DIR-gallery]")
@click.option("--title", help="Of the page.  [default: the folder's name]")
def command(folder: Path, photos: Path, out: Path | None, title: str | None) -> None:
    """Make a page of the pictures in DIR and their photos, before and after under sliders.

    \b
    maskport apply cutout photos/ --with exports/sky --out cut/
    maskport gallery cut/ --photos photos/
    """
    from .live_view import ProgressBar

    with ProgressBar() as bar:
        bar.say("looking for pictures")
        from ..apps.gallery import find_pairs, write_gallery

        pairs = find_pairs(folder, photos)
        whole = folder.resolve()
        out = out or whole.with_name(f"{whole.name}-gallery")
        page = write_gallery(pairs, out, title or whole.name, bar.count)
    click.echo(f"{len(pairs)} pairs, in {page}")
