"""One photo and its mask from a seed, and the photos that are taken where the user gives none."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from .camera import photographed
from .colors import apart
from .composition import compose
from .fields import Plane, resized, to_planes

__all__ = ["NamedPhoto", "Scene", "builtin_photos", "scene", "visibility"]

# A scene that fails is drawn again from the next stream of its seed; one in fifty does.
ATTEMPTS = 12
# Least visibility of the objects' edges in the photo, which may be dark, hazy or restless; found
# by looking: below it, one in two is hard to find.
VISIBLE = 0.06
# Least and most of the frame that objects may cover.
LEAST, MOST = 0.025, 0.68
# From here on an edge is clear, and this much of the ground's deviation is taken off, because
# in a restless ground the same edge is harder to see.
CLEAR, UNREST = 0.2, 0.3


@dataclass(frozen=True)
class Scene:
    """A photo and what is salient in it.

    Attributes:
        photo: (H, W, 3), RGB bytes.
        mask: (H, W) in [0, 1]: the share of each pixel that belongs to a salient object and is
            not hidden. Edges are smooth; holes and gaps are left out, and so are shadows and
            reflections.
    """

    photo: NDArray[np.uint8]
    mask: NDArray[np.float32]


def scene(seed: int, height: int = 320, width: int = 320) -> Scene:
    """A generated photo of one to three objects, the same for the same arguments.

    The numbers are NumPy's PCG64 and the drawing is Pillow's, so other versions of either may
    draw slightly other pixels.

    Args:
        seed: Not negative. Different seeds give unlike scenes: another backdrop, other objects,
            other light, another camera.
        height: Rows, from 1.
        width: Columns, from 1.
    """
    # A long frame has no room for an object that covers much of it.
    least = LEAST * min(1.0, 2 * min(height, width) / max(height, width))
    failed: list[Scene] = []
    for attempt in range(ATTEMPTS):
        rng = np.random.default_rng([seed, height, width, attempt])
        planes, mask = compose(rng, height, width)
        covered = float(mask.mean())
        sound = least <= covered <= MOST and bool(mask.max() > 0.5)
        drawn = Scene(photographed(rng, planes), mask)
        if sound and visibility(drawn.photo, mask) >= VISIBLE:
            return drawn
        failed.append(drawn)
    # Frames of a few pixels have no edges to judge: there the largest object is taken.
    return max(failed, key=lambda drawn: float(drawn.mask.mean()))


def visibility(photo: NDArray[np.uint8], mask: Plane) -> float:
    """How clearly the objects' edges show in a photo, as `colours.difference` counts.

    At a quarter of 320 pixels the mean colours on both sides of each edge are compared. The
    result is the mean over the edge, where what is clear already counts no further, less a
    share of the ground's own contrasts: at most 0.2. 0 for an empty mask.
    """
    height, width = mask.shape
    factor = max(1.0, min(height, width) / 80)
    rows, columns = max(1, round(height / factor)), max(1, round(width / factor))
    reduced = Image.fromarray(photo).resize((columns, rows), Image.Resampling.BOX)
    planes = to_planes(reduced)
    mask = resized(mask, rows, columns, Image.Resampling.BOX)

    def around(plane: Plane) -> Plane:
        image = Image.fromarray(plane)
        tiny = image.resize((max(1, columns // 4), max(1, rows // 4)), Image.Resampling.BOX)
        return np.asarray(tiny.resize((columns, rows), Image.Resampling.BILINEAR))

    share = around(mask)
    edge = (share > 0.15) & (share < 0.85)
    if not edge.any():
        return 0.0
    steps = []
    for plane in planes:
        inside = around(plane * mask)[edge] / share[edge]
        outside = around(plane * (1 - mask))[edge] / (1 - share[edge])
        steps.append(inside - outside)
    clear = np.minimum(apart(*steps), CLEAR).mean()
    weights = np.array([0.3, 0.59, 0.11], np.float32)
    ground = np.tensordot(weights, planes, 1)[mask < 0.05]
    return float(clear) - UNREST * float(np.std(ground) if ground.size else 0)


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
