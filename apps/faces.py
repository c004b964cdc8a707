"""Where faces are, by the Haar cascades that OpenCV's packages hold."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from PIL import Image

from ..errors import MissingToolError
from .segmenter import Photo, Pixels, pixels_of

__all__ = ["Face", "faces"]

# The one that U²-Net's authors cut portraits by: its boxes are what the margins are meant for.
CASCADE: Final = "haarcascade_frontalface_default.xml"
# Another, of other features: what it doesn't see, too, was mostly no face.
SECOND: Final = "haarcascade_frontalface_alt2.xml"
# Boxes of both are of one face from this IoU on.
AGREEMENT: Final = 0.4
# As the authors': a step of sizes, and how many windows have to find a face.
STEP: Final = 1.1
NEIGHBORS: Final = 4
# Longest side at which faces are looked for: a cascade's smallest is 24 pixels.
SIDE: Final = 1024

_OF_THREAD = threading.local()


@dataclass(frozen=True, slots=True)
class Face:
    """The square around a face, from the brows to the chin.

    Attributes:
        left: Of its first column, from 0.
        top: Of its first row.
        width: In pixels of the photo.
        height: Likewise.
    """

    left: int
    top: int
    width: int
    height: int


def faces(photo: Photo) -> list[Face]:
    """Upright faces that look at the camera, the biggest first; none where there are none.

    P. Viola, M. Jones, "Rapid Object Detection using a Boosted Cascade of Simple Features", CVPR
    2001, with the cascade and settings of U²-Net's authors (``u2net_portrait_demo.py``). It sees
    faces in wheels and leaves; one is believed where a second cascade sees it as well.

    Args:
        photo: Pillow's image, or (H, W, 3) RGB bytes; it is looked at with no more than 1024 pixels
            a side.

    Raises:
        ImageError: It is no photo.
        MissingToolError: OpenCV is not installed, or this one has no cascades (5.0 has none).
    """
    pixels = pixels_of(photo)
    height, width = pixels.shape[:2]
    scale = max(1.0, max(height, width) / SIDE)
    gray = _gray(pixels, (max(1, round(width / scale)), max(1, round(height / scale))))
    first, second = (
        [tuple(map(int, box)) for box in cascade.detectMultiScale(gray, STEP, NEIGHBORS)]
        for cascade in _cascades()
    )
    seen = [box for box in first if any(_overlap(box, other) >= AGREEMENT for other in second)]
    found = [Face(*(round(value * scale) for value in box)) for box in seen]
    return sorted(found, key=lambda face: -face.width * face.height)


def _gray(pixels: Pixels, size: tuple[int, int]) -> Pixels:
    image = Image.fromarray(pixels).convert("L")
    return np.asarray(image.resize(size, Image.Resampling.BOX) if image.size != size else image)


def _cascades() -> tuple[Any, Any]:
    """One of each for this thread: a cascade that looks at two photos at once mixes them up."""
    known: tuple[Any, Any] | None = getattr(_OF_THREAD, "cascades", None)
    if known is None:
        known = _OF_THREAD.cascades = (_cascade(CASCADE), _cascade(SECOND))
    return known


def _cascade(name: str) -> Any:
    try:
        import cv2
    except ImportError as exc:
        raise MissingToolError("OpenCV", "portrait", "Finding faces") from exc
    folder = getattr(getattr(cv2, "data", None), "haarcascades", "")
    path = Path(folder) / name
    if not hasattr(cv2, "CascadeClassifier") or not path.is_file():
        what = f"an OpenCV with cascades (this one, {cv2.__version__}, has none)"
        raise MissingToolError(what, "portrait", "Finding faces")
    return cv2.CascadeClassifier(str(path))


def _overlap(one: tuple[int, ...], other: tuple[int, ...]) -> float:
    """IoU of two boxes."""
    wide = min(one[0] + one[2], other[0] + other[2]) - max(one[0], other[0])
    high = min(one[1] + one[3], other[1] + other[3]) - max(one[1], other[1])
    both = max(0, wide) * max(0, high)
    return both / (one[2] * one[3] + other[2] * other[3] - both)
