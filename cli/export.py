"""``maskport export``."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from .network_options import (
    PATH,
    catalog_entry,
    chosen_spec,
    listed,
    prefer_option,
    size_option,
    spec_options,
    weights_key_option,
    weights_option,
)

if TYPE_CHECKING:
    from ..artifacts.manifest import Failure

__all__ = ["command", "exit_code"]


@click.command(name="export", short_help="Export a checkpoint to the files that phones run.")
@click.argument("network")
@weights_option
@weights_key_option
@click.option(
    "--targets",
    default="all",
    show_default=True,
    metavar="NAMES",
    help="Targets or formats, separated by commas; see `maskport targets`.",
)
@size_option
@click.option(
    "--calibration",
    metavar="PHOTOS",
    help="Folder or list file of photos that give INT8 files their ranges, or scenes:N for "
    "generated ones.",
)
@click.option(
    "--photos",
    metavar="PHOTOS",
    type=PATH,
    help="Folder or list file of photos to check every file on; calibration photos or generated "
    "scenes where left out.",
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
    "--out", metavar="DIR", type=PATH, help=("The bundle's folder.  [default: exports/NAME-SIZE]")
)
@spec_options
@click.option("--name", help="Begins the files' names; the network's own name where left out.")
@click.option(
    "--coreml-output",
    type=click.Choice(["image", "half", "multiarray"]),
    default="image",
    show_default=True,
    help="What Core ML files give: an image of bytes, one of float16 values, or an array.",
)
@click.option(
    "--flexible",
    default="",
    metavar="SIZES",
    help="Sizes that Core ML files take beside the network's own, each of them checked: "
    "512,512x320 (height x width).",
)
@click.option(
    "--layout",
    type=click.Choice(["nhwc", "nchw"]),
    default="nhwc",
    show_default=True,
    help="Of image and mask in TFLite files; nchw for apps that feed planes. MediaPipe wants nhwc.",
)
@click.option("--author", default="", help="Embedded in the files.")
@click.option("--license", default="", help="Of the weights; embedded in the files.")
@click.option("--source", default="", help="Where the weights are from, for the manifest.")
@click.option("--jobs", type=click.IntRange(1), help="Processes at once.")
@click.option(
    "--no-cache",
    is_flag=True,
    help="Make everything, take nothing from the cache, and keep nothing there.",
)
def command(
    network: str,
    weights: str | None,
    weights_key: str | None,
    targets: str,
    size: str | None,
    name: str | None,
    calibration: str | None,
    photos: Path | None,
    recipe: str | None,
    budgets: tuple[str, ...],
    prefer: Any,
    out: Path | None,
    coreml_output: Any,
    flexible: str,
    layout: str,
    author: str,
    license: str,
    source: str,
    jobs: int | None,
    no_cache: bool,
    **options: Any,
) -> int:
    """Export NETWORK to files for phones, each checked against PyTorch, as one bundle.

    NETWORK is a name of the catalog (`maskport catalog`) or package.module:factory of your own.

    \b
    maskport export demo
    maskport export u2netp --targets coreml-fp16,tflite-fp16
    maskport export u2netp --weights my.pth --calibration photos/ --out exports/mine
    maskport export u2netp --targets coreml --flexible 512,512x320
    maskport export u2netp --targets tflite-mixed --calibration photos/ --budget 'iou>=0.9995'
    maskport export nets.sky:SkyNet --weights sky.pth --size 384 --activation sigmoid
    """
    # Torch's threads sleep while they wait: lanes need the processor.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    from ..exporters.targets import select
    from ..models import catalog
    from .export_view import ExportView

    known = catalog.CATALOG.get(network)
    names = listed(targets)
    rows = select(names, calibrated=bool(calibration or (known and known.calibration)))
    if without := [row.name for row in select(names) if row not in rows]:
        click.echo(f"Left out without --calibration: {', '.join(without)}.", err=True)
    with ExportView(rows) as view:
        from ..exporting import export
        from ..models.download import fetch

        entry = catalog_entry(network)
        if entry is not None and weights is None:
            with view.paused():
                fetch(entry)
        spec = chosen_spec(network, size, options, name)
        bundle = export(
            network,
            weights=weights,
            weights_key=weights_key,
            spec=spec,
            targets=[row.name for row in rows],
            calibration=calibration,
            photos=photos,
            recipe=recipe,
            budget=",".join(budgets) or None,
            prefer=prefer,
            out=out,
            coreml_output=coreml_output,
            coreml_sizes=listed(flexible),
            tflite_layout="NCHW" if layout == "nchw" else "NHWC",
            author=author,
            license=license,
            source=source,
            jobs=jobs,
            cache=not no_cache,
            watch=view.watch,
        )
    view.summarize(bundle)
    return exit_code(bundle.manifest.failures)


def exit_code(failures: Sequence[Failure]) -> int:
    """0 where all was made, 1 where nothing but budgets was missed, 3 where a tool failed."""
    if not failures:
        return 0
    return 1 if all(failure.missed for failure in failures) else 3
