"""The commands of ``maskport apply`` for networks of one kind: portraits, clothes, skies."""

from __future__ import annotations

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
    clean_option,
    exit_code,
    format_option,
    pictures_by,
    refine_option,
)

if TYPE_CHECKING:
    from PIL import Image

    from ...apps.batch import Application, Made
    from ...apps.segmenter import Segmenter

__all__ = ["cloth", "composite", "portrait", "sky"]

_KINDS = ("png", "webp", "jpg")
_FACE = click.option(
    "--face/--no-face",
    "has_face",
    default=True,
    help="Cut out the biggest face, or take the photo for a prepared crop.  [default: --face]",
)


@click.command()
@batch_options
@_FACE
@format_option("png", *_KINDS)
def portrait(
    photos: tuple[str, ...], drawing: Drawing, folder: Folder, has_face: bool, kind: str
) -> int:
    """Draw the biggest face of each of PHOTOS in lines, by a portrait network.

    The face is cut out with its hair, padded with white where the photo ends, and drawn at the
    network's size. Finding it needs OpenCV: pip install 'maskport[portrait]'.
    """
    make = pictures_by(".apps:portrait", face=_face(has_face))
    return exit_code(applied(photos, drawing, folder, f".{kind}", make))


@click.command()
@batch_options
@_FACE
@click.option(
    "--sigma",
    type=click.FloatRange(0),
    default=20.0,
    show_default=True,
    help="Of the photo's blur, in pixels of the result.",
)
@click.option(
    "--alpha",
    type=click.FloatRange(0, 1),
    default=0.5,
    show_default=True,
    help="The photo's share; the rest is the drawing.",
)
@format_option("jpg", *_KINDS)
def composite(
    photos: tuple[str, ...],
    drawing: Drawing,
    folder: Folder,
    has_face: bool,
    kind: str,
    **options: Any,
) -> int:
    """Lay the drawing of each of PHOTOS over the photo out of focus.

    The face is found as by maskport apply portrait.
    """
    make = pictures_by(".apps:composite", face=_face(has_face), **options)
    return exit_code(applied(photos, drawing, folder, f".{kind}", make))


@click.command()
@batch_options
@refine_option
@clean_option
@click.option(
    "--minimum-area",
    type=click.FloatRange(0, 1),
    default=0.002,
    show_default=True,
    help="From which part of the photo on there is a garment.",
)
def cloth(photos: tuple[str, ...], drawing: Drawing, folder: Folder, **options: Any) -> int:
    """Write a map of garments of each of PHOTOS, and each garment on nothing.

    me.png has each pixel's class, with a palette; me.upper.png, me.lower.png and me.full.png are
    the cut-outs of those that are there.
    """

    def make() -> Application:
        from ...apps import cloth as worn
        from ...apps.batch import Made

        def application(photo: Image.Image, segmenter: Segmenter) -> Made:
            clothes = worn(photo, segmenter, **options)
            return Made(clothes.labels, parts=clothes.cutouts)

        return application

    return exit_code(applied(photos, drawing, folder, ".png", make))


@click.command()
@batch_options
@click.option("--sky", "picture", type=PATH, metavar="FILE", help="A picture of a sky.")
@click.option("--color", default="", help="A name or #rrggbb.")
@click.option(
    "--drawn",
    default="",
    metavar="NAME",
    help="A sky that is drawn: clear, dusk, overcast.",
)
@click.option("--mask-only", is_flag=True, help="The sky's mask, in 256 greys; no other sky.")
@click.option(
    "--relight",
    type=click.FloatRange(0, 1),
    default=0.5,
    show_default=True,
    help="How much of the new sky's light falls on what is before it.",
)
@click.option(
    "--refine/--no-refine",
    default=True,
    help="Let edges follow the photo's own, and see gaps between branches.  [default: --refine]",
)
@clean_option
@channel_option
@format_option("jpg", *_KINDS)
def sky(
    photos: tuple[str, ...],
    drawing: Drawing,
    folder: Folder,
    picture: Path | None,
    color: str,
    drawn: str,
    mask_only: bool,
    relight: float,
    kind: str,
    **options: Any,
) -> int:
    """Put another sky into each of PHOTOS, by a network that finds skies.

    The new sky reaches down to the horizon, and what stands before it gets its light. A photo
    without sky stays as it is.
    """
    if sum((picture is not None, bool(color), bool(drawn), mask_only)) != 1:
        raise UsageError(
            "There is not one new sky.", "Give --sky, --color or --drawn, or --mask-only."
        )

    def make() -> Application:
        from ...apps import sky as replaced
        from ...apps import sky_mask
        from ...apps.background import color_of
        from ...apps.batch import Made
        from ...apps.sky import drawn_sky
        from ...imaging.photos import read_picture

        if color:
            color_of(color)
        if drawn:
            drawn_sky(drawn, 1, 1)
        new = None if picture is None else read_picture(picture)

        def application(photo: Image.Image, segmenter: Segmenter) -> Made:
            if mask_only:
                return Made(sky_mask(photo, segmenter, **options))
            return Made(
                replaced(
                    photo,
                    segmenter,
                    picture=new,
                    color=color,
                    drawn=drawn,
                    relight=relight,
                    **options,
                )
            )

        return application

    return exit_code(applied(photos, drawing, folder, f".{kind}", make))


def _face(has_face: bool) -> Literal["biggest", "none"]:
    return "biggest" if has_face else "none"
