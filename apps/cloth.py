"""Garments of a photo: which pixel is of which, and each by itself."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Generic

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

from ..errors import InputError, UsageError
from .alpha import cleaned, foreground
from .cutout import bytes_of
from .segmenter import Map, Photo, Segmenter, as_given, pixels_of

__all__ = ["Clothes", "cloth", "names_of"]

# Around a garment's pixels its probability is its edge; farther away, a veil. Of the diagonal.
BAND: Final = 0.01


@dataclass(frozen=True, slots=True)
class Clothes(Generic[Photo]):
    """What is worn in a photo.

    Attributes:
        labels: (H, W), the number of each pixel's class, 0 for the background; as Pillow's image it
            has a palette (Pascal VOC's).
        cutouts: By class (`names_of`): the garment on nothing, (H, W, 4) as `cutout` gives it. None
            where the photo has none.
    """

    labels: Photo
    cutouts: Mapping[str, Photo | None]


def cloth(
    photo: Photo,
    segmenter: Segmenter,
    *,
    refine: bool = False,
    clean: bool = True,
    minimum_area: float = 0.002,
) -> Clothes[Photo]:
    """Garments as separate cut-outs, and a map of which pixel is of which.

    A pixel is of the class that is most likely there (argmax). A cut-out's opacity is its own
    class's probability, so that edges are soft, on its pixels and close around them.

    Args:
        photo: Pillow's image, or (H, W, 3) RGB bytes; the results are of the same kind.
        segmenter: A network of several classes, the first the background: the catalog's
            u2net_cloth_seg has upper, lower and full (a dress, an overall).
        refine: Let edges follow the photo's.
        clean: Take out veils and specks.
        minimum_area: From which part of the photo's pixels on there is a garment.

    Raises:
        InputError: As `mask`, or the network has one class only.
        UsageError: ``minimum_area`` is out of range.
    """
    if not 0 <= minimum_area <= 1:
        raise UsageError(f"{minimum_area:g} is no part of a photo.", "Give 0 to 1.")
    names = names_of(segmenter)
    pixels = pixels_of(photo)
    masks = segmenter.masks(pixels, refine=refine)
    labels = masks.argmax(0).astype(np.uint8)
    least = max(1.0, minimum_area * labels.size)
    cutouts: dict[str, Photo | None] = {}
    for number, name in enumerate(names, 1):
        own = labels == number
        if own.sum() < least:
            cutouts[name] = None
            continue
        alpha = _opacity(masks[number], own, clean=clean)
        colors = foreground(pixels, alpha)
        cutouts[name] = as_given(photo, np.dstack((colors, bytes_of(alpha))))
    return Clothes(_with_palette(as_given(photo, labels)), cutouts)


def names_of(segmenter: Segmenter) -> list[str]:
    """Classes of a network but the first, as parts of files' names; numbered where two would be
    one.

    Raises:
        InputError: There is one class only, or more than a label map has numbers for.
    """
    labels = segmenter.spec.mask.labels
    if not 2 <= len(labels) <= 256:
        raise InputError(
            f"The classes of {segmenter.name or segmenter.spec.name} are {len(labels)}.",
            "Give a network of 2 to 256, such as u2net_cloth_seg; of one, apply cutout.",
        )
    names = [re.sub(r"[^\w-]+", "_", label).strip("_") or "class" for label in labels]
    if len({name.lower() for name in names}) < len(names):
        names = [f"{number}_{name}" for number, name in enumerate(names)]
    return names[1:]


def _opacity(probability: Map, own: NDArray[np.bool_], *, clean: bool) -> Map:
    """A class's probability, on its pixels and in the band around them where edges are."""
    reach = max(1, round(BAND * float(np.hypot(*own.shape))))
    near = ndimage.maximum_filter(own, 2 * reach + 1)
    alpha = np.where(near, probability, np.float32(0))
    return cleaned(alpha) if clean else alpha


def _with_palette(labels: Photo) -> Photo:
    if isinstance(labels, Image.Image):
        labels.putpalette(_palette())
    return labels


def _palette() -> list[int]:
    """Colors of 256 classes: the bits of a number, from its lowest, dealt out to red, green and
    blue from their highest (Pascal VOC's development kit)."""
    colors: list[int] = []
    for number in range(256):
        for channel in range(3):
            bits = [number >> (3 * place + channel) & 1 for place in range(3)]
            colors.append(sum(bit << (7 - place) for place, bit in enumerate(bits)))
    return colors
