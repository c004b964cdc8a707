"""``maskport drift``."""

from __future__ import annotations

from pathlib import Path

import click

from .network_options import weights_key_option

__all__ = ["command"]

_PATH = click.Path(path_type=Path)


@click.command(name="drift")
@click.argument("artifact", type=_PATH)
@click.option(
    "--target", metavar="NAME", help="Which artifact, where ARTIFACT is a bundle or copy."
)
@click.option(
    "--bundle", metavar="DIR", type=_PATH, help="The bundle that ARTIFACT is a copy from."
)
@click.option(
    "--images",
    metavar="PHOTOS",
    type=_PATH,
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
@click.option("--json", "json_out", metavar="FILE", type=_PATH, help="Write everything found.")
@click.option(
    "--plot", metavar="FILE", type=_PATH, help="Draw error by module: .svg, .png or .html."
)
@click.option(
    "--network",
    metavar="NAME",
    help="package.module:factory of a network that is not of the catalog.",
)
@click.option(
    "--weights",
    metavar="FILE",
    type=_PATH,
    help="The checkpoint, instead of the weights that the bundle holds.",
)
@weights_key_option
@click.option("--threads", type=click.IntRange(1), help="CPU threads of the artifact's runtime.")
def command(
    artifact: Path,
    target: str | None,
    bundle: Path | None,
    images: Path | None,
    count: int,
    tolerance: float | None,
    json_out: Path | None,
    plot: Path | None,
    network: str | None,
    weights: Path | None,
    weights_key: str | None,
    threads: int | None,
) -> int:
    """Find where ARTIFACT and the PyTorch network part ways, module by module.

    ARTIFACT is an ONNX, TFLite or Core ML file of a bundle, or a bundle with --target.
    Exit code 1 where a module adds more than the tolerance.

    \b
    maskport drift exports/sky/u2netp-tflite-int8.tflite --images photos/
    maskport drift exports/sky --target coreml-fp16 --plot drift.html --json drift.json
    maskport drift edited.onnx --bundle exports/sky --target onnx-fp32
    """
    from .drift_view import DriftView

    with DriftView() as view:
        view.say("loading PyTorch")
        from ..validation.drift.find import find_drift
        from ..validation.drift.pictures import check_picture, write_picture
        from ..validation.drift.record import check_json, write_json

        if plot is not None:
            check_picture(plot)
        if json_out is not None:
            check_json(json_out)
        found = find_drift(
            artifact,
            target=target,
            bundle=bundle,
            images=images,
            count=count,
            tolerance=tolerance,
            network=network,
            weights=weights,
            weights_key=weights_key,
            threads=threads,
            located=view.located,
            step=view.say,
            note=view.note,
        )
    view.summarize(found.drift)
    if json_out is not None:
        write_json(found, json_out)
    if plot is not None:
        write_picture(found.drift, plot)
    return 1 if found.drift.past else 0
