"""Whatever draws masks, and the photos that it is given."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ..errors import ImageError, InputError
from ..imaging.convert import mask_for_photo, photo_to_input, stretched
from ..specs import ModelSpec
from .refine import refined

__all__ = ["Map", "Photo", "Pixels", "Segmenter", "as_given", "pixels_of"]

Pixels = NDArray[np.uint8]
Map = NDArray[np.float32]
# What applications take, and give back in the same kind: (H, W, 3) RGB bytes, or Pillow's image.
Photo = TypeVar("Photo", Image.Image, Pixels)


@dataclass(frozen=True, slots=True)
class Segmenter:
    """A network, or a file of it, that is open.

    Attributes:
        spec: How photos go in, and what its maps mean.
        draw: (1, 3, h, w) in [0, 1] to (1, C, h, w) in [0, 1].
        name: For people.
    """

    spec: ModelSpec
    draw: Callable[[Map], Map]
    name: str = ""

    def masks(self, photo: Pixels, *, refine: bool = False) -> Map:
        """The masks of a photo, at its size.

        Args:
            photo: (H, W, 3), RGB bytes.
            refine: Let edges follow the photo's own (`refine.refined`); else they are those of the
                network's size, brought to the photo's by the filter that photos are shrunk by
                (bilinear in place of nearest).

        Returns:
            (C, H, W) in [0, 1].

        Raises:
            InputError: The mask has values that are not numbers.
        """
        drawn = self.draw(photo_to_input(photo, self.spec.image))[0]
        if not np.isfinite(drawn).all():
            raise InputError(
                f"{self.name or self.spec.name} gives values that are not numbers.",
                "maskport validate says which files are broken.",
            )
        height, width = photo.shape[:2]
        if refine:
            return refined(stretched(drawn, self.spec.mask), photo)
        kind = self.spec.image.resize_filter.replace("nearest", "bilinear")
        return mask_for_photo(drawn, self.spec.mask, height, width, kind)

    def alpha(self, photo: Pixels, *, refine: bool = False, channel: int | None = None) -> Map:
        """One mask of a photo: the only one, that of a class, or of all classes but the first.

        Args:
            photo: As for `masks`.
            refine: Likewise.
            channel: A class, where there are several; all but the first, which is the background
                in the catalog's networks, where None.

        Returns:
            (H, W) in [0, 1].

        Raises:
            InputError: There is no such class.
        """
        masks = self.masks(photo, refine=refine)
        if channel is None:
            rest: Map = masks[0] if len(masks) == 1 else np.clip(masks[1:].sum(0), 0, 1)
            return rest
        if not 0 <= channel < len(masks):
            raise InputError(
                f"There is no class {channel}.",
                f"Give 0 to {len(masks) - 1}: {', '.join(self.spec.mask.labels)}.",
            )
        one: Map = masks[channel]
        return one


def pixels_of(photo: Image.Image | Pixels) -> Pixels:
    """A photo's (H, W, 3) RGB bytes.

    Raises:
        ImageError: It is neither Pillow's image nor such an array.
    """
    if isinstance(photo, Image.Image):
        return np.asarray(photo.convert("RGB"))
    array = np.asarray(photo)
    if array.ndim != 3 or array.shape[2] != 3 or array.dtype != np.uint8 or not array.size:
        raise ImageError(
            f"A photo is (H, W, 3) bytes; this one is {array.shape} of {array.dtype}.",
            "Convert it to 8-bit RGB.",
        )
    return array


def as_given(photo: Photo, pixels: Pixels) -> Photo:
    """Pixels in the kind that a photo was given in."""
    if isinstance(photo, Image.Image):
        made = Image.fromarray(pixels)
        if profile := photo.info.get("icc_profile"):
            made.info["icc_profile"] = profile
        return made
    return pixels
