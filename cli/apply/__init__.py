"""``maskport apply``: what people do with a mask, a command for each."""

from __future__ import annotations

from ..lazy import LazyGroup

__all__ = ["command"]

_HERE = ".cli.apply"
command = LazyGroup(
    name="apply",
    help="""Do with PHOTOS what masks are for, by any file, bundle or checkpoint.

    \b
    maskport apply cutout photos/ --with exports/sky --out cut/
    maskport apply background me.jpg --with u2net_human_seg --blur 3 --out .
    maskport apply video walk.mp4 --with u2netp --out walk.mov
    """,
    commands={
        "cutout": (f"{_HERE}.pictures:cutout", "The object on nothing, as PNG or WebP."),
        "background": (f"{_HERE}.pictures:background", "Before a color, a picture or a blur."),
        "highlight": (f"{_HERE}.pictures:highlight", "The rest grey and dark, or a heat map."),
        "boxes": (f"{_HERE}.pictures:boxes", "Boxes around objects, drawn and as JSON and COCO."),
        "crop": (f"{_HERE}.pictures:crop", "Cut down to the object."),
        "video": (f"{_HERE}.video:video", "A video with opacity, or before something else."),
        "mask": (f"{_HERE}.pictures:mask", "The mask, in 256 greys."),
        "portrait": (f"{_HERE}.kinds:portrait", "A face as a line drawing."),
        "composite": (f"{_HERE}.kinds:composite", "The drawing over the photo out of focus."),
        "cloth": (f"{_HERE}.kinds:cloth", "Garments as cut-outs, and a label map."),
        "sky": (f"{_HERE}.kinds:sky", "Another sky, and its light."),
    },
)
