"""The object before something else."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageColor, ImageFilter, ImageOps

from ..errors import UsageError
from .alpha import foreground
from .cutout import opacity
from .segmenter import Map, Photo, Pixels, Segmenter, as_given, pixels_of

__all__ = ["background", "before", "color_of", "filled", "over"]


def background(
    photo: Photo,
    segmenter: Segmenter,
    *,
    color: str = "",
    picture: Image.Image | Pixels | None = None,
    blur: float = 0.0,
    refine: bool = False,
    alpha_matting: bool = False,
    clean: bool = True,
    channel: int | None = None,
) -> Photo:
    """The object of a photo before a color, a picture, or the photo itself out of focus.

    Args:
        photo: Pillow's image, or (H, W, 3) RGB bytes; the result is of the same kind and size.
        segmenter: What draws its mask.
        color: A name or ``#rrggbb``, as Pillow reads it.
        picture: Scaled to fill the photo, its middle kept.
        blur: Of the photo itself: sigma, in hundredths of its longer side.
        refine: Let edges follow the photo's.
        alpha_matting: As for `cutout`.
        clean: Likewise.
        channel: Likewise.

    Raises:
        InputError: As `mask`.
        UsageError: Not just one background is given, or it is no color.
    """
    if sum((bool(color), picture is not None, blur > 0)) != 1:
        raise UsageError(
            "A new background is a color, a picture or a blur.", "Give one of the three."
        )
    pixels = pixels_of(photo)
    alpha = opacity(
        pixels, segmenter, refine=refine, alpha_matting=alpha_matting, clean=clean, channel=channel
    )
    return as_given(photo, before(pixels, alpha, color=color, picture=picture, blur=blur))


def before(
    pixels: Pixels, alpha: Map, *, color: str, picture: Image.Image | Pixels | None, blur: float
) -> Pixels:
    """(H, W, 3) of which opacity (H, W) in [0, 1] is known; arguments are those of `background`."""
    if blur > 0:
        behind = _blurred(pixels, alpha, blur)
    elif picture is not None:
        behind = filled(pixels_of(picture), pixels.shape[1], pixels.shape[0])
    else:
        behind = np.broadcast_to(np.array(color_of(color), np.uint8), pixels.shape)
    return over(foreground(pixels, alpha), alpha, behind)


def over(front: Pixels, alpha: Map, back: Pixels) -> Pixels:
    """(H, W, 3) before (H, W, 3), by opacity (H, W) in [0, 1]."""
    weight = alpha[..., None]
    mixed = front * weight + back * (1 - weight)
    return np.rint(mixed).astype(np.uint8)


def color_of(text: str) -> tuple[int, int, int]:
    """A color by name or digits.

    Raises:
        UsageError: It is none.
    """
    try:
        red, green, blue, *_ = ImageColor.getrgb(text)
    except ValueError as exc:
        raise UsageError(
            f"{text!r} is no color.", "Give a name, such as white, or digits: #00ff00."
        ) from exc
    return red, green, blue


def _blurred(pixels: Pixels, alpha: Map, blur: float) -> Pixels:
    """What is behind the object, out of focus, without the object's own colors in it."""
    sigma = blur / 100 * max(pixels.shape[:2])
    away = foreground(pixels, 1 - alpha)
    # Premultiplied, so that the object's place is filled from around it.
    weight = (1 - alpha)[..., None]
    colors = np.dstack((away * weight, 255 * weight)).round().astype(np.uint8)
    # In straight channels: Pillow would undo and redo the multiplication of RGBA.
    bands = [
        np.asarray(Image.fromarray(band).filter(ImageFilter.GaussianBlur(sigma)), np.float32)
        for band in np.moveaxis(colors, 2, 0)
    ]
    opaque = bands[3][..., None] / np.float32(255)
    mixed = np.stack(bands[:3], -1) / np.maximum(opaque, np.float32(1 / 255))
    # Deep inside the object nothing of what is around is in reach; there it is not seen, either.
    plain = np.asarray(Image.fromarray(pixels).filter(ImageFilter.GaussianBlur(sigma)))
    mixed = np.where(opaque > 2 / 255, mixed, plain)
    return np.clip(np.rint(mixed), 0, 255).astype(np.uint8)


def filled(picture: Pixels, width: int, height: int) -> Pixels:
    """A picture scaled to fill a size, its middle kept."""
    fitted = ImageOps.fit(Image.fromarray(picture), (width, height), Image.Resampling.LANCZOS)
    return np.asarray(fitted)
