"""``maskport publish``."""

from __future__ import annotations

from pathlib import Path

import click

from .network_options import PATH
from .run_options import resumable
from .verify import is_whole

__all__ = ["command"]


@click.command(name="publish")
@click.argument("bundle", type=PATH)
@click.argument("url")
@click.option("--name", default="", help="Of the bundle in the store.  [default: the folder's]")
@click.option(
    "--version", default="", metavar="NAME",
    help="Which of it.  [default: the first 12 digits of the manifest's SHA-256]",
)  # fmt: skip
@click.option(
    "--tag", "tags", multiple=True, default=["latest"], metavar="NAME",
    help="What the version is called from now on, too; may be given again.  [default: latest]",
)  # fmt: skip
@click.option(
    "--reread", is_flag=True, help="Read what is there already, too, and replace what is damaged."
)
def command(
    bundle: Path, url: str, name: str, version: str, tags: tuple[str, ...], reread: bool
) -> int:
    """Put BUNDLE into the store at URL: a folder, s3://, gs://, hf://, or what else fsspec knows.

    The version is visible whole or not at all, and never changes. Run again after an interruption,
    it uploads what is missing.

    \b
    maskport publish exports/demo s3://models/masks --version v1.2
    maskport publish exports/demo /srv/models --tag candidate
    """
    from ..artifacts.store import open_place, publish
    from ..artifacts.store.page import size_text
    from .live_view import ProgressBar

    place = open_place(url)
    if not is_whole(bundle, "published"):
        return 1
    kept = "what was uploaded is kept: run it again to go on from there."
    with resumable(kept), ProgressBar() as bar:
        bar.say("looking into the store")
        done = publish(
            bundle,
            place,
            name=name,
            version=version,
            tags=tags,
            reread=reread,
            watch=bar.watch,
        )
    sent = f"{done.sent} of {done.files} files uploaded, {size_text(done.sent_bytes)}"
    was = "was there already" if done.already else "is published"
    click.echo(f"{done.name} {done.version} {was} in {place.shown} ({sent}).")
    if done.signed:
        click.echo("Its signature is there, too.")
    click.echo(f"Tags that now mean it: {', '.join(done.tags)}.")
    return 0
