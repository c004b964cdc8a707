"""``maskport list``."""

from __future__ import annotations

import json
from pathlib import Path

import click

from .network_options import json_option

__all__ = ["command"]


@click.command(name="list")
@click.argument("url")
@json_option("Write what there is into this file, too.")
def command(url: str, json_out: Path | None) -> int:
    """List the bundles of the store at URL: names, versions, tags, and what is in them.

    It is read from what is there, so it is as true as the store.

    \b
    maskport list s3://models/masks
    maskport list /srv/models --json bundles.json
    """
    from ..artifacts.store import listed, open_place
    from ..artifacts.store.page import size_text, time_text
    from ..outputs import write_whole
    from .tables import print_table

    place = open_place(url)
    found = listed(place)
    if json_out is not None:
        rows = [
            {
                "name": one.name,
                "version": one.version,
                "tags": one.tags,
                "published": one.published and one.published.isoformat(),
                "bytes": one.bytes,
                "targets": one.targets,
                "license": one.license,
                "damage": one.damage,
            }
            for one in found
        ]
        write_whole(json_out, json.dumps(rows, indent=2) + "\n")
    if not found:
        click.echo(f"{place.shown} holds no bundles.", err=True)
        return 0
    print_table(
        ("name", "version", "tags", "published", "size", "targets"),
        [
            (
                *(one.name, one.version, ", ".join(one.tags), time_text(one.published)),
                "damaged" if one.damage else size_text(one.bytes),
                one.damage or ", ".join(one.targets),
            )
            for one in found
        ],
    )
    return int(any(one.damage for one in found))
