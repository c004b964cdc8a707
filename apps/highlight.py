"""Salient parts shown in the photo: the rest dimmed, as a heat map, or boxed."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw

from ..errors import UsageError
from .background import color_of, over
from .boxes import Box
from .segmenter import Photo, Pixels, Segmenter, as_given, pixels_of

__all__ = ["drawn_boxes", "heat_map", "highlight"]

# Black, blue, red, orange, yellow, at even steps of the mask; white would be lost on bright photos.
_HEAT = np.array([(0, 0, 0), (40, 0, 140), (200, 30, 60), (250, 120, 20), (255, 225, 50)])
_STRONGEST = 0.75


def highlight(
    photo: Photo,
    segmenter: Segmenter,
    *,
    dim: float = 0.7,
    refine: bool = False,
    channel: int | None = None,
) -> Photo:
    """A photo whose background is grey and dark.

    Args:
        photo: Pillow's image, or (H, W, 3) RGB bytes; the result is of the same kind.
        segmenter: What draws its mask.
        dim: How much darker, from 0 (grey only) to 1 (black).
        refine: Let edges follow the photo's.
        channel: A class, where there are several; all but the first where None.

    Raises:
        InputError: As `mask`.
        UsageError: ``dim`` is out of range.
    """
    if not 0 <= dim <= 1:
        raise UsageError(f"{dim:g} is no part to dim by.", "Give 0 to 1.")
    pixels = pixels_of(photo)
    alpha = segmenter.alpha(pixels, refine=refine, channel=channel)
    gray = np.asarray(Image.fromarray(pixels).convert("L"))[..., None] * np.float32(1 - dim)
    behind = np.broadcast_to(gray, pixels.shape).astype(np.uint8)
    return as_given(photo, over(pixels, alpha, behind))


def heat_map(
    photo: Photo, segmenter: Segmenter, *, refine: bool = False, channel: int | None = None
) -> Photo:
    """A photo in grey under its mask in colors, the stronger the more salient.

    Arguments and errors are those of `highlight`.
    """
    pixels = pixels_of(photo)
    alpha = segmenter.alpha(pixels, refine=refine, channel=channel)
    place = alpha * np.float32(len(_HEAT) - 1)
    colors = np.stack(
        [np.interp(place, range(len(_HEAT)), _HEAT[:, i]) for i in range(3)], -1
    ).astype(np.uint8)
    gray = np.asarray(Image.fromarray(pixels).convert("L"))
    behind = np.repeat(gray[..., None], 3, 2)
    weight = np.clip(alpha * 2, 0, 1) * np.float32(_STRONGEST)
    return as_given(photo, over(colors, weight, behind))


def drawn_boxes(photo: Photo, boxes: Sequence[Box], color: str = "#00e05a") -> Photo:
    """A photo with boxes drawn around objects, and their scores.

    Raises:
        UsageError: That is no color.
    """
    ink = color_of(color)
    image = Image.fromarray(pixels_of(photo))
    width = max(2, round(max(image.size) / 300))
    draw = ImageDraw.Draw(image)
    for box in boxes:
        right, bottom = box.left + box.width - 1, box.top + box.height - 1
        draw.rectangle((box.left, box.top, right, bottom), outline=ink, width=width)
        text = f"{box.score:.2f}"
        size = max(12, 4 * width)
        place = (box.left + width, box.top + width)
        back = draw.textbbox(place, text, font_size=size)
        draw.rectangle((box.left, box.top, back[2] + width, back[3] + width), fill=ink)
        draw.text(place, text, fill="black", font_size=size)
    given: Pixels = np.asarray(image)
    return as_given(photo, given)
