"""``maskport pull``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from .network_options import PATH, require_signature_option
from .run_options import resumable

if TYPE_CHECKING:
    from ..formats import Platform

__all__ = ["command"]


@click.command(name="pull")
@click.argument("url")
@click.option("--name", default="", help="Of the bundle, where the store has several.")
@click.option(
    "--version", default="latest", show_default=True, metavar="NAME", help="A version or a tag."
)
@click.option(
    "--for", "platform", type=click.Choice(["ios", "android", "web"]),
    help="Take this platform's files only, as maskport package does.",
)  # fmt: skip
@require_signature_option
@click.option(
    "--out", metavar="DIR", type=PATH, help="The bundle's folder.  [default: NAME or NAME-PLATFORM]"
)
def command(
    url: str,
    name: str,
    version: str,
    platform: Platform | None,
    require_signature: Path | None,
    out: Path | None,
) -> None:
    """Have a bundle from the store at URL, every byte held against the version's manifest.

    It is there whole or not at all. Run again after an interruption, it fetches what is missing.

    \b
    maskport pull s3://models/masks --out exports/demo
    maskport pull s3://models/masks --name demo --version v1.2 --for ios
    """
    from ..artifacts.signing import trust_in
    from ..artifacts.store import open_place, pull
    from ..artifacts.store.page import size_text
    from ..models.download import cache_folder
    from .live_view import ProgressBar

    place = open_place(url)
    trust = None if require_signature is None else trust_in(require_signature)
    kept = "what came whole is kept: run it again to go on from there."
    with resumable(kept), ProgressBar() as bar:
        bar.say("looking into the store")
        done = pull(
            place,
            out,
            name=name,
            version=version,
            platform=platform,
            require_signature=trust,
            cache=cache_folder() / "objects",
            watch=bar.watch,
        )
    what = f"{done.files} files, {size_text(done.bytes)}"
    signed = f", signed by {trust}" if trust else ", signed (by whom wasn't asked)" * done.signed
    click.echo(f"{done.path}: {done.name} {done.version}, {what}, all as published{signed}.")
