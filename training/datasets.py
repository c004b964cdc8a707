"""Pairs of photos and masks on disk, found as data sets are published and checked as a whole.

| data set | photos | masks |
|---|---|---|
| DUTS-TR, DUTS-TE | `DUTS-TR-Image/`, `DUTS-TE-Image/` | `DUTS-TR-Mask/`, `DUTS-TE-Mask/` |
| DUT-OMRON | `DUT-OMRON-image/` | `pixelwiseGT-new-PNG/` |
| ECSSD | `images/` | `ground_truth_mask/` |
| HKU-IS | `imgs/` | `gt/` |
| PASCAL-S (`salObj.zip`) | `datasets/imgs/pascal/` | `datasets/masks/pascal/` |
| SOD, as it circulates | `images/` or `Imgs/` | `GT/` |

SOD's authors publish outlines by seven people as MATLAB files for photos of the Berkeley set;
every paper uses the masks that others drew from them, and so does this.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..errors import ImageError
from ..imaging.photos import PHOTO_SUFFIXES, list_photos, read_photo, reading
from ..imaging.truth import fit_mask, pair_masks, read_mask
from ..texts import first_ten, shown

__all__ = [
    "LAYOUTS",
    "Layout",
    "Pair",
    "check_pairs",
    "find_pairs",
    "fingerprint",
    "read_pair",
    "unused_masks",
]


@dataclass(frozen=True, slots=True)
class Pair:
    """A photo and its mask."""

    photo: Path
    mask: Path


@dataclass(frozen=True, slots=True)
class Layout:
    """Where a published data set has its photos and its masks, below its own folder."""

    name: str
    photos: str
    masks: str


LAYOUTS = (
    Layout("DUTS-TR", "DUTS-TR-Image", "DUTS-TR-Mask"),
    Layout("DUTS-TE", "DUTS-TE-Image", "DUTS-TE-Mask"),
    Layout("DUT-OMRON", "DUT-OMRON-image", "pixelwiseGT-new-PNG"),
    Layout("ECSSD", "images", "ground_truth_mask"),
    Layout("HKU-IS", "imgs", "gt"),
    Layout("PASCAL-S", "datasets/imgs/pascal", "datasets/masks/pascal"),
    Layout("PASCAL-S", "imgs/pascal", "masks/pascal"),
    Layout("SOD", "images", "GT"),
    Layout("SOD", "Imgs", "GT"),
)

# A mask whose brightest byte is below holds numbers of classes, not shares of an object.
FAINT = 32


def find_pairs(images: Path, masks: Path | None, left_out: Callable[[str], object]) -> list[Pair]:
    """The pairs of a folder of photos and a folder of masks, or of a published data set.

    Args:
        images: Folder or list file of photos; without ``masks``, the folder of a data set in
            one of the `LAYOUTS`, or the folder above it.
        masks: Folder of masks, each with the stem of its photo.
        left_out: Called with which images of the folder are not read and why, a line a reason.

    Returns:
        At least one, in the order of `imaging.photos.list_photos`.

    Raises:
        ImageError: There are none; a photo has no mask or several, and which ones; the folder
            has no known layout, or several data sets.
    """
    if masks is None:
        images, masks = _published(images)
    found = list_photos(images)
    for reason in found.reasons:
        left_out(reason)
    photos = found.paths
    paired = pair_masks(photos, masks)
    lonely = [photo.name for photo in photos if photo not in paired]
    if lonely:
        raise ImageError(
            f"{len(lonely)} of {len(photos)} photos in {images} have no mask in {masks}:\n"
            f"{first_ten(lonely)}",
            "Add the masks, named as the photos, or take those photos out.",
        )
    return [Pair(photo, paired[photo]) for photo in photos]


def read_pair(pair: Pair) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    """A photo (H, W, 3) in RGB bytes and its mask (H, W) in [0, 1], at the photo's size.

    Raises:
        ImageError: They can't be read, or the mask has another shape.
    """
    photo = read_photo(pair.photo)
    height, width = photo.shape[:2]
    return photo, fit_mask(read_mask(pair.mask), height, width, str(pair.mask))


def check_pairs(pairs: Sequence[Pair], *, threads: int | None = None) -> list[str]:
    """Read every file once, so that a run does not end in its third hour over a damaged one.

    Args:
        pairs: To be read.
        threads: At once; all cores where None.

    Returns:
        Names of masks that have another scale than their photo; they are resized when used.

    Raises:
        ImageError: Photos or masks that can't be read, masks of another shape than their photo,
            or masks written as numbers of classes (0 and 1). Names the first ten.
    """
    with ThreadPoolExecutor(threads or os.cpu_count()) as pool:
        found = list(pool.map(_problem, pairs))
    wrong = [text for text, _ in found if text]
    if wrong:
        raise ImageError(
            f"{len(wrong)} of {len(pairs)} pairs can't be used:\n{first_ten(wrong)}",
            "Replace these files, or take them out.",
        )
    return [pair.mask.name for pair, (_, scaled) in zip(pairs, found, strict=True) if scaled]


def unused_masks(pairs: Sequence[Pair]) -> list[str]:
    """Names of the images beside the pairs' masks that are no photo's mask."""
    used = {pair.mask for pair in pairs}
    folders = dict.fromkeys(pair.mask.parent for pair in pairs)
    return [
        file.name
        for folder in folders
        for file in sorted(folder.iterdir())
        if file.suffix.lower() in PHOTO_SUFFIXES
        and file.is_file()
        and file not in used
        and not file.name.startswith(".")
    ]


def fingerprint(pairs: Sequence[Pair]) -> str:
    """SHA-256 over the files' names and sizes in order: two runs with one order have one."""
    digest = hashlib.sha256()
    for pair in pairs:
        for path in (pair.photo, pair.mask):
            with reading(path):
                digest.update(f"{shown(path.name)}\0{path.stat().st_size}\0".encode())
    return digest.hexdigest()


