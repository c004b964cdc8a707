"""``maskport serve``."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ..errors import MissingToolError, UsageError
from .network_options import (
    force_option,
    gathered,
    listed,
    time_limit_option,
    weights_key_option,
    workers_of,
)

if TYPE_CHECKING:
    from ..apps.segmenter import Segmenter
    from ..artifacts.bundle import Bundle
    from ..artifacts.manifest import Artifact
    from ..serving.offers import Offer

__all__ = ["command"]

_TIME_LIMIT = 60.0


@dataclass(frozen=True, slots=True)
class _Opening:
    """What is said of everything that is served."""

    targets: str
    network: str | None
    size: int | None
    weights_key: str | None
    threads: int | None
    time_limit: float | None
    force: bool


_opening_options = gathered(
    "opening",
    _Opening,
    click.option(
        "--targets",
        default="all",
        metavar="NAMES",
        help="Targets or formats of bundles, with commas between.  [default: all that run here]",
    ),
    click.option("--network", metavar="NAME", help="Whose weights checkpoints have."),
    click.option("--size", type=click.IntRange(16), help="Side of checkpoints' photos."),
    weights_key_option,
    click.option("--threads", type=click.IntRange(1), help="CPU threads for each photo."),
    time_limit_option("For loading a file, and for each of its masks.  [default: 60]"),
    force_option,
)


@click.command(name="serve")
@click.argument("what", nargs=-1, required=True, metavar="WHAT...")
@_opening_options
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen at.")
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=8765,
    show_default=True,
    help="0 is any that is free.",
)
@click.option(
    "--workers", type=click.IntRange(1), help="Photos at once.  [default: one a CPU, up to 4]"
)
@click.option(
    "--queue",
    type=click.IntRange(0),
    default=32,
    show_default=True,
    help="Photos that may wait; more are refused with 429.",
)
@click.option(
    "--max-upload",
    type=click.FloatRange(0, min_open=True),
    default=25.0,
    show_default=True,
    metavar="MB",
    help="Of a request.",
)
@click.option(
    "--max-pixels",
    type=click.FloatRange(0, min_open=True),
    default=50.0,
    show_default=True,
    metavar="MILLIONS",
    help="Of a photo.",
)
@click.option("--open", "show", is_flag=True, help="Open the page in the browser.")
def command(
    what: tuple[str, ...],
    opening: _Opening,
    host: str,
    port: int,
    workers: int | None,
    queue: int,
    max_upload: float,
    max_pixels: float,
    show: bool,
) -> int:
    """Serve an HTTP API and a web page that cut out, by any artifacts.

    WHAT are bundles, files of one, checkpoints, and names of `maskport catalog`; NAME=WHAT gives
    one another name. This machine alone can reach it, unless --host says otherwise.

    \b
    maskport serve exports/sky --open
    curl -F file=@me.jpg 'http://127.0.0.1:8765/cutout?refine=true' -o me.png
    """
    _check_installed()
    from ..serving.guard import Limits
    from ..serving.offers import Offers
    from ..serving.pool import Pool
    from ..serving.server import bound, is_loopback, serve

    workers, share = workers_of(workers)
    offers = Offers([offer for one in what for offer in _offers(one, opening, share)])
    pool = Pool(workers)
    try:
        listening = bound(host, port)
        pool.warm(offers.rows[0])
        shown = f"[{host}]" if ":" in host else host
        address = f"http://{shown}:{listening.getsockname()[1]}/"
        limits = Limits(round(max_upload * 1e6), round(max_pixels * 1e6), workers + queue)

        def ready() -> None:
            names = ", ".join(offer.name for offer in offers.rows)
            click.echo(f"Serving {names}\non {address} (Ctrl-C ends it)")
            if show:
                click.launch(address)

        if not is_loopback(listening):
            click.echo(
                f"Anyone who reaches {host} can use this server: it asks for no password, and "
                "speaks no TLS. Put a proxy before it that does.",
                err=True,
            )
        serve(listening, offers, pool, limits, ready)
    finally:
        pool.close()
    return 0


def _check_installed() -> None:
    from ..sdks.needs import not_installed

    packages = {"fastapi": "fastapi", "uvicorn": "uvicorn", "python_multipart": "python-multipart"}
    if missing := not_installed(packages):
        raise MissingToolError(packages[missing[0]], "serve", "maskport serve")


def _offers(given: str, opening: _Opening, threads: int) -> Iterator[Offer]:
    """What one of WHAT is: a bundle's files that run here, or one file or checkpoint."""
    from ..artifacts.bundle import load_bundle
    from ..models.catalog import CATALOG
    from ..serving.offers import Offer
    from ..validation.drift.locate import is_bundle
    from ..validation.evaluated import in_a_bundle

    name, what = _named(given)
    path = Path(what)
    if is_bundle(path):
        bundle = load_bundle(path)
        selected = bundle.selected(listed(opening.targets))
        if opening.targets == "all":
            selected = tuple(artifact for artifact in selected if not _lacking(artifact.format))
        if not selected:
            raise UsageError(
                f"Nothing of {path} runs here.", "maskport targets says what it needs."
            )
        for artifact in selected:
            yield _of_bundle(bundle, artifact, name, opening, threads)
        return
    held = in_a_bundle(path) if path.exists() else None
    if held is not None:
        offer = _of_bundle(*held, "", opening, threads)
        yield replace(offer, name=name) if name else offer
        return
    known = what in CATALOG and not path.is_file()
    if not known and not path.exists():
        raise UsageError(
            f"There is no {what}.",
            "Give a bundle, a file of one, a checkpoint, or a name of the catalog "
            f"({', '.join(CATALOG)}).",
        )
    network = opening.network or (what if known else "u2netp")
    spec = CATALOG[network].spec if network in CATALOG else None
    yield Offer(
        name=name or (what if known else path.stem),
        network=network,
        kind="checkpoint",
        bytes=path.stat().st_size if path.is_file() else 0,
        labels=spec.mask.labels if spec else (),
        open=_opener(
            what,
            threads,
            opening,
            network=opening.network,
            size=opening.size,
            weights_key=opening.weights_key,
        ),
    )


