"""Photo to tensor and map to mask, by the specifications; nothing else resizes or normalises."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ..errors import ImageError
from ..specs import ImageSpec, MaskSpec

__all__ = ["mask_for_photo", "photo_to_input", "resize_photo", "stretched"]

_FILTERS = {
    "nearest": Image.Resampling.NEAREST,
    "bilinear": Image.Resampling.BILINEAR,
    "bicubic": Image.Resampling.BICUBIC,
    "lanczos": Image.Resampling.LANCZOS,
}


def resize_photo(photo: NDArray[np.uint8], spec: ImageSpec) -> NDArray[np.uint8]:
    """(H, W, 3) bytes to (spec.height, spec.width, 3) bytes: what an app hands to an artifact."""
    if photo.ndim != 3 or photo.shape[2] != 3 or photo.dtype != np.uint8:
        raise ImageError(
            f"A photo is (H, W, 3) bytes; this one is {photo.shape} of {photo.dtype}.",
            "Convert it to 8-bit RGB.",
        )
    size = (spec.width, spec.height)
    return np.asarray(Image.fromarray(photo).resize(size, _FILTERS[spec.resize_filter]))


def photo_to_input(photo: NDArray[np.uint8], spec: ImageSpec) -> NDArray[np.float32]:
    """What every artifact takes for a photo.

    Args:
        photo: (H, W, 3), RGB bytes, any size.
        spec: Size, filter and divisor. Mean, std and colour order are in the graph.

    Returns:
        (1, 3, spec.height, spec.width), RGB, real values in [0, 1].
    """
    pixels = resize_photo(photo, spec).astype(np.float32)
    divisor = 255.0
    if spec.divide_by == "image-maximum":
        divisor = float(photo.max()) or 255.0
        pixels = np.minimum(pixels, divisor)
    return np.ascontiguousarray((pixels / np.float32(divisor)).transpose(2, 0, 1)[None])


def stretched(values: NDArray[np.float32], spec: MaskSpec) -> NDArray[np.float32]:
    """Masks (C, h, w) with min-max normalisation, where theirs is that; a flat map, for which it
    would be 0 / 0, is left as it is."""
    if spec.normalization == "none":
        return values
    low, high = float(values.min()), float(values.max())
    if high - low <= 1e-6:
        return values
    return (values - np.float32(low)) / np.float32(high - low)


def mask_for_photo(
    values: NDArray[np.float32],
    spec: MaskSpec,
    height: int,
    width: int,
    resize_filter: str = "bilinear",
) -> NDArray[np.float32]:
    """The final mask, at the photo's size.

    Args:
        values: (C, h, w) in [0, 1], as an artifact gives them.
        spec: What the values mean; min-max normalisation happens here (`stretched`).
        height: The photo's rows.
        width: The photo's columns.
        resize_filter: One of `ImageSpec.resize_filter`.

    Returns:
        (C, height, width) in [0, 1].
    """
    values = stretched(values, spec)

    def resized(plane: NDArray[Any]) -> NDArray[np.float32]:
        image = Image.fromarray(np.ascontiguousarray(plane, dtype=np.float32))
        return np.asarray(image.resize((width, height), _FILTERS[resize_filter]))

    return np.clip(np.stack([resized(plane) for plane in values]), 0.0, 1.0)
