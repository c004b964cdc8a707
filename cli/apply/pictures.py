"""The commands of ``maskport apply`` that make a picture of a photo."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import click

from ...errors import UsageError
from ..network_options import PATH
from .options import (
    Drawing,
    Folder,
    applied,
    batch_options,
    channel_option,
    edge_options,
    exit_code,
    format_option,
    pictures_by,
    refine_option,
)

if TYPE_CHECKING:
    from PIL import Image

    from ...apps.batch import Application, Done, Made
    from ...apps.segmenter import Segmenter

__all__ = ["background", "boxes", "crop", "cutout", "highlight", "mask"]

_OPAQUE = format_option("jpg", "png", "webp", "jpg")


@click.command()
@batch_options
@edge_options
@click.option("--mask-only", is_flag=True, help="The opacity alone, in 256 greys.")
@format_option("png", "png", "webp")
def cutout(
    photos: tuple[str, ...],
    drawing: Drawing,
    folder: Folder,
    mask_only: bool,
    kind: str,
    **options: Any,
) -> int:
    """Write the object of each of PHOTOS on nothing.

    PHOTOS are files, folders with all below them, list files, or patterns. Colors at the edges are
    the object's own, without what was behind it.
    """

    def make() -> Application:
        from ...apps import cutout as cut
        from ...apps.batch import Made

        def application(photo: Image.Image, segmenter: Segmenter) -> Made:
            whole = cut(photo, segmenter, **options)
            return Made(whole.getchannel("A") if mask_only else whole)

        return application

    return exit_code(applied(photos, drawing, folder, f".{kind}", make))


@click.command()
@batch_options
@edge_options
@click.option("--color", default="", help="A name or #rrggbb.")
@click.option("--picture", type=PATH, metavar="FILE", help="A picture, scaled to fill the photo.")
@click.option(
    "--blur",
    type=click.FloatRange(0, 20),
    default=0.0,
    metavar="PERCENT",
    help="The photo itself out of focus, by so many hundredths of its longer side.",
)
@_OPAQUE
def background(
    photos: tuple[str, ...],
    drawing: Drawing,
    folder: Folder,
    picture: Path | None,
    kind: str,
    **options: Any,
) -> int:
    """Put the object of each of PHOTOS before something else: a color, a picture, or a blur."""
    given = [bool(options["color"]), picture is not None, options["blur"] > 0]
    if sum(given) != 1:
        raise UsageError("There is not one new background.", "Give --color, --picture or --blur.")

    def make() -> Application:
        from ...apps.background import color_of
        from ...imaging.photos import read_picture

        if options["color"]:
            color_of(options["color"])
        behind = None if picture is None else read_picture(picture)

        return pictures_by(".apps:background", picture=behind, **options)()

    return exit_code(applied(photos, drawing, folder, f".{kind}", make))


@click.command()
@batch_options
@refine_option
@channel_option
@click.option(
    "--style",
    type=click.Choice(["dim", "heat"]),
    default="dim",
    show_default=True,
    help="The rest grey and dark, or the mask in colors over a grey photo.",
)
@click.option(
    "--dim",
    type=click.FloatRange(0, 1),
    default=0.7,
    show_default=True,
    help="How dark the rest is.",
)
@_OPAQUE
def highlight(
    photos: tuple[str, ...],
    drawing: Drawing,
    folder: Folder,
    style: Literal["dim", "heat"],
    dim: float,
    kind: str,
    **options: Any,
) -> int:
    """Show in each of PHOTOS what is salient."""

    make = (
        pictures_by(".apps:heat_map", **options)
        if style == "heat"
        else pictures_by(".apps:highlight", dim=dim, **options)
    )
    return exit_code(applied(photos, drawing, folder, f".{kind}", make))


_THRESHOLD = click.option(
    "--threshold",
    type=click.FloatRange(0, 1, min_open=True),
    help="From which value on a pixel belongs to an object.  [default: the network's]",
)


@click.command()
@batch_options
@refine_option
@channel_option
@_THRESHOLD
@click.option(
    "--minimum-area",
    type=click.FloatRange(0, 1),
    default=0.001,
    show_default=True,
    help="Smaller parts are left out: of the photo.",
)
@click.option("--color", default="#00e05a", show_default=True, help="Of the lines.")
@_OPAQUE
def boxes(
    photos: tuple[str, ...],
    drawing: Drawing,
    folder: Folder,
    color: str,
    kind: str,
    **options: Any,
) -> int:
    """Draw boxes around the objects of each of PHOTOS.

    boxes.json and coco.json in --out have them as numbers, of the photos of this run.
    """

    def make() -> Application:
        from ...apps import boxes as found_in
        from ...apps import drawn_boxes
        from ...apps.background import color_of
        from ...apps.batch import Made

        color_of(color)

        def application(photo: Image.Image, segmenter: Segmenter) -> Made:
            found = found_in(photo, segmenter, **options)
            return Made(drawn_boxes(photo, found, color), ((photo.height, photo.width), found))

        return application

    done = applied(photos, drawing, folder, f".{kind}", make)
    _write_boxes([one for one in done if not one.error], folder.out)
    return exit_code(done)


@click.command()
@batch_options
@refine_option
@channel_option
@_THRESHOLD
@click.option(
    "--margin",
    type=click.FloatRange(0),
    default=0.05,
    show_default=True,
    help="Around the objects, as a part of their longer side.",
)
@click.option("--aspect", metavar="W:H", help="Of the crop: 1:1, 16:9, 1.5.")
@_OPAQUE
def crop(
    photos: tuple[str, ...],
    drawing: Drawing,
    folder: Folder,
    aspect: str | None,
    kind: str,
    **options: Any,
) -> int:
    """Cut each of PHOTOS down to its objects."""
    ratio = None if aspect is None else _ratio(aspect)

    make = pictures_by(".apps:crop", aspect=ratio, **options)
    return exit_code(applied(photos, drawing, folder, f".{kind}", make))


@click.command()
@batch_options
@refine_option
@channel_option
def mask(photos: tuple[str, ...], drawing: Drawing, folder: Folder, **options: Any) -> int:
    """Write the mask of each of PHOTOS, in 256 greys, at its size."""

    make = pictures_by(".apps:mask", **options)
    return exit_code(applied(photos, drawing, folder, ".png", make))


def _ratio(text: str) -> float:
    """``16:9`` or ``1.7778``."""
    width, _, height = text.partition(":")
    try:
        ratio = float(width) / float(height or 1)
    except (ValueError, ZeroDivisionError):
        ratio = 0.0
    if not 0 < ratio < float("inf"):
        raise UsageError(f"{text!r} is no aspect.", "Give width and height: 16:9.")
    return ratio


def _write_boxes(done: list[Done], out: Path) -> None:
    from ...apps.boxes import coco
    from ...outputs import written_whole
    from ...texts import shown

    names = [shown(str(one.job.photo)) for one in done]
    sizes = [one.record[0] for one in done]
    found = [one.record[1] for one in done]
    plain = [
        {"photo": name, "width": width, "height": height, "boxes": [asdict(box) for box in some]}
        for name, (height, width), some in zip(names, sizes, found, strict=True)
    ]
    for name, values in (("boxes.json", plain), ("coco.json", coco(names, sizes, found))):
        with written_whole(out / name) as partial:
            partial.write_text(json.dumps(values, indent=2) + "\n", encoding="utf-8")