def _published(root: Path) -> tuple[Path, Path]:
    if not root.is_dir():
        raise ImageError(f"There is no folder {root}.", "Check the path.")
    # macOS writes a second, empty tree of the same names into its archives.
    below = (child for child in root.iterdir() if child.is_dir() and child.name != "__MACOSX")
    folders = [root, *sorted(below)]
    found: dict[tuple[int, int], tuple[str, Path, Path]] = {}
    for folder in folders:
        for layout in LAYOUTS:
            photos, masks = folder / layout.photos, folder / layout.masks
            if photos.is_dir() and masks.is_dir():
                # By what it is: many disks take HKU-IS's imgs and SOD's Imgs for the same.
                itself = photos.stat()
                found.setdefault((itself.st_dev, itself.st_ino), (layout.name, photos, masks))
    if len(found) == 1:
        _, photos, masks = next(iter(found.values()))
        return photos, masks
    if found:
        several = [f"{name}: {photos}" for name, photos, _ in found.values()]
        raise ImageError(
            f"{root} holds several data sets:\n{first_ten(several)}",
            "Give the folder of one, or --images and --masks.",
        )
    if any(folder.joinpath("DBidx.mat").is_file() for folder in folders):
        raise ImageError(
            f"{root} is SOD as MATLAB files: outlines by seven people, not masks.",
            "Give the photos and the masks made of them: --images, --masks.",
        )
    names = ", ".join(dict.fromkeys(layout.name for layout in LAYOUTS))
    raise ImageError(
        f"{root} is not laid out as any data set that is known ({names}).",
        "Say where the masks are as well: --masks.",
    )


def _problem(pair: Pair) -> tuple[str, bool]:
    """What is wrong, empty where nothing is; and whether the mask has another scale."""
    try:
        height, width = read_photo(pair.photo).shape[:2]
        mask = read_mask(pair.mask)
        fit_mask(mask, height, width, str(pair.mask))
    except ImageError as exc:
        return exc.what, False
    brightest = round(float(mask.max()) * 255)
    if 0 < brightest < FAINT:
        return f"{pair.mask} has no byte above {brightest}; objects are white (255)", False
    return "", mask.shape != (height, width)
