"""Calibration sets: the photos that give quantised activations their ranges."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..imaging.convert import resize_photo
from ..imaging.photos import list_photos, read_photo
from ..specs import ImageSpec

__all__ = ["MOST_PHOTOS", "CalibrationSet", "load_calibration"]

# Extremes hardly move after a hundred photos, and each costs about a second.
MOST_PHOTOS = 128


@dataclass(frozen=True)
class CalibrationSet:
    """Photos as the network's input bytes.

    Attributes:
        names: The files, in order.
        pixels: (N, 3, H, W) RGB bytes.
        sha256: Of the pixels, so of the photos, their order, and the size.
        left_out: Photos of the source beyond `MOST_PHOTOS`.
    """

    names: tuple[str, ...]
    pixels: NDArray[np.uint8]
    sha256: str
    left_out: int


def load_calibration(source: Path, spec: ImageSpec, most: int = MOST_PHOTOS) -> CalibrationSet:
    """Read a calibration set from a folder or a list file.

    Where there are more than ``most`` photos, evenly spaced ones are taken, so the same source
    always gives the same set.

    Raises:
        ImageError: The source or one of its photos can't be read.
    """
    photos = list_photos(source)
    chosen = photos
    if len(photos) > most:
        positions = np.linspace(0, len(photos) - 1, most).round().astype(int)
        chosen = [photos[i] for i in positions]
    pixels = np.stack([_as_bytes(photo, spec) for photo in chosen])
    digest = hashlib.sha256(repr(pixels.shape).encode() + pixels.tobytes()).hexdigest()
    names = tuple(photo.name for photo in chosen)
    return CalibrationSet(names, pixels, digest, len(photos) - len(chosen))


def _as_bytes(photo: Path, spec: ImageSpec) -> NDArray[np.uint8]:
    """(3, H, W) bytes of what `imaging.photo_to_input` gives."""
    pixels = read_photo(photo)
    resized = resize_photo(pixels, spec)
    if spec.divide_by == "image-maximum":
        peak = int(pixels.max()) or 255
        stretched = np.minimum(resized.astype(np.float32) * (255 / peak), 255)
        resized = np.round(stretched).astype(np.uint8)
    return np.ascontiguousarray(resized.transpose(2, 0, 1))
