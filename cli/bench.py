"""``maskport bench``."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path

import click

from ..validation.options import RunOptions
from .network_options import PATH, json_option
from .run_options import resumable, run_options

__all__ = ["command"]


@click.command(name="bench")
@click.argument("bundle", type=PATH)
@click.option(
    "--images",
    metavar="PHOTOS",
    type=PATH,
    help="The first of these photos is used; a built-in scene where left out.",
)
@json_option("Write everything found.")
@run_options
def command(bundle: Path, images: Path | None, json_out: Path | None, options: RunOptions) -> int:
    """Time the artifacts of BUNDLE beside PyTorch, taking turns; masks are not compared.

    \b
    maskport bench exports/sky --targets tflite,onnx --threads 1
    """
    from .run_view import RunView

    with resumable(), RunView() as view:
        view.say("loading PyTorch")
        from ..validation.gates import exit_code
        from ..validation.reports import write_json
        from ..validation.validate import bench_with

        report = None if json_out is None else partial(write_json, path=json_out)
        results = bench_with(bundle, replace(options, images=images), report, view.watch)
    from .results_view import print_latency, print_resumed

    print_resumed(results, resume=options.resume)
    print_latency(results)
    return exit_code(results)
