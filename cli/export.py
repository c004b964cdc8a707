"""``maskport export``."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from .network_options import prefer_option, size_option

__all__ = ["command"]


@click.command(name="export", short_help="Export a checkpoint to the files that phones run.")
@click.argument("network")
@click.option(
    "--weights",
    metavar="FILE",
    help=(
        "A .pth, .pt, .safetensors or .onnx file, or random:SEED. Left out, a catalog network's "
        "weights come with maskport (demo) or are fetched."
    ),
)
@click.option(
    "--targets",
    default="all",
    show_default=True,
    metavar="NAMES",
    help=("Targets or formats, separated by commas; see `maskport targets`."),
)
@size_option
@click.option(
    "--calibration",
    metavar="PHOTOS",
    help=(
        "Folder or list file of photos that give INT8 files their ranges, or scenes:N for "
        "generated ones."
    ),
)
@click.option(
    "--photos",
    metavar="PHOTOS",
    type=click.Path(path_type=Path),
    help=(
        "Folder or list file of photos to check every file on; calibration photos or generated "
        "scenes where left out."
    ),
)
@click.option(
    "--recipe",
    metavar="FILE|NAME",
    help="TOML file that says how integer targets are quantised (`maskport quantize`), or plain.",
)
@click.option(
    "--budget",
    "budgets",
    multiple=True,
    metavar="TERMS",
    help="What tflite-mixed must hold: iou, worst_iou (>=), mae, worst_mae (<=), time<=1.35; see "
    "`maskport quantize`.  [default: iou>=0.999]",
)
@prefer_option
@click.option(
    "--out",
    metavar="DIR",
    type=click.Path(path_type=Path),
    help=("The bundle's folder.  [default: exports/NAME-SIZE]"),
)
@click.option(
    "--spec",
    "spec_file",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help=("TOML file with the options below, for a network of your own."),
)
@click.option("--name", help="Begins the files' names; the network's own name where left out.")
@click.option("--output", help="Which of several outputs is the mask: a position or a key.")
@click.option("--mean", metavar="R,G,B", help="Subtracted per channel.")
@click.option("--std", metavar="R,G,B", help="Divided by per channel.")
@click.option("--colour-order", type=click.Choice(["RGB", "BGR"]), help="What it was trained on.")
@click.option("--value-range", metavar="LOW,HIGH", help="Values of black and white, 0,1 or 0,255.")
@click.option(
    "--divide-by",
    type=click.Choice(["255", "image-maximum"]),
    help=("What brings a photo's bytes to [0, 1]."),
)
@click.option("--channels", type=int, help="Planes of the mask.")
@click.option(
    "--activation",
    type=click.Choice(["none", "sigmoid", "softmax"]),
    help=("What still turns the output into a mask."),
)
@click.option("--inverted/--not-inverted", default=None, help="The mask is 1 - output.")
@click.option(
    "--normalisation",
    type=click.Choice(["none", "min-max"]),
    help="What the app does with a mask: stretch it to its own extremes, or nothing.",
)
@click.option(
    "--resize-filter",
    type=click.Choice(["bilinear", "bicubic", "lanczos", "nearest"]),
    help="What brings photos to the network's size.",
)
@click.option("--threshold", type=float, help="From which a pixel belongs to the object.")
@click.option("--labels", metavar="A,B", help="Names of the mask's planes.")
@click.option(
    "--coreml-output",
    type=click.Choice(["image", "multiarray"]),
    default="image",
    show_default=True,
    help="What Core ML files give.",
)
@click.option("--author", default="", help="Embedded in the files.")
@click.option("--licence", default="", help="Of the weights; embedded in the files.")
@click.option("--source", default="", help="Where the weights are from, for the manifest.")
@click.option("--jobs", type=click.IntRange(1), help="Processes at once.")
def command(
    network: str,
    weights: str | None,
    targets: str,
    size: str | None,
    spec_file: Path | None,
    name: str | None,
    calibration: str | None,
    photos: Path | None,
    recipe: str | None,
    budgets: tuple[str, ...],
    prefer: Any,
    out: Path | None,
    coreml_output: Any,
    author: str,
    licence: str,
    source: str,
    jobs: int | None,
    **options: Any,
) -> int:
    """Export NETWORK to files for phones, each checked against PyTorch, as one bundle.

    NETWORK is a name of the catalog (`maskport catalog`) or package.module:factory of your own.

    \b
    maskport export demo
    maskport export u2netp --targets coreml-fp16,tflite-fp16
    maskport export u2netp --weights my.pth --calibration photos/ --out exports/mine
    maskport export u2netp --targets tflite-mixed --calibration photos/ --budget 'iou>=0.9995'
    maskport export nets.sky:SkyNet --weights sky.pth --size 384 --activation sigmoid
    """
    from ..exporters.registry import select
    from ..models import catalog
    from .export_view import ExportView

    known = catalog.CATALOG.get(network)
    names = [part.strip() for part in targets.split(",") if part.strip()]
    rows = select(names, calibrated=bool(calibration or (known and known.calibration)))
    if without := [row.name for row in select(names) if row not in rows]:
        click.echo(f"Left out without --calibration: {', '.join(without)}.", err=True)
    with ExportView(rows) as view:
        view.say("loading PyTorch")
        from ..api import export
        from ..models import factory
        from ..models.download import fetch

        own = ":" in network
        entry = None if own else catalog.entry(network)
        if entry is not None and weights is None:
            with view.paused():
                fetch(entry)
        options["size"] = size
        if spec_file is not None:
            base = factory.spec_from_toml(spec_file)
            spec = factory.with_options(base, options)
        elif entry is not None:
            spec = factory.with_options(entry.spec, options)
        else:
            spec = factory.spec_from_options(name or factory.plain_name(network), options)
        if name is not None:
            spec = replace(spec, name=name)
        bundle = export(
            network,
            weights=weights,
            spec=spec,
            targets=[row.name for row in rows],
            calibration=calibration,
            photos=photos,
            recipe=recipe,
            budget=",".join(budgets) or None,
            prefer=prefer,
            out=out,
            coreml_output=coreml_output,
            author=author,
            licence=licence,
            source=source,
            jobs=jobs,
            watch=view.watch,
        )
    view.summarise(bundle)
    return 3 if bundle.manifest.failures else 0
