"""``maskport sensitivity``."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import click

from ..outputs import write_whole
from .network_options import checkpoint_options, chosen_spec, spec_options

__all__ = ["command"]

_FILE = click.Path(path_type=Path, dir_okay=False)


@click.command(name="sensitivity")
@click.argument("network")
@checkpoint_options
@click.option(
    "--calibration",
    metavar="PHOTOS",
    help="Folder or list file of photos that give the ranges, or scenes:N.",
)
@click.option(
    "--photos",
    metavar="PHOTOS",
    help="Folder or list file to compare masks on; eight calibration photos where left out.",
)
@click.option(
    "--ranges",
    type=click.Choice(["auto", "min-max", "percentile", "mse", "kl"]),
    default="auto",
    show_default=True,
    help="How photos give ranges; auto tries min-max and percentile.",
)
@click.option("--json", "json_out", metavar="FILE", type=_FILE, help="Write the table.")
@click.option("--plot", metavar="FILE", type=_FILE, help="Write the table as a picture (SVG).")
@spec_options
def command(
    network: str,
    weights: str | None,
    weights_key: str | None,
    size: str | None,
    calibration: str | None,
    photos: str | None,
    ranges: Any,
    json_out: Path | None,
    plot: Path | None,
    **options: Any,
) -> int:
    """Show what INT8 costs each part of NETWORK, of the catalog or package.module:factory.

    Each part is rounded alone while the rest stays in float, and its masks are compared with the
    float network's. The last columns say what the part would cost if it stayed in float: its share
    of the multiplications, and the time that adds, counted and not timed.

    \b
    maskport sensitivity demo
    maskport sensitivity u2netp --weights my.pth --calibration photos/ --plot sensitivity.svg
    """
    from .live_view import ProgressBar
    from .quantize_view import print_sensitivity

    with ProgressBar() as bar:
        bar.say("loading PyTorch")
        from ..api import sensitivity
        from ..quantization.recipe import named

        found = sensitivity(
            network,
            weights=weights,
            weights_key=weights_key,
            spec=chosen_spec(network, size, options),
            calibration=calibration,
            photos=photos,
            recipe=replace(named("best"), ranges=ranges),
            watch=bar.watch,
            note=bar.note,
        )
    print_sensitivity(found)
    if json_out is not None:
        values = {
            "photos": found.photos,
            "whole": asdict(found.whole),
            "parts": [part.to_dict() for part in found.parts],
        }
        write_whole(json_out, json.dumps(values, indent=2) + "\n")
    if plot is not None:
        from ..quantization.plot import sensitivity_svg

        write_whole(plot, sensitivity_svg(found))
    return 0
