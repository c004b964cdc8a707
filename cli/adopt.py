"""``maskport adopt``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from .network_options import (
    catalog_entry,
    checkpoint_options,
    chosen_spec,
    gigabytes,
    memory_limit_option,
    spec_options,
    time_limit_option,
)

__all__ = ["command"]


@click.command(name="adopt")
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option(
    "--network",
    required=True,
    help="What the files draw: a name of the catalog, or package.module:factory of your own.",
)
@checkpoint_options
@click.option(
    "--photos",
    metavar="PHOTOS",
    type=click.Path(path_type=Path),
    help="Folder or list file of photos to try the files on; generated scenes where left out.",
)
@click.option(
    "--out",
    metavar="DIR",
    required=True,
    type=click.Path(path_type=Path),
    help="The bundle's folder.",
)
@spec_options
@click.option("--name", help="Begins the files' names; the network's own name where left out.")
@click.option("--license", default="", help="Of the weights, for the manifest.")
@click.option("--source", default="", help="Where the weights are from, for the manifest.")
@time_limit_option("For loading a file, and for one photo in it.  [default: 120]")
@memory_limit_option
def command(
    files: tuple[Path, ...],
    network: str,
    weights: str | None,
    weights_key: str | None,
    size: str | None,
    photos: Path | None,
    out: Path,
    name: str | None,
    license: str,
    source: str,
    time_limit: float | None,
    memory_limit: float | None,
    **options: Any,
) -> None:
    """Make a bundle of FILES that other tools made, to validate, gate and compare as ours.

    How each wants its photo (layout, values, normalization, order of colours) and how its output is
    read (which of several, activation, polarity) is found by trying the usual ways beside PyTorch,
    said, and written into the manifest. Files are run in processes of their own.

    \b
    maskport adopt u2netp.onnx --network u2netp --weights u2netp.pth --out exports/theirs
    maskport validate exports/theirs --images photos/
    """
    from .live_view import ProgressBar
    from .tables import print_table

    with ProgressBar() as bar:
        bar.say("loading PyTorch")
        from ..api import adopt

        # The files say the size where nothing else does.
        said = size or options["spec_file"] or catalog_entry(network)
        spec = chosen_spec(network, size if said else "1x1", options, name)
        bundle, ways = adopt(
            files,
            network=network,
            weights=weights,
            weights_key=weights_key,
            spec=spec,
            size=size,
            photos=photos,
            out=out,
            license=license,
            source=source,
            time_limit=time_limit,
            memory_limit=gigabytes(memory_limit),
            watch=bar.say,
        )
    artifacts = bundle.manifest.artifacts
    print_table(
        ["File", "Target", "Precision", "Fed, and read", "MAE", "IoU"],
        [
            [file.name, a.target, a.precision, way.text, f"{way.mae:.2e}", f"{way.iou:.4f}"]
            for file, a, way in zip(files, artifacts, ways, strict=True)
        ],
    )
    for file, way in zip(files, ways, strict=True):
        if way.same:
            click.echo(f"{file.name}: on these photos the same as {'; '.join(way.same)}.")
    click.echo(f"{len(artifacts)} artifacts, in {bundle.path}")
