"""``maskport quantize``."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from ..errors import UsageError
from ..outputs import write_whole
from .network_options import checkpoint_options, chosen_spec, prefer_option, spec_options

__all__ = ["command"]

_FILE = click.Path(path_type=Path, dir_okay=False)


@click.command(name="quantize", context_settings={"show_default": True})
@click.argument("network")
@click.option(
    "--budget",
    "budgets",
    multiple=True,
    metavar="TERMS",
    default=["iou>=0.999"],
    help="What masks must hold: iou, worst_iou (>=), mae, worst_mae (<=), and time<=1.35, in "
    "the integer network's; several with commas.",
)
@prefer_option
@click.option(
    "--recipe",
    metavar="FILE|NAME",
    default="best",
    help="What is done to the parts in integers: a TOML file, best or plain.",
)
@checkpoint_options
@click.option(
    "--calibration",
    metavar="PHOTOS",
    help="Folder or list file of photos to search on, or scenes:N.",
)
@click.option(
    "--photos",
    metavar="PHOTOS",
    help="Folder or list file to verify on; every third calibration photo where left out.",
)
@click.option(
    "--out", metavar="FILE", type=_FILE, default="recipe.toml", help="Where the recipe is written."
)
@click.option("--json", "json_out", metavar="FILE", type=_FILE, help="Write all that was tried.")
@click.option(
    "--finetune",
    metavar="STEPS",
    type=click.IntRange(0),
    help="Where no mix holds the budget within its time<=: fine-tune what came nearest for so many "
    "steps against the network's own masks, without labels. Some hundreds; what is interrupted "
    "goes on when run again.",
)
@spec_options
def command(
    network: str,
    budgets: tuple[str, ...],
    prefer: Any,
    recipe: str,
    weights: str | None,
    weights_key: str | None,
    size: str | None,
    calibration: str | None,
    photos: str | None,
    out: Path,
    json_out: Path | None,
    finetune: int | None,
    **options: Any,
) -> int:
    """Find the fastest recipe whose masks hold a budget: which parts of NETWORK stay in float.

    Parts go into float by what they win for the time they cost, until the budget holds; the recipe
    is verified on other photos, and where it fails there, more parts join. Where none is found, no
    recipe is written and the exit code is 1. NETWORK is a name of the catalog or
    package.module:factory of your own.

    \b
    maskport quantize demo --budget 'iou>=0.998' --out demo.toml
    maskport quantize u2netp --calibration photos/ --budget 'iou>=0.9995,mae<=0.0005'
    maskport quantize u2netp --calibration photos/ --budget 'mae<=0.0005,time<=1.2' --finetune 200
    maskport export u2netp --calibration photos/ --targets tflite-mixed --recipe recipe.toml
    """
    for option, file in (("--out", out), ("--json", json_out)):
        if file is not None and not file.absolute().parent.is_dir():
            raise UsageError(
                f"There is no folder for {file}.", f"Make it, or give another {option}."
            )
    from .live_view import ProgressBar
    from .quantize_view import print_mix, to_dict, try_line

    with ProgressBar() as bar:
        bar.say("loading PyTorch")
        from ..api import quantize
        from ..quantization.recipe import recipe_of, write_recipe

        base = recipe_of(recipe)
        found = quantize(
            network,
            budget=",".join(budgets),
            prefer=prefer,
            weights=weights,
            weights_key=weights_key,
            spec=chosen_spec(network, size, options),
            calibration=calibration,
            photos=photos,
            recipe=base if finetune is None else replace(base, finetune=finetune),
            watch=bar.watch,
            tell=lambda tried: bar.note(try_line(tried)),
            note=bar.note,
        )
    print_mix(found)
    if json_out is not None:
        write_whole(json_out, json.dumps(to_dict(found), indent=2) + "\n")
    if not found.found.holds:
        return 1
    write_recipe(found.recipe, out)
    click.echo(f"{out} is the recipe; `maskport export … --recipe {out}` makes files by it.")
    if photos is None:
        click.echo(
            "A third of the calibration photos was kept apart to verify on. An export calibrates "
            "on all that it is given, so judge its files by `maskport validate`."
        )
    return 0
