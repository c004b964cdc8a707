"""``maskport drift``."""

from __future__ import annotations

from pathlib import Path

import click

from ..validation.options import NetworkOptions
from .network_options import PATH, force_option, json_option
from .run_options import reference_options

__all__ = ["command"]


@click.command(name="drift")
@click.argument("artifact", type=PATH)
@click.option(
    "--target", metavar="NAME", help="Which artifact, where ARTIFACT is a bundle or copy."
)
@click.option("--bundle", metavar="DIR", type=PATH, help="The bundle that ARTIFACT is a copy from.")
@click.option(
    "--images",
    metavar="PHOTOS",
    type=PATH,
    help="Folder or list file of photos; built-in scenes where left out.",
)
@click.option(
    "--count",
    type=click.IntRange(1),
    default=3,
    show_default=True,
    help="How many photos to take, evenly spaced over those given.",
)
@click.option(
    "--tolerance",
    type=click.FloatRange(0, min_open=True),
    metavar="ERROR",
    help="What a module may add: RMSE / RMS.  [default: by precision, see docs/drift.md]",
)
@json_option("Write everything found.")
@click.option(
    "--plot", metavar="FILE", type=PATH, help="Draw error by module: .svg, .png or .html."
)
@reference_options
@click.option("--threads", type=click.IntRange(1), help="CPU threads of the artifact's runtime.")
@force_option
def command(
    artifact: Path,
    target: str | None,
    bundle: Path | None,
    images: Path | None,
    count: int,
    tolerance: float | None,
    json_out: Path | None,
    plot: Path | None,
    network: NetworkOptions,
    threads: int | None,
    force: bool,
) -> int:
    """Find where ARTIFACT and the PyTorch network part ways, module by module.

    ARTIFACT is an ONNX, TFLite or Core ML file of a bundle, or a bundle with --target.
    Exit code 1 where a module adds more than the tolerance.

    \b
    maskport drift exports/sky/u2netp-tflite-int8.tflite --images photos/
    maskport drift exports/sky --target coreml-fp16 --plot drift.html --json drift.json
    maskport drift edited.onnx --bundle exports/sky --target onnx-fp32 --force
    """
    from .drift_view import DriftView

    with DriftView() as view:
        view.say("loading PyTorch")
        from ..validation.drift.find import find_drift
        from ..validation.drift.findings import check_json, write_json
        from ..validation.drift.locate import locate
        from ..validation.drift.pictures import check_picture, write_picture

        if plot is not None:
            check_picture(plot)
        if json_out is not None:
            check_json(json_out)
        located = locate(artifact, bundle, target)
        if force:
            view.located(located)
        drift = find_drift(
            located,
            network,
            images=images,
            count=count,
            tolerance=tolerance,
            threads=threads,
            force=force,
            step=view.say,
            note=view.note,
        )
    view.summarize(drift)
    if json_out is not None:
        write_json(located, drift, json_out)
    if plot is not None:
        write_picture(drift, plot)
    return 1 if drift.past else 0
