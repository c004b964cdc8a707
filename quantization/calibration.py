"""Calibration sets: the photos that give quantised activations their ranges.

A set is a folder, a list file, or ``scenes:N``: so many generated scenes, always the same, which
are neither trained on nor validated on.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from os import PathLike
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..errors import UsageError
from ..imaging.convert import resize_photo
from ..imaging.photos import checksum_of_photo, list_photos, read_photo
from ..scenes import scene
from ..scenes.seeds import CALIBRATION
from ..specs import ImageSpec
from ..texts import shown
from .suitability import evenly_spaced

__all__ = [
    "MOST_PHOTOS",
    "CalibrationSet",
    "Chosen",
    "checksum_of_source",
    "chosen_photos",
    "generated",
    "load_calibration",
]

# Extremes hardly move after a hundred photos, and each costs about a second.
MOST_PHOTOS = 128

SCENES = "scenes:"


@dataclass(frozen=True)
class CalibrationSet:
    """Photos as the network's input bytes.

    Attributes:
        names: The files or scenes, in order.
        pixels: (N, 3, H, W) RGB bytes.
        sha256: Of the pixels, so of the photos, their order, and the size.
        left_out: Photos of the source that were not taken: those beyond `MOST_PHOTOS`, and those
            that are not read here.
        unread: Which of them are not read here and why, a line a reason.
    """

    names: tuple[str, ...]
    pixels: NDArray[np.uint8]
    sha256: str
    left_out: int
    unread: tuple[str, ...] = ()


def generated(source: str | PathLike[str] | None) -> bool:
    """Whether a source names generated scenes, and not files."""
    return isinstance(source, str) and source.startswith(SCENES)


def load_calibration(
    source: str | PathLike[str],
    spec: ImageSpec,
    most: int = MOST_PHOTOS,
    first: int = CALIBRATION,
) -> CalibrationSet:
    """Read a calibration set from a folder or a list file, or generate it.

    Where there are more than ``most`` photos, evenly spaced ones are taken, so the same source
    always gives the same set.

    Args:
        source: Folder or list file, or ``"scenes:N"`` with N up to ``most``.
        spec: How the network's photos go in.
        most: Photos in a set.
        first: Seed of the first generated scene.

    Raises:
        ImageError: The source or one of its photos can't be read.
        UsageError: N is no such number.
    """
    if generated(source):
        found = Chosen((), 0, ())
        names, readers = _scenes(str(source), spec, most, first)
    else:
        found = chosen_photos(source, most)
        names, readers = _files(found.paths)
    pixels = np.stack([_as_bytes(read(), spec) for read in readers])
    checksum = checksum_of_pixels(pixels)
    return CalibrationSet(tuple(names), pixels, checksum, found.left_out, found.unread)


@dataclass(frozen=True, slots=True)
class Chosen:
    """Which photos of a folder or a list file are taken.

    Attributes:
        paths: These.
        left_out: How many others there are.
        unread: Which of them are not read here and why, a line a reason.
    """

    paths: tuple[Path, ...]
    left_out: int
    unread: tuple[str, ...]


def chosen_photos(source: str | PathLike[str], most: int = MOST_PHOTOS) -> Chosen:
    """At most so many photos, evenly spaced over the source.

    Raises:
        ImageError: The source can't be read.
    """
    found = list_photos(Path(source))
    paths = tuple(found.paths[i] for i in evenly_spaced(len(found.paths), most))
    left_out = len(found.paths) - len(paths) + len(found.left_out)
    return Chosen(paths, left_out, tuple(found.reasons))


def checksum_of_source(source: str | PathLike[str], most: int = MOST_PHOTOS) -> str:
    """SHA-256 of the files that are taken of a source, in their order, and of what is said of the
    others, without decoding any; of generated photos their name.

    Raises:
        ImageError: The source or one of its photos can't be read.
    """
    if generated(source):
        return str(source)
    chosen = chosen_photos(source, most)
    said = [checksum_of_photo(path) for path in chosen.paths]
    told = [*said, str(chosen.left_out), *chosen.unread]
    return hashlib.sha256("\n".join(told).encode()).hexdigest()


def checksum_of_pixels(pixels: NDArray[np.uint8]) -> str:
    """SHA-256 of photos (N, 3, H, W), their order and their size."""
    return hashlib.sha256(repr(pixels.shape).encode() + pixels.tobytes()).hexdigest()


Read = Callable[[], NDArray[np.uint8]]


def _files(photos: Sequence[Path]) -> tuple[Sequence[str], Sequence[Read]]:
    return [shown(photo.name) for photo in photos], [partial(read_photo, photo) for photo in photos]


def _scenes(
    source: str, spec: ImageSpec, most: int, first: int
) -> tuple[Sequence[str], Sequence[Read]]:
    count = source.removeprefix(SCENES)
    if not count.isdecimal() or not 1 <= int(count) <= most:
        raise UsageError(
            f"{source} is no number of scenes.", f"Write 1 to {most}: {SCENES}{min(32, most)}."
        )
    seeds = range(first, first + int(count))
    return (
        [f"scene {seed}" for seed in seeds],
        [partial(_draw_scene, seed, spec) for seed in seeds],
    )


def _draw_scene(seed: int, spec: ImageSpec) -> NDArray[np.uint8]:
    return scene(seed, spec.height, spec.width).photo


def _as_bytes(pixels: NDArray[np.uint8], spec: ImageSpec) -> NDArray[np.uint8]:
    """(3, H, W) bytes of what `imaging.photo_to_input` gives."""
    resized = resize_photo(pixels, spec)
    if spec.divide_by == "image-maximum":
        peak = int(pixels.max()) or 255
        stretched = np.minimum(resized.astype(np.float32) * (255 / peak), 255)
        resized = np.round(stretched).astype(np.uint8)
    return np.ascontiguousarray(resized.transpose(2, 0, 1))
