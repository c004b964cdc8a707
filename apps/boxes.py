"""Where objects are: boxes around connected parts of a mask, and the photo around them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import ndimage

from ..errors import UsageError
from .segmenter import Map, Photo, Segmenter, as_given, pixels_of

__all__ = ["Box", "boxes", "boxes_of", "coco", "crop"]


@dataclass(frozen=True, slots=True)
class Box:
    """A part of a mask that hangs together.

    Attributes:
        left: Of its first column, from 0.
        top: Of its first row.
        width: In pixels of the photo.
        height: Likewise.
        area: Pixels of the part itself.
        score: Mean of the mask in it.
    """

    left: int
    top: int
    width: int
    height: int
    area: int
    score: float


def boxes(
    photo: Photo,
    segmenter: Segmenter,
    *,
    threshold: float | None = None,
    minimum_area: float = 0.001,
    refine: bool = False,
    channel: int | None = None,
) -> list[Box]:
    """Where the objects of a photo are, the largest first; none where there are none.

    Args:
        photo: Pillow's image, or (H, W, 3) RGB bytes.
        segmenter: What draws its mask.
        threshold: From which value on a pixel belongs to an object; the network's own where None.
        minimum_area: Smaller parts are left out: of the photo's pixels.
        refine: Let edges follow the photo's.
        channel: A class, where there are several; all but the first where None.

    Raises:
        InputError: As `mask`.
    """
    alpha = segmenter.alpha(pixels_of(photo), refine=refine, channel=channel)
    limit = segmenter.spec.mask.threshold if threshold is None else threshold
    return boxes_of(alpha, limit, minimum_area)


def boxes_of(alpha: Map, threshold: float, minimum_area: float) -> list[Box]:
    """Boxes of a mask (H, W); parts that touch at corners hang together."""
    parts, count = ndimage.label(alpha >= threshold, structure=np.ones((3, 3)))
    numbers = range(1, count + 1)
    areas = np.bincount(parts.ravel(), minlength=count + 1)[1:]
    scores = ndimage.mean(alpha, parts, numbers) if count else ()
    found = []
    for place, area, score in zip(ndimage.find_objects(parts), areas, scores, strict=True):
        if area < max(1, minimum_area * alpha.size):
            continue
        rows, columns = place
        found.append(
            Box(
                left=int(columns.start),
                top=int(rows.start),
                width=int(columns.stop - columns.start),
                height=int(rows.stop - rows.start),
                area=int(area),
                score=round(float(score), 4),
            )
        )
    return sorted(found, key=lambda box: (-box.area, box.top, box.left))


def crop(
    photo: Photo,
    segmenter: Segmenter,
    *,
    margin: float = 0.05,
    aspect: float | None = None,
    threshold: float | None = None,
    refine: bool = False,
    channel: int | None = None,
) -> Photo:
    """A photo cut down to its objects; the whole photo where it has none.

    Args:
        photo: Pillow's image, or (H, W, 3) RGB bytes; the result is of the same kind.
        segmenter: What draws its mask.
        margin: Around the objects, as a part of their longer side.
        aspect: Width over height. The photo ends where it ends: near its border, and where it is
            too small for that, the crop is moved, then cut.
        threshold: As for `boxes`.
        refine: Likewise.
        channel: Likewise.

    Raises:
        InputError: As `mask`.
        UsageError: Margin or aspect make no crop.
    """
    if margin < 0 or (aspect is not None and not 0 < aspect < float("inf")):
        raise UsageError(
            f"A margin of {margin:g} and an aspect of {aspect} make no crop.",
            "Give a margin of 0 or more, and width over height: 1, 1.7778.",
        )
    pixels = pixels_of(photo)
    found = boxes(pixels, segmenter, threshold=threshold, refine=refine, channel=channel)
    height, width = pixels.shape[:2]
    if not found:
        return as_given(photo, pixels)
    left, top = min(b.left for b in found), min(b.top for b in found)
    right = max(b.left + b.width for b in found)
    bottom = max(b.top + b.height for b in found)
    extra = margin * max(right - left, bottom - top)
    wide, high = right - left + 2 * extra, bottom - top + 2 * extra
    if aspect is not None:
        wide, high = max(wide, high * aspect), max(high, wide / aspect)
    columns = _within((left + right) / 2, wide, width)
    rows = _within((top + bottom) / 2, high, height)
    return as_given(photo, np.ascontiguousarray(pixels[rows, columns]))


def coco(names: list[str], sizes: list[tuple[int, int]], found: list[list[Box]]) -> dict[str, Any]:
    """Boxes of several photos as COCO's object detection has them.

    Args:
        names: Of the photos' files.
        sizes: Their (height, width).
        found: Their boxes.
    """
    images = [
        {"id": number, "file_name": name, "height": height, "width": width}
        for number, (name, (height, width)) in enumerate(zip(names, sizes, strict=True), 1)
    ]
    pairs = [(number, box) for number, some in enumerate(found, 1) for box in some]
    annotations = [
        {
            "id": number,
            "image_id": image,
            "category_id": 1,
            "bbox": [box.left, box.top, box.width, box.height],
            "area": box.area,
            "iscrowd": 0,
            "score": box.score,
        }
        for number, (image, box) in enumerate(pairs, 1)
    ]
    return {
        "images": images,
        "annotations": annotations,
        "categories": [{"id": 1, "name": "object"}],
    }


def _within(middle: float, length: float, whole: int) -> slice:
    """A part of a row or column that is as long, or as long as there is, and inside."""
    size = min(max(1, round(length)), whole)
    start = min(max(0, round(middle - size / 2)), whole - size)
    return slice(start, start + size)
