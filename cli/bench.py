"""``maskport bench``."""

from __future__ import annotations

from pathlib import Path

import click

from .report_options import write_reports
from .run_options import chosen_targets, memory_bytes, resumable, run_options

__all__ = ["command"]

_PATH = click.Path(path_type=Path)


@click.command(name="bench")
@click.argument("bundle", type=_PATH)
@click.option(
    "--images",
    metavar="PHOTOS",
    type=_PATH,
    help="The first of these photos is used; a built-in scene where left out.",
)
@click.option("--json", "json_out", metavar="FILE", type=_PATH, help="Write everything found.")
@run_options
def command(
    bundle: Path,
    images: Path | None,
    json_out: Path | None,
    targets: str,
    network: str | None,
    weights: Path | None,
    weights_key: str | None,
    release: bool,
    threads: int | None,
    compute_units: str,
    time_limit: float | None,
    memory_limit: float | None,
    resume: bool,
) -> int:
    """Time the artifacts of BUNDLE beside PyTorch, taking turns; masks are not compared.

    \b
    maskport bench exports/sky --targets tflite,onnx --threads 1
    """
    from .run_view import RunView

    with resumable(), RunView() as view:
        view.say("loading PyTorch")
        from ..validation.gates import exit_code
        from ..validation.validate import bench

        results = bench(
            bundle,
            images=images,
            targets=chosen_targets(targets),
            network=network,
            weights=weights,
            weights_key=weights_key,
            latency="release" if release else "standard",
            threads=threads,
            time_limit=time_limit,
            memory_limit=memory_bytes(memory_limit),
            compute_units=compute_units,
            resume=resume,
            report=lambda results: write_reports(results, json_out, None, None),
            watch=view.watch,
        )
    from .results_view import print_latency, print_resumed

    print_resumed(results, resume=resume)
    print_latency(results)
    return exit_code(results)
