"""A face as a pencil drawing, and the drawing over the photo out of focus."""

from __future__ import annotations

from typing import Final, Literal

import numpy as np
from scipy.ndimage import gaussian_filter

from ..errors import ImageError, UsageError
from ..imaging.convert import resize_photo
from .cutout import bytes_of
from .faces import Face, faces
from .segmenter import Map, Photo, Pixels, Segmenter, as_given, pixels_of

__all__ = ["composite", "cropped_face", "fused", "portrait"]

# Around a face, as parts of its width and height: left and right, top, bottom.
BESIDE: Final = 0.4
ABOVE: Final = 0.6
BELOW: Final = 0.2

WhichFace = Face | Literal["biggest", "none"]


def portrait(photo: Photo, segmenter: Segmenter, *, face: WhichFace = "biggest") -> Photo:
    """A face as a line drawing, dark on white, in 256 greys.

    As U²-Net's authors do (xuebinqin/U-2-Net, ``u2net_portrait_demo.py``): a face is cut out of the
    photo with its context (`cropped_face`), brought to the network's size, and drawn; the drawing
    is 1 - output and stretched to [0, 1], which the network's specification says. Unlike theirs, a
    photo without a face is refused, and not drawn whole.

    Args:
        photo: Pillow's image, or (H, W, 3) RGB bytes; the result is of the same kind.
        segmenter: A portrait network: the catalog's u2net_portrait, of 512 x 512 pixels.
        face: The biggest of the photo, a given one, or none: then the photo is a prepared crop
            and drawn whole, at its size.

    Returns:
        (h, w): the network's size, or the photo's where ``face`` is ``"none"``.

    Raises:
        ImageError: No face was found, or it is no photo.
        InputError: The drawing has values that are not numbers.
        MissingToolError: A face is to be found, and OpenCV not installed.
    """
    _, drawing = _drawn(photo, segmenter, face)
    return as_given(photo, bytes_of(drawing))


def composite(
    photo: Photo,
    segmenter: Segmenter,
    *,
    sigma: float = 20.0,
    alpha: float = 0.5,
    face: WhichFace = "biggest",
) -> Photo:
    """A face's drawing over the photo of it out of focus; see `portrait` and `fused`.

    The authors' ``u2net_portrait_composite.py`` takes prepared crops: ``face="none"``.

    Args:
        photo: Pillow's image, or (H, W, 3) RGB bytes; the result is of the same kind, in color.
        segmenter: A portrait network.
        sigma: Of the blur, in pixels of the result.
        alpha: The photo's share, from 0 (the drawing alone) to 1 (the photo alone).
        face: As for `portrait`, which also says the result's size.

    Raises:
        ImageError: As `portrait`.
        InputError: Likewise.
        MissingToolError: Likewise.
        UsageError: ``sigma`` or ``alpha`` is out of range.
    """
    _check(sigma, alpha)
    crop, drawing = _drawn(photo, segmenter, face)
    return as_given(photo, fused(crop, drawing, sigma, alpha))


def fused(photo: Pixels, drawing: Map, sigma: float, alpha: float) -> Pixels:
    """alpha x blurred photo + (1 - alpha) x drawing.

    xuebinqin/U-2-Net, ``u2net_portrait_composite.py``: the photo under a Gaussian filter, each
    channel by itself, and the drawing stretched until its lightest is white.

    Args:
        photo: (H, W, 3), RGB bytes.
        drawing: (H, W) in [0, 1].
        sigma: In pixels; borders are repeated.
        alpha: The photo's share, in [0, 1].

    Returns:
        (H, W, 3), RGB bytes.

    Raises:
        UsageError: ``sigma`` or ``alpha`` is out of range.
    """
    _check(sigma, alpha)
    blurred = gaussian_filter(photo.astype(np.float32), (sigma, sigma, 0), mode="nearest")
    lines = drawing / (drawing.max() + np.float32(1e-8)) * np.float32(255)
    mixed = blurred * np.float32(alpha) + lines[..., None] * np.float32(1 - alpha)
    levels: Pixels = np.clip(np.rint(mixed), 0, 255).astype(np.uint8)
    return levels


def cropped_face(photo: Pixels, face: Face) -> Pixels:
    """A face and what is around it, square; what the photo doesn't have is white.

    The margins of ``u2net_portrait_demo.py``: 0.4 of the face's width on both sides, 0.6 of its
    height above, where the hair is, and 0.2 below.

    Args:
        photo: (H, W, 3), RGB bytes.
        face: As `faces` gives it; at least partly in the photo.

    Returns:
        (S, S, 3), RGB bytes, at the photo's scale; S by S - 1 where the sides differ by an odd
        number of pixels.

    Raises:
        ImageError: The face lies outside of the photo.
    """
    height, width = photo.shape[:2]
    left = face.left - int(face.width * BESIDE)
    right = face.left + face.width + int(face.width * BESIDE)
    top = face.top - int(face.height * ABOVE)
    bottom = face.top + face.height + int(face.height * BELOW)
    inside = photo[max(0, top) : max(0, bottom), max(0, left) : max(0, right)]
    if not inside.size:
        raise ImageError(
            f"{face} is not in a photo of {width}x{height} pixels.", "Give its place in pixels."
        )
    context = _white_around(
        inside, (max(0, -top), max(0, bottom - height)), (max(0, -left), max(0, right - width))
    )
    # Square, so that the face keeps its shape at the network's size.
    high, wide = context.shape[:2]
    columns, rows = max(0, high - wide) // 2, max(0, wide - high) // 2
    return _white_around(context, (rows, rows), (columns, columns))


def _drawn(photo: Photo, segmenter: Segmenter, face: WhichFace) -> tuple[Pixels, Map]:
    """What is drawn, (h, w, 3), and its drawing, (h, w) in [0, 1]."""
    pixels = pixels_of(photo)
    if face == "none":
        return pixels, segmenter.alpha(pixels)
    if face == "biggest":
        found = faces(pixels)
        if not found:
            raise ImageError(
                "No face was found; they are seen upright and from the front. A photo that is "
                "cropped to the head is drawn without (--no-face).",
                "Crop the photo, and give --no-face, or face='none'.",
            )
        face = found[0]
    crop = resize_photo(cropped_face(pixels, face), segmenter.spec.image)
    return crop, segmenter.alpha(crop)


def _white_around(pixels: Pixels, rows: tuple[int, int], columns: tuple[int, int]) -> Pixels:
    return np.pad(pixels, (rows, columns, (0, 0)), constant_values=255)


def _check(sigma: float, alpha: float) -> None:
    if not 0 <= sigma < float("inf"):
        raise UsageError(f"{sigma:g} is no blur.", "Give a sigma from 0, in pixels.")
    if not 0 <= alpha <= 1:
        raise UsageError(f"{alpha:g} is no share of the photo.", "Give 0 to 1.")
