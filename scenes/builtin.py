"""The photos that validation and calibration use where the user gives none."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .seeded import Scene, scene

__all__ = ["NamedPhoto", "builtin_photos"]


@dataclass(frozen=True)
class NamedPhoto(Scene):
    """A photo of the built-in set, as `Scene`, with its name for tables and files.

    Attributes:
        name: Lower-case words and digits with hyphens between.
    """

    name: str


def builtin_photos() -> list[NamedPhoto]:
    """Twelve photos with masks, always the same, from 48x48 to 1200x150 and 640x480.

    Five ordinary ones, and those at which exports go wrong: little light, much light, little
    contrast, a bright ring at the border with an object that touches it (padding that is not
    zero where it should be shows there first), very wide, very tall, and tiny.
    """
    photos = [
        NamedPhoto(*_fields(scene(seed, height, width)), name=name)
        for name, seed, height, width in _PLAIN
    ]
    photos.append(_with_mean("dark", scene(DARK_SEED, 480, 640), 0.1))
    photos.append(_with_mean("bright", scene(BRIGHT_SEED, 640, 480), 0.87))
    photos.append(_flattened("low-contrast", scene(PALE_SEED, 375, 500)))
    photos.append(_ringed("border-ring", scene(RING_SEED, 480, 720)))
    return photos


# Seeds were chosen by looking at what they draw. Name, seed, height, width.
_PLAIN = (
    ("scene-1", 6, 480, 640),  # a plant in a pot: thin stalks
    ("scene-2", 5, 640, 480),  # a lamp
    ("scene-3", 5, 320, 320),  # a frame, which is mostly hole, with someone before it
    ("scene-4", 7, 375, 500),  # a bicycle: spokes
    ("scene-5", 2, 501, 333),  # a fish; both sides are odd
    ("wide", 3, 150, 1200),
    ("tall", 8, 960, 120),
    ("tiny", 5, 48, 48),
)
DARK_SEED, BRIGHT_SEED, PALE_SEED, RING_SEED = 7, 7, 1, 4


def _fields(drawn: Scene) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    return drawn.photo, drawn.mask


def _bytes(pixels: NDArray[np.float32]) -> NDArray[np.uint8]:
    return np.clip(np.round(pixels), 0, 255).astype(np.uint8)


def _with_mean(name: str, drawn: Scene, mean: float) -> NamedPhoto:
    """The same in other light: towards black or white until the mean byte is ``mean`` of 255."""
    pixels = drawn.photo.astype(np.float32)
    now = float(pixels.mean()) / 255
    if mean <= now:
        pixels *= mean / now
    else:
        pixels = 255 - (255 - pixels) * ((1 - mean) / (1 - now))
    return NamedPhoto(_bytes(pixels), drawn.mask, name)


def _flattened(name: str, drawn: Scene) -> NamedPhoto:
    """The same in fog: a standard deviation of 12 grey levels around a middle grey."""
    pixels = drawn.photo.astype(np.float32)
    pixels = 140 + (pixels - pixels.mean()) * (12 / float(pixels.std()))
    return NamedPhoto(_bytes(pixels), drawn.mask, name)


def _ringed(name: str, drawn: Scene) -> NamedPhoto:
    """Two thirds of the width, cut through the object, inside one white pixel all round."""
    width = drawn.mask.shape[1]
    columns = np.flatnonzero((drawn.mask > 0.5).any(0))
    kept = width * 2 // 3
    start = min(int(columns[0] + 0.4 * (columns[-1] - columns[0])), width - kept)
    photo = drawn.photo[:, start : start + kept].copy()
    mask = drawn.mask[:, start : start + kept].copy()
    for edge in (np.s_[0], np.s_[-1], np.s_[:, 0], np.s_[:, -1]):
        photo[edge], mask[edge] = 255, 0
    return NamedPhoto(photo, mask, name)
