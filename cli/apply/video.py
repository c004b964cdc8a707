"""``maskport apply video``."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import click

from ...errors import UsageError
from ..network_options import PATH
from .options import Drawing, drawing_options, edge_options

__all__ = ["video"]


@click.command()
@click.argument("source", metavar="IN", required=False)
@drawing_options
@click.option("--out", type=PATH, required=True, metavar="FILE", help=".mov, .webm or .mp4.")
@click.option("--overwrite", is_flag=True, help="Replace what is there.")
@click.option("--color", default="", help="Behind the object: a name or #rrggbb.")
@click.option("--picture", type=PATH, metavar="FILE", help="Behind it: scaled to fill the frames.")
@click.option(
    "--blur",
    type=click.FloatRange(0, 20),
    default=0.0,
    metavar="PERCENT",
    help="Behind it: the video itself out of focus, by so many hundredths of its longer side.",
)
@click.option(
    "--smooth",
    type=click.FloatRange(0, 1, max_open=True),
    default=0.0,
    show_default=True,
    metavar="PART",
    help="Hold masks still where the picture is: the part that is kept of the mask before.",
)
@click.option(
    "--camera",
    metavar="NUMBER",
    help="In place of IN: a camera by its number, or SYSTEM:DEVICE.",
)
@click.option(
    "--seconds",
    type=click.FloatRange(0, min_open=True),
    help="No more than so many of it.  [default: all; of a camera, until Ctrl-C]",
)
@edge_options
def video(
    source: str | None,
    drawing: Drawing,
    out: Path,
    overwrite: bool,
    camera: str | None,
    picture: Path | None,
    **options: Any,
) -> int:
    """Write a video of IN with the object alone, or before something else.

    IN is any file that FFmpeg reads, or - for standard input. Without --color, --picture or --blur
    the result has opacity: .mov is ProRes 4444, .webm VP9. With one of them .mov and .mp4 are
    H.264, .webm VP9. Sound, times and the number of frames are kept. Ctrl-C leaves a file that
    plays.
    """
    if (source is None) == (camera is None):
        raise UsageError("There is not one source.", "Give a video, or --camera.")
    backgrounds = [bool(options["color"]), picture is not None, options["blur"] > 0]
    if sum(backgrounds) > 1:
        raise UsageError(
            "A video has one background.", "Give one of --color, --picture and --blur, or none."
        )
    if out.exists() and not overwrite:
        raise UsageError(
            f"{out} is there already.", "Replace it with --overwrite, or give another --out."
        )
    from ...apps.video_writing import coding_for
    from ..live_view import ProgressBar

    coding_for(out, alpha=not any(backgrounds))
    with ProgressBar() as bar:
        bar.say("loading the network")
        from ...apps.video import Camera, cut_video
        from ...apps.video_reading import av_module
        from ...imaging.photos import read_picture

        av_module()
        given = Camera.named(camera) if camera is not None else source or ""
        behind = None if picture is None else read_picture(picture)
        with drawing.open() as segmenter:
            began = time.monotonic()

            def watch(drawn: int, total: int) -> None:
                speed = drawn / max(time.monotonic() - began, 1e-9)
                bar.watch(f"{speed:.1f} frames a second", drawn, max(drawn, total) if total else 0)

            done = cut_video(
                given, out, segmenter, picture=behind, watch=watch, note=bar.note, **options
            )
    click.echo(
        f"{done.frames} frames, {done.seconds:.2f} seconds, in {out} "
        f"({done.frames / max(done.took, 1e-9):.2g} frames a second)"
    )
    if done.broken:
        click.echo(f"{done.broken} frames could not be decoded, and are left out.", err=True)
        return 2
    return 0
