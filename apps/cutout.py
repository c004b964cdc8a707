"""The object alone, and its mask."""

from __future__ import annotations

import numpy as np

from .alpha import cleaned, foreground, matted, near
from .segmenter import Map, Photo, Pixels, Segmenter, as_given, pixels_of

__all__ = ["cutout", "mask", "opacity"]


def mask(
    photo: Photo, segmenter: Segmenter, *, refine: bool = False, channel: int | None = None
) -> Photo:
    """The mask of a photo in 256 greys, (H, W), at its size.

    Args:
        photo: Pillow's image, or (H, W, 3) RGB bytes; the result is of the same kind.
        segmenter: What draws it.
        refine: Let edges follow the photo's.
        channel: A class, where there are several; all but the first where None.

    Raises:
        InputError: The photo is none, the mask has values that are not numbers, or there is no such
            class.
    """
    alpha = segmenter.alpha(pixels_of(photo), refine=refine, channel=channel)
    return as_given(photo, bytes_of(alpha))


def cutout(
    photo: Photo,
    segmenter: Segmenter,
    *,
    refine: bool = False,
    alpha_matting: bool = False,
    clean: bool = True,
    channel: int | None = None,
) -> Photo:
    """The object on nothing: (H, W, 4), RGB and opacity, the colors not multiplied by it.

    What can't be seen is black, but close to the object.

    Args:
        photo: Pillow's image, or (H, W, 3) RGB bytes; the result is of the same kind.
        segmenter: What draws its mask.
        refine: Let edges follow the photo's.
        alpha_matting: Solve for the edges (hair, fur), which takes seconds; needs pymatting.
        clean: Take out veils and specks (`alpha.cleaned`).
        channel: A class, where there are several; all but the first where None.

    Raises:
        InputError: As `mask`.
        MissingToolError: Alpha matting is asked for, and pymatting not installed.
    """
    pixels = pixels_of(photo)
    alpha = opacity(
        pixels, segmenter, refine=refine, alpha_matting=alpha_matting, clean=clean, channel=channel
    )
    return as_given(photo, on_nothing(pixels, alpha))


def opacity(
    pixels: Pixels,
    segmenter: Segmenter,
    *,
    refine: bool,
    alpha_matting: bool,
    clean: bool,
    channel: int | None = None,
) -> Map:
    """What a cut-out's opacity is, (H, W) in [0, 1]; see `cutout`."""
    alpha = segmenter.alpha(pixels, refine=refine, channel=channel)
    if alpha_matting:
        alpha = matted(pixels, alpha)
    return cleaned(alpha) if clean else alpha


def on_nothing(pixels: Pixels, alpha: Map) -> Pixels:
    """(H, W, 4) of a photo (H, W, 3) and the opacity (H, W) of its object; see `cutout`."""
    made = np.dstack((foreground(pixels, alpha), bytes_of(alpha)))
    made.view(np.uint32)[..., 0] *= near(alpha)
    return made


def bytes_of(alpha: Map) -> Pixels:
    """(H, W) in [0, 1] as bytes."""
    levels: Pixels = np.rint(alpha * np.float32(255)).astype(np.uint8)
    return levels
