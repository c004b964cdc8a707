"""``maskport train``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

from .network_options import weights_key_option

__all__ = ["command"]


@click.command(name="train", context_settings={"show_default": True})
@click.option(
    "--images",
    metavar="DIR",
    multiple=True,
    help="Photos to train on; without --masks, a data set's folder as it is published. "
    "Can be given again, for several folders.",
)
@click.option("--masks", metavar="DIR", multiple=True, help="Their masks, named as the photos.")
@click.option("--val-images", metavar="DIR", multiple=True, help="Photos to score on.")
@click.option("--val-masks", metavar="DIR", multiple=True, help="Their masks.")
@click.option(
    "--scenes",
    type=click.IntRange(0),
    default=0,
    show_default=False,
    metavar="N",
    help="Add N generated scenes to every epoch, new ones each time.",
)
@click.option(
    "--val-scenes",
    type=click.IntRange(0),
    default=0,
    show_default=False,
    metavar="N",
    help="Score on N generated scenes that are never trained on.",
)
@click.option(
    "--network",
    metavar="NAME",
    help="u2netp, u2net, isnet, basnet, or package.module:factory.  [required]",
)
@click.option(
    "--init",
    default="random",
    metavar="NAME|FILE",
    help="Weights to start from: random, a name of the catalog, or a file.",
)
@weights_key_option
@click.option("--out", type=click.Path(path_type=Path), required=True, metavar="DIR",
              help="Folder for weights, state and logs.")  # fmt: skip
@click.option("--resume", is_flag=True, help="Go on with the run in --out.")
@click.option("--epochs", type=click.FloatRange(0, min_open=True), help="Length of the run.")
@click.option("--steps", type=click.IntRange(1), help="Length of the run, instead of --epochs.")
@click.option(
    "--every",
    type=click.IntRange(1),
    metavar="STEPS",
    help="Between two scorings.  [default: an epoch]",
)
@click.option("--size", type=click.IntRange(16), default=320, help="Photos are resized to.")
@click.option("--crop", type=click.IntRange(16), default=288, help="Cut out at random.")
@click.option("--flips", type=click.Choice(["none", "horizontal", "both"]), default="horizontal")
@click.option(
    "--color",
    type=click.FloatRange(0, 1),
    default=0.5,
    help="Strength of changes of light and colour; the authors' training has none: 0.",
)
@click.option("--batch", type=click.IntRange(1), default=12, help="Over all processes.")
@click.option("--seed", type=click.IntRange(0, 2**31 - 1), default=0)
@click.option(
    "--loss",
    type=click.Choice(["bce", "bce+iou", "bce+iou+ssim"]),
    default="bce",
    help="Of each of the network's maps: U²-Net's, or with BASNet's terms.",
)
@click.option(
    "--optimizer",
    type=click.Choice(["adam", "adamw"]),
    default="adam",
    help="Adam is the authors'.",
)
@click.option("--learning-rate", type=click.FloatRange(0, min_open=True), default=1e-3)
@click.option("--weight-decay", type=click.FloatRange(0), default=0.01, help="Of AdamW.")
@click.option(
    "--schedule",
    type=click.Choice(["constant", "cosine"]),
    default="constant",
    help="Cosine lets the learning rate fall to 0.",
)
@click.option(
    "--warmup",
    type=click.IntRange(0),
    default=0,
    metavar="STEPS",
    help="Over which the learning rate rises.",
)
@click.option(
    "--precision",
    type=click.Choice(["auto", "fp32", "bf16"]),
    default="auto",
    help="auto takes bfloat16 where it is faster.",
)
@click.option("--device", default="auto", help="cuda, mps, cpu.")
@click.option(
    "--threads",
    type=click.IntRange(1),
    help="CPU threads; 1 is faster where others use the cores.  [default: cores]",
)
@click.option(
    "--workers",
    type=click.IntRange(0),
    help="Processes that load samples.  [default: cores - 1, at most 8]",
)
def command(out: Path, resume: bool, **options: Any) -> int:
    """Train or fine-tune a network on photos with masks, or on generated scenes.

    \b
    maskport train --images DUTS-TR --network u2netp --epochs 300 --out runs/duts
    maskport train --images photos --masks masks --network u2netp --init u2netp \\
        --val-images more --val-masks more-masks --epochs 20 --out runs/mine
    maskport train --resume --out runs/mine
    torchrun --nproc-per-node 4 -m maskport train ...
    """
    from .main import INTERRUPTED
    from .train_view import TrainView, duration

    with TrainView() as view:
        from ..training.config import TrainingConfig, read_config, resumed
        from ..training.loop import CONFIG, train

        if resume:
            given = {name: value for name, value in options.items() if _is_given(name)}
            config = resumed(read_config(out / CONFIG), given)
        elif options["network"] is None:
            raise click.UsageError("Missing option '--network'.")
        else:
            config = TrainingConfig(**options)
        finished = train(config, out, resume=resume, watch=view.watch)
    if not finished.complete and not finished.writes:
        return INTERRUPTED  # one of several processes, of which the first says it
    if not finished.complete:
        raise KeyboardInterrupt(
            f"step {finished.step} of {finished.steps} is kept: "
            f"maskport train --resume --out {out} goes on from there."
        )
    if finished.writes:
        _report(config.network, config.size, out, finished.best, duration(finished.seconds))
    return 0


def _is_given(name: str) -> bool:
    return click.get_current_context().get_parameter_source(name) is ParameterSource.COMMANDLINE


def _report(network: str, size: int, out: Path, best: dict[str, float], took: str) -> None:
    from ..training.checkpoint import BEST

    scores = f"mean loss {best['loss']:.4f}"
    if "max_f" in best:
        scores = f"max-F {best['max_f']:.4f}, MAE {best['mae']:.4f}"
    click.echo(f"{out / BEST}: {scores}, of step {best['step']:.0f}; {took}.")
    click.echo(f"Export it: maskport export {network} --size {size} --weights {out / BEST}")
