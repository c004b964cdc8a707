"""``maskport evaluate``."""

from __future__ import annotations

import json
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ..errors import UsageError
from ..outputs import write_whole
from .network_options import PATH, force_option, json_option, weights_key_option
from .tables import print_table

if TYPE_CHECKING:
    from ..training.evaluation import Evaluation

__all__ = ["command"]

_PAPER_COLUMNS = {
    "max_f_authors": "max-F",
    "mae": "MAE",
    "weighted_f": "weighted F",
    "s_measure": "S",
    "relaxed_boundary_f": "boundary F",
}


@click.command(name="evaluate")
@click.argument("what", metavar="WEIGHTS_OR_ARTIFACT")
@click.option(
    "--images",
    metavar="PHOTOS",
    type=PATH,
    help="Folder or list file of photos; without --masks a published data set's folder.",
)
@click.option("--masks", metavar="DIR", type=PATH, help="Ground truth, named as the photos.")
@click.option(
    "--scenes",
    metavar="N",
    type=click.IntRange(1),
    help="Instead of --images: N generated scenes that nothing was trained on.",
)
@click.option(
    "--network",
    metavar="NAME",
    help="Whose weights a file has: a name of the catalog, or package.module:factory.  "
    "[default: u2netp]",
)
@click.option(
    "--size",
    type=click.IntRange(16),
    help="Of a checkpoint's photos, as it was trained or exported.  [default: the network's, 320]",
)
@weights_key_option
@click.option("--paper", is_flag=True, help="Beside the table of U²-Net's paper.")
@json_option("Write everything measured.")
@click.option("--threads", type=click.IntRange(1), help="CPU threads of an artifact's runtime.")
@force_option
def command(
    what: str,
    images: Path | None,
    masks: Path | None,
    scenes: int | None,
    network: str | None,
    size: int | None,
    weights_key: str | None,
    paper: bool,
    json_out: Path | None,
    threads: int | None,
    force: bool,
) -> int:
    """Measure WEIGHTS_OR_ARTIFACT over photos with ground truth.

    A file that lies in a bundle is run as an app would run it; any other is a checkpoint, which
    PyTorch runs, and so are the weights of a name of the catalog.

    \b
    maskport evaluate demo --scenes 500
    maskport evaluate u2netp.pth --images ECSSD --paper
    maskport evaluate exports/u2netp/u2netp-tflite-int8.tflite --images photos/ --masks masks/
    """
    from .live_view import ProgressBar

    if (images is None) == (scenes is None):
        raise UsageError(
            "There is nothing to measure on." if images is None else "Photos are given twice.",
            "Give --images and --masks, or --scenes N.",
        )
    if masks is not None and images is None:
        raise UsageError("There are --masks and no --images.", "Generated scenes have their own.")
    if json_out is not None and not json_out.absolute().parent.is_dir():
        raise UsageError(f"There is no folder for {json_out}.", "Make it, or give another --json.")
    with ProgressBar() as bar, ExitStack() as stack:
        bar.say("loading PyTorch")
        from ..training.datasets import find_pairs
        from ..training.evaluation import evaluate, of_pairs, of_scenes
        from ..validation.evaluated import open_evaluated

        def left_out(reason: str) -> None:
            bar.note(f"Photos left out: {reason}")

        pairs = find_pairs(images, masks, left_out) if images is not None else []
        opened = open_evaluated(what, network, threads, size, weights_key, force=force)
        found = stack.enter_context(opened)
        if found.taken:
            bar.note(f"Weights of {what}: {found.taken}")
        bar.say(f"measuring {found.name}")
        samples = of_pairs(pairs) or of_scenes(scenes or 0, found.spec.image)
        result = evaluate(found.draw, samples, found.spec, bar.count)
    _print(result, found.name, found.family if paper else None, images)
    if json_out is not None:
        values = {
            "what": found.name,
            "photos": result.photos,
            "scores": dict(result.scores),
            "by_photo": {name: dict(one) for name, one in result.by_photo.items()},
        }
        write_whole(json_out, json.dumps(values, indent=2) + "\n")
    return 0


def _print(found: Evaluation, name: str, network: str | None, images: Path | None) -> None:
    """Every measure; beside the paper's table of ``network`` where that is given."""
    if network is None:
        rows = [(measure, f"{value:.4f}") for measure, value in found.scores.items()]
        print_table((name, f"{found.photos} photos"), rows)
        return
    from ..training.evaluation import PAPER, paper_set

    here = paper_set(str(images or ""))
    rows_of_table = [_row(f"{name}, {found.photos} photos", found.scores, 4)]
    for data_set, row in PAPER.items():
        if network in row.scores and here in {None, data_set}:
            label = f"paper, {network}, {data_set} ({row.photos})"
            rows_of_table.append(_row(label, row.scores[network], 3))
    print_table(("", *_PAPER_COLUMNS.values()), rows_of_table)
    if len(rows_of_table) == 1:
        click.echo("The paper has no numbers of this network.")


def _row(label: str, scores: object, digits: int) -> tuple[str, ...]:
    values = dict(scores)  # type: ignore[call-overload]
    return (label, *(f"{values[name]:.{digits}f}" for name in _PAPER_COLUMNS))
