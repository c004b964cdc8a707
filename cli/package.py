"""``maskport package``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from .network_options import PATH, listed
from .verify import is_whole

if TYPE_CHECKING:
    from ..formats import Platform

__all__ = ["command"]


@click.command(name="package")
@click.argument("bundle", type=PATH)
@click.option(
    "--for", "platform", type=click.Choice(["ios", "android", "web"]), required=True,
    help="Whose files are taken.",
)  # fmt: skip
@click.option(
    "--targets", default="all", show_default=True, metavar="NAMES",
    help="Targets or formats of the bundle, separated by commas.",
)  # fmt: skip
@click.option(
    "--results", metavar="FILE", type=PATH,
    help="Of `maskport validate --json`: the card then says what was found.",
)  # fmt: skip
@click.option("--out", metavar="FILE", type=PATH, help="The zip.  [default: BUNDLE-PLATFORM.zip]")
def command(
    bundle: Path, platform: Platform, targets: str, results: Path | None, out: Path | None
) -> int:
    """Put what a platform's apps need of BUNDLE into one zip: files, code, license and card.

    The same bundle gives the same bytes. Unpacked, it is a bundle that `maskport verify` checks.

    \b
    maskport package exports/demo --for ios
    maskport package exports/demo --for android --targets tflite-fp16 --results results.json
    """
    from ..artifacts.bundle import load_bundle
    from ..artifacts.package import write_package

    if not is_whole(bundle, "packed"):
        return 1
    loaded = load_bundle(bundle)
    fidelity = None
    if results is not None:
        from ..validation.cards import fidelity_of
        from ..validation.results import read_results

        fidelity = fidelity_of(read_results(results), loaded)
    click.echo(write_package(loaded, platform, out, targets=listed(targets), fidelity=fidelity))
    return 0
