"""``maskport validate``."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import click

from ..validation.options import RunOptions
from .network_options import PATH
from .run_options import Judging, judging_options, resumable, run_options

__all__ = ["command"]


@click.command(name="validate")
@click.argument("bundle", type=PATH)
@click.option(
    "--images",
    metavar="PHOTOS",
    type=PATH,
    help="Folder or list file of photos; built-in scenes where left out.",
)
@click.option(
    "--masks",
    metavar="DIR",
    type=PATH,
    help="Ground-truth masks, named as the photos: adds the measures of salient objects.",
)
@judging_options
@click.option(
    "--html",
    metavar="DIR",
    type=PATH,
    help="Write a page with every mask, to look at: DIR/index.html, or a name ending in .html.",
)
@run_options
@click.option(
    "--runtime",
    default="",
    metavar="NAME",
    help="Another of the runtimes of a format: mediapipe for TFLite.",
)
@click.option("--no-latency", is_flag=True, help="Compare masks only.")
def command(
    bundle: Path,
    images: Path | None,
    masks: Path | None,
    judging: Judging,
    html: Path | None,
    options: RunOptions,
    runtime: str,
    no_latency: bool,
) -> int:
    """Compare every artifact of BUNDLE with PyTorch on the same photos, time it, and gate it.

    \b
    maskport validate exports/sky --images photos/ --html report
    maskport validate exports/sky --images photos/ --gate 'iou >= 0.99' --json results.json
    maskport validate exports/sky --baseline last-release.json --no-latency
    """
    if options.latency == "release" and no_latency:
        raise click.UsageError("--release and --no-latency exclude each other.")
    gates = judging.gates()
    from .run_view import RunView

    with resumable(), RunView() as view:
        view.say("loading PyTorch")
        from ..validation.gates import exit_code
        from ..validation.validate import validate_with

        options = replace(options, images=images, masks=masks, runtime=runtime)
        if no_latency:
            options = replace(options, latency="none")
        results = validate_with(
            bundle, options, gates, judging.older(), html, judging.write, view.watch
        )
    from .results_view import print_reference, print_truth, print_verdict

    print_reference(results, resume=options.resume)
    print_truth(results)
    print_verdict(results)
    return exit_code(results)