def _named(given: str) -> tuple[str, str]:
    """``NAME=WHAT``, unless there is a file of that name."""
    name, equals, what = given.partition("=")
    if not equals or Path(given).exists():
        return "", given
    if not name.isprintable() or not name or len(name) > 80 or set("/\\,") & set(name):
        raise UsageError(f"{name!r} is no name.", "Give letters and digits before the =.")
    return name, what


def _of_bundle(
    bundle: Bundle, artifact: Artifact, name: str, opening: _Opening, threads: int
) -> Offer:
    from ..artifacts.bundle import spec_of
    from ..serving.offers import Offer

    network = name or bundle.manifest.network.name
    return Offer(
        name=f"{network}-{artifact.target}",
        network=network,
        kind=artifact.target,
        bytes=artifact.bytes,
        labels=spec_of(bundle.manifest).mask.labels,
        open=_opener(str(bundle.path), threads, opening, target=artifact.target),
    )


def _opener(
    what: str,
    threads: int,
    opening: _Opening,
    *,
    target: str | None = None,
    network: str | None = None,
    size: int | None = None,
    weights_key: str | None = None,
) -> Callable[[], AbstractContextManager[Segmenter]]:
    from ..segmenting import open_segmenter

    return partial(
        open_segmenter,
        what,
        network=network,
        target=target,
        size=size,
        weights_key=weights_key,
        threads=opening.threads or threads,
        seconds=opening.time_limit or _TIME_LIMIT,
        force=opening.force,
    )


def _lacking(format_name: str) -> bool:
    """Whether nothing here runs a format."""
    from ..runtimes.runners import runtimes_of
    from ..sdks.needs import needs_of, not_installed

    return not any(
        not not_installed(need.module for need in needs_of(name))
        for name in runtimes_of(format_name)
    )
