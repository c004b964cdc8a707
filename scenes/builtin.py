"""The photos that validation and calibration use where the user gives none."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

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
    return [
        NamedPhoto(*change(scene(seed, height, width)), name)
        for name, seed, height, width, change in _PHOTOS
    ]


Pixels = tuple[NDArray[np.uint8], NDArray[np.float32]]


def _as_drawn(drawn: Scene) -> Pixels:
    return drawn.photo, drawn.mask


def _bytes(pixels: NDArray[np.float32]) -> NDArray[np.uint8]:
    return np.clip(np.round(pixels), 0, 255).astype(np.uint8)


def _with_mean(mean: float, drawn: Scene) -> Pixels:
    """The same in other light: towards black or white until the mean byte is ``mean`` of 255."""
    pixels = drawn.photo.astype(np.float32)
    now = float(pixels.mean()) / 255
    if mean <= now:
        pixels *= mean / now
    else:
        pixels = 255 - (255 - pixels) * ((1 - mean) / (1 - now))
    return _bytes(pixels), drawn.mask


def _flattened(drawn: Scene) -> Pixels:
    """The same in fog: a standard deviation of 12 grey levels around a middle grey."""
    pixels = drawn.photo.astype(np.float32)
    pixels = 140 + (pixels - pixels.mean()) * (12 / float(pixels.std()))
    return _bytes(pixels), drawn.mask


def _ringed(drawn: Scene) -> Pixels:
    """Two thirds of the width, cut through the object, inside one white pixel all round."""
    width = drawn.mask.shape[1]
    columns = np.flatnonzero((drawn.mask > 0.5).any(0))
    kept = width * 2 // 3
    start = min(int(columns[0] + 0.4 * (columns[-1] - columns[0])), width - kept)
    photo = drawn.photo[:, start : start + kept].copy()
    mask = drawn.mask[:, start : start + kept].copy()
    for edge in (np.s_[0], np.s_[-1], np.s_[:, 0], np.s_[:, -1]):
        photo[edge], mask[edge] = 255, 0
    return photo, mask


# Seeds were chosen by looking at what they draw. Name, seed, height, width.
_PHOTOS: tuple[tuple[str, int, int, int, Callable[[Scene], Pixels]], ...] = (
    ("scene-1", 6, 480, 640, _as_drawn),  # a plant in a pot: thin stalks
    ("scene-2", 5, 640, 480, _as_drawn),  # a lamp
    ("scene-3", 5, 320, 320, _as_drawn),  # a frame, mostly hole, with someone before it
    ("scene-4", 7, 375, 500, _as_drawn),  # a bicycle: spokes
    ("scene-5", 2, 501, 333, _as_drawn),  # a fish; both sides are odd
    ("wide", 3, 150, 1200, _as_drawn),
    ("tall", 8, 960, 120, _as_drawn),
    ("tiny", 5, 48, 48, _as_drawn),
    ("dark", 7, 480, 640, partial(_with_mean, 0.1)),
    ("bright", 7, 640, 480, partial(_with_mean, 0.87)),
    ("low-contrast", 1, 375, 500, _flattened),
    ("border-ring", 4, 480, 720, _ringed),
)
