"""Options that several commands have in common, and how they are put together."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import reduce, wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ..cores import usable_cores

if TYPE_CHECKING:
    from ..models.catalog import Entry
    from ..specs import ModelSpec

__all__ = [
    "PATH",
    "catalog_entry",
    "checkpoint_options",
    "chosen_spec",
    "force_option",
    "gathered",
    "json_option",
    "listed",
    "prefer_option",
    "require_signature_option",
    "size_option",
    "spec_options",
    "together",
    "weights_key_option",
    "weights_option",
    "workers_of",
]

Command = Callable[..., Any]
Decorator = Callable[[Command], Command]

PATH = click.Path(path_type=Path)


def together(*options: Decorator) -> Decorator:
    """Several options as one decorator, in the order of the help page."""
    return lambda command: reduce(lambda done, option: option(done), reversed(options), command)


def gathered(parameter: str, make: Callable[..., object], *options: Decorator) -> Decorator:
    """Several options as one decorator, whose values a command takes as one parameter: what
    ``make`` makes of them."""
    names = [option.name for option in click.command()(together(*options)(lambda: None)).params]

    def add(command: Command) -> Command:
        @wraps(command)
        def taking(**values: Any) -> Any:
            made = make(**{name: values.pop(name) for name in names})
            return command(**{parameter: made}, **values)

        return together(*options)(taking)

    return add


def json_option(what: str) -> Decorator:
    """``--json FILE``, the parameter ``json_out``."""
    return click.option("--json", "json_out", metavar="FILE", type=PATH, help=what)


def listed(names: str) -> list[str]:
    """What an option holds that takes several names, with commas between them."""
    return [name.strip() for name in names.split(",") if name.strip()]


weights_option = click.option(
    "--weights",
    metavar="FILE",
    help="A checkpoint of PyTorch (.pth, .pt, .ckpt, …), a .safetensors or .onnx file, or "
    "random:SEED. Where left out: what a factory gives, or the catalog's own, which come with "
    "maskport (demo) or are fetched.",
)
weights_key_option = click.option(
    "--weights-key",
    metavar="KEY",
    help="Which weights, where the file holds several sets: ema, or a path such as state_dict.net.",
)
size_option = click.option(
    "--size", metavar="SIDE", help="320 for a square, 320x480 for height x width."
)
memory_limit_option = click.option(
    "--memory-limit",
    type=click.FloatRange(0, min_open=True),
    metavar="GB",
    help="For the process of one file.  [default: half of the memory]",
)


force_option = click.option(
    "--force",
    is_flag=True,
    help="Run a bundle's file although its checksum isn't the manifest's.",
)


require_signature_option = click.option(
    "--require-signature",
    metavar="FILE",
    type=PATH,
    help="Refuse a bundle that isn't signed by this public key, or below this root certificate.",
)


def time_limit_option(says: str) -> Decorator:
    """``--time-limit SECONDS``, and of what."""
    return click.option(
        "--time-limit",
        type=click.FloatRange(0, min_open=True),
        metavar="SECONDS",
        help=says,
    )


def gigabytes(given: float | None) -> int | None:
    """``--memory-limit`` in bytes."""
    return None if given is None else int(given * 1e9)


def workers_of(given: int | None, most: int | None = None) -> tuple[int, int]:
    """How many work at once, and the CPU threads of each: one a CPU, up to four, unless told."""
    workers = given or min(usable_cores(), 4)
    workers = workers if most is None else min(workers, most)
    return workers, max(1, usable_cores() // workers)


# What the commands take that look into a network.
checkpoint_options = together(weights_option, weights_key_option, size_option)
prefer_option = click.option(
    "--prefer",
    type=click.Choice(["latency", "fidelity"]),
    default="latency",
    show_default=True,
    help="The fastest mix that holds the budget, or with parts in float that cost next to nothing.",
)
# How photos go in and what the output means; `chosen_spec` reads them.
spec_options = together(
    click.option(
        "--spec",
        "spec_file",
        metavar="FILE",
        type=PATH,
        help="TOML file with the options below, for a network of your own.",
    ),
    click.option(
        "--output",
        help="Which of several outputs is the mask: a position, a key, or a path of them (0.0).",
    ),
    click.option("--mean", metavar="R,G,B", help="Subtracted per channel; one number for all."),
    click.option("--std", metavar="R,G,B", help="Divided by per channel; one number for all."),
    click.option(
        "--color-order", type=click.Choice(["RGB", "BGR", "GRAY"]), help="What it was trained on."
    ),
    click.option(
        "--value-range", metavar="LOW,HIGH", help="Values of black and white, 0,1 or 0,255."
    ),
    click.option(
        "--divide-by",
        type=click.Choice(["255", "image-maximum"]),
        help="What brings a photo's bytes to [0, 1].",
    ),
    click.option("--channels", type=int, help="Planes that the network gives, one a class."),
    click.option(
        "--channel", type=int, help="Which of them is the mask, from 0; all where left out."
    ),
    click.option(
        "--upsample",
        type=click.Choice(["none", "bilinear"]),
        help="Bring a mask that is smaller than the photo to its size, in the graph.",
    ),
    click.option(
        "--activation",
        type=click.Choice(["none", "sigmoid", "softmax"]),
        help="What still turns the output into a mask.",
    ),
    click.option("--inverted/--not-inverted", default=None, help="The mask is 1 - output."),
    click.option(
        "--normalization",
        type=click.Choice(["none", "min-max"]),
        help="What the app does with a mask: stretch it to its own extremes, or nothing.",
    ),
    click.option(
        "--resize-filter",
        type=click.Choice(["bilinear", "bicubic", "lanczos", "nearest"]),
        help="What brings photos to the network's size.",
    ),
    click.option("--threshold", type=float, help="From which a pixel belongs to the object."),
    click.option("--labels", metavar="A,B", help="Names of the mask's planes."),
)


def catalog_entry(network: str) -> Entry | None:
    """What the catalog says of a network; None for ``package.module:factory``.

    Raises:
        UsageError: The catalog has no such name.
    """
    from ..models import catalog

    return None if ":" in network else catalog.entry(network)


def chosen_spec(
    network: str, size: str | None, options: dict[str, Any], name: str | None = None
) -> ModelSpec:
    """The specification that options describe, over that of the catalog or of a TOML file.

    Args:
        network: As it was given.
        size: Likewise.
        options: Those of `spec_options`, by name.
        name: Another than the network's own.

    Raises:
        SpecError: They make none.
        UsageError: The catalog has no such name.
    """
    from ..models import factory

    given = {**options, "size": size}
    file = given.pop("spec_file")
    entry = catalog_entry(network)
    if file is not None:
        spec = factory.with_options(factory.spec_from_toml(file), given)
    elif entry is not None:
        spec = factory.with_options(entry.spec, given)
    else:
        spec = factory.spec_from_options(name or factory.plain_name(network), given)
    return spec if name is None else replace(spec, name=name)
