"""What the commands of ``maskport apply`` have in common: photos, what draws, and the run."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ...errors import UsageError
from ...loading import load
from ..network_options import (
    PATH,
    Decorator,
    force_option,
    gathered,
    together,
    weights_key_option,
    workers_of,
)

if TYPE_CHECKING:
    from ...apps.batch import Application, Done
    from ...apps.segmenter import Segmenter

__all__ = [
    "Drawing",
    "Folder",
    "applied",
    "batch_options",
    "channel_option",
    "clean_option",
    "drawing_options",
    "edge_options",
    "exit_code",
    "format_option",
    "pictures_by",
    "refine_option",
]


@dataclass(frozen=True, slots=True)
class Drawing:
    """What draws the masks; arguments of `maskport.open_segmenter`."""

    what: str
    network: str | None
    target: str | None
    size: int | None
    weights_key: str | None
    threads: int | None
    force: bool

    @contextmanager
    def open(self, threads: int | None = None) -> Iterator[Segmenter]:
        """Open it; ``threads`` where the user didn't say."""
        from ...segmenting import open_segmenter

        with open_segmenter(
            self.what,
            network=self.network,
            target=self.target,
            size=self.size,
            weights_key=self.weights_key,
            threads=self.threads or threads,
            force=self.force,
        ) as segmenter:
            yield segmenter


@dataclass(frozen=True, slots=True)
class Folder:
    """Where results go, and what of them is there already."""

    out: Path
    resume: bool
    overwrite: bool
    workers: int | None


photos_argument = click.argument("photos", nargs=-1, required=True)
drawing_options = gathered(
    "drawing",
    Drawing,
    click.option(
        "--with",
        "what",
        required=True,
        metavar="WHAT",
        help="What draws the masks: a bundle, a file of one, a checkpoint, or a name of "
        "`maskport catalog`.",
    ),
    click.option(
        "--network",
        metavar="NAME",
        help="Whose weights a checkpoint has.  [default: u2netp]",
    ),
    click.option("--target", metavar="NAME", help="Which of a bundle's files.  [default: first]"),
    click.option("--size", type=click.IntRange(16), help="Side of a checkpoint's photos."),
    weights_key_option,
    click.option("--threads", type=click.IntRange(1), help="CPU threads of a file's runtime."),
    force_option,
)
folder_options = gathered(
    "folder",
    Folder,
    click.option("--out", type=PATH, required=True, metavar="DIR", help="Folder of the results."),
    click.option("--resume", is_flag=True, help="Go on: leave what is there as it is."),
    click.option("--overwrite", is_flag=True, help="Replace what is there."),
    click.option(
        "--workers", type=click.IntRange(1), help="Photos at once.  [default: one a CPU, up to 4]"
    ),
)
batch_options = together(photos_argument, drawing_options, folder_options)
clean_option = click.option("--clean/--no-clean", default=True, help="Take out veils and specks.")
refine_option = click.option(
    "--refine", is_flag=True, help="Let edges follow the photo's own; for large photos."
)
channel_option = click.option(
    "--class",
    "channel",
    type=click.IntRange(0),
    metavar="N",
    help="Which class, of a network of several.  [default: all but the first]",
)
edge_options = together(
    refine_option,
    channel_option,
    click.option(
        "--alpha-matting",
        is_flag=True,
        help="Solve for the edges (hair, fur); ten seconds a photo.",
    ),
    clean_option,
)


def format_option(default: str, *kinds: str) -> Decorator:
    """``--format``, the parameter ``kind``."""
    return click.option(
        "--format",
        "kind",
        type=click.Choice(kinds),
        default=default,
        show_default=True,
        help="Of the pictures.",
    )


def pictures_by(function: str, **options: Any) -> Callable[[], Application]:
    """What `applied` makes its application by, where that is a function of `apps` that gives one
    picture: its dotted path, and its options."""

    def make() -> Application:
        from ...apps.batch import Made

        draw = load(function)
        return lambda photo, segmenter: Made(draw(photo, segmenter, **options))

    return make


def applied(
    photos: tuple[str, ...],
    drawing: Drawing,
    folder: Folder,
    suffix: str,
    make: Callable[[], Application],
) -> list[Done]:
    """Run an application over photos, with progress; say what failed, and how much was done.

    Args:
        photos: As they were given.
        drawing: What draws.
        folder: Where results go.
        suffix: Of what is written.
        make: Gives the application; called once what it needs may be imported.

    Returns:
        What became of each, in the order of the photos; of those that were there already, nothing.

    Raises:
        InputError: Photos or what draws can't be used, or results are there already.
    """
    from ..live_view import ProgressBar

    with ProgressBar() as bar:
        bar.say("looking for photos")
        from ...apps.batch import find_jobs, run_batch

        jobs = find_jobs(photos, folder.out, suffix)
        there = [job for job in jobs if job.out.exists()]
        if there and not (folder.resume or folder.overwrite):
            raise UsageError(
                f"{there[0].out} is there already"
                f"{f', and {len(there) - 1} more' if len(there) > 1 else ''}.",
                "Go on with --resume, replace with --overwrite, or give another --out.",
            )
        skipped = {job.out for job in there} if folder.resume else set()
        left = [job for job in jobs if job.out not in skipped]
        if any(job.photo.resolve() == job.out.resolve() for job in left):
            raise UsageError("Results would replace their photos.", "Give another --out.")
        bar.say("loading the network")
        workers, share = workers_of(folder.workers, most=max(1, len(left)))
        application = make()
        began = time.monotonic()
        done: list[Done] = []
        taken = frozenset(job.out for job in jobs)
        for one in run_batch(left, lambda: drawing.open(share), application, workers, taken):
            done.append(one)
            if one.error:
                bar.note(f"{one.job.photo}: {one.error}")
            speed = len(done) / max(time.monotonic() - began, 1e-9)
            bar.watch(f"{speed:.1f} photos a second", len(done), len(left))
        seconds = time.monotonic() - began
    order = {job.photo: number for number, job in enumerate(left)}
    done.sort(key=lambda one: order[one.job.photo])
    _tell(done, len(skipped), folder.out, seconds)
    return done


def _tell(done: list[Done], skipped: int, out: Path, seconds: float) -> None:
    failed = [one for one in done if one.error]
    made = len(done) - len(failed)
    parts = [f"{made} made"]
    if made and seconds > 0:
        parts[0] += f" ({made / seconds:.2g} a second)"
    if skipped:
        parts.append(f"{skipped} were there")
    if failed:
        parts.append(f"{len(failed)} failed")
    click.echo(f"{', '.join(parts)}, in {out}")
    for one in failed:
        click.echo(f"failed: {one.job.photo}: {one.error}", err=True)


def exit_code(done: list[Done]) -> int:
    """0 where all was made, 2 where a photo could not be used."""
    return 2 if any(one.error for one in done) else 0
