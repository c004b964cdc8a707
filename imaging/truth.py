"""Ground-truth masks: found beside their photos by name, read, and held against their size."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ..errors import ImageError
from .photos import PHOTO_SUFFIXES, read_photo

__all__ = ["fit_mask", "pair_masks", "read_mask"]

# Photos and masks that were scaled apart differ by a pixel of rounding, not by more.
ASPECT_TOLERANCE = 0.02


def pair_masks(photos: Sequence[Path], folder: Path) -> dict[Path, Path]:
    """The mask of each photo that has one: the image in ``folder`` with the photo's stem.

    Args:
        photos: Paths of photos.
        folder: Of masks; sub-folders are left out.

    Raises:
        ImageError: There is no such folder, no photo has a mask there, or a photo has several.
    """
    if not folder.is_dir():
        raise ImageError(f"There is no folder of masks {folder}.", "Check the path.")
    by_stem: dict[str, list[Path]] = {}
    for file in sorted(folder.iterdir()):
        if file.is_file() and file.suffix.lower() in PHOTO_SUFFIXES:
            by_stem.setdefault(file.stem, []).append(file)
    pairs: dict[Path, Path] = {}
    for photo in photos:
        found = by_stem.get(photo.stem, [])
        if len(found) > 1:
            raise ImageError(
                f"{photo.name} has several masks: {', '.join(m.name for m in found)}.",
                "Keep one of them.",
            )
        if found:
            pairs[photo] = found[0]
    if not pairs:
        raise ImageError(
            f"{folder} has no mask for any of {len(photos)} photos, such as {photos[0].name}.",
            f"Name masks as their photos: {photos[0].stem}.png.",
        )
    return pairs


def read_mask(path: Path) -> NDArray[np.float32]:
    """A mask as (H, W) in [0, 1], from the luminance of any image.

    Raises:
        ImageError: As `imaging.photos.read_photo`.
    """
    pixels = read_photo(path)
    if (pixels[..., 0] == pixels[..., 1]).all() and (pixels[..., 0] == pixels[..., 2]).all():
        gray = pixels[..., 0]
    else:
        gray = np.asarray(Image.fromarray(pixels).convert("L"))
    return gray.astype(np.float32) / np.float32(255)


def fit_mask(mask: NDArray[np.float32], height: int, width: int, name: str) -> NDArray[np.float32]:
    """A mask at its photo's size, resized bilinearly where only the scale differs.

    Args:
        mask: (h, w) in [0, 1].
        height: The photo's rows.
        width: The photo's columns.
        name: Of the mask, for messages.

    Raises:
        ImageError: Its aspect ratio is another: it is no mask of this photo as it stands.
    """
    own_height, own_width = mask.shape
    if (own_height, own_width) == (height, width):
        return mask
    if abs(own_width * height / (own_height * width) - 1) > ASPECT_TOLERANCE:
        turned = abs(own_height * height / (own_width * width) - 1) <= ASPECT_TOLERANCE
        raise ImageError(
            f"{name} is {own_width}x{own_height}, its photo {width}x{height}"
            + (", as if one of them was turned." if turned else "."),
            "Turn it as the photo is." if turned else "Give the mask of this photo.",
        )
    resized = Image.fromarray(mask).resize((width, height), Image.Resampling.BILINEAR)
    return np.asarray(resized)
