"""From a sketch to pixels: edges, colours, textures, volume and gloss; then onto a picture, with
the shadows and reflections that it casts.
"""

from __future__ import annotations

import functools
import itertools
import math
from dataclasses import dataclass, replace

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont, features

from .colors import Color, contrasting, jittered, palette, toned
from .fields import Plane, Planes, fractal, lowpass, ramp, resized, unit
from .patterns import pattern
from .sketch import DARK, MAIN, PALE, Part, Sketch

__all__ = ["Layer", "Light", "cast", "coverage", "lay", "mirrored", "paint", "softened"]


@dataclass(frozen=True)
class Light:
    """Where light comes from, and how hard it is; one for all objects of a scene.

    Attributes:
        x: Rightward part of the direction to the light, in [-1, 1].
        y: Downward part; negative where it comes from above.
        relief: How strongly surfaces darken away from it; 0 leaves them flat, without gloss.
    """

    x: float
    y: float
    relief: float


@dataclass(frozen=True)
class Layer:
    """A painted object, to be laid on a canvas.

    Attributes:
        planes: (3, h, w), about [0, 1]; meaningless where alpha is 0.
        alpha: (h, w) in [0, 1].
    """

    planes: Planes
    alpha: Plane


def coverage(sketch: Sketch, matrix: NDArray[np.float64]) -> tuple[float, float, float]:
    """Area, width and height of a sketch under a linear map, in the map's units."""
    parts = sketch.placed(matrix)
    wide, high = _extent(parts)
    grain = 64 / max(wide, high)
    ids = _drawn(sketch.placed(matrix * grain), 64, 64)
    covered = np.count_nonzero(np.asarray(ids)) / grain**2
    return max(covered, 1e-6), wide, high


def paint(
    rng: Generator,
    sketch: Sketch,
    matrix: NDArray[np.float64],
    ground: Color,
    contrast: float,
    light: Light,
) -> Layer:
    """Draw, colour and light a sketch.

    Args:
        rng: Where colours and textures come from.
        sketch: What is drawn.
        matrix: From the sketch's units to pixels.
        ground: The colour behind it, from which its own shall differ.
        contrast: By how much, as `colors.difference` counts.
        light: The scene's light.
    """
    wide, high = _extent(sketch.placed(matrix))
    sampling = 4 if max(wide, high) < 100 else 3 if max(wide, high) < 250 else 2
    # One pixel all round, so that edges fade within the layer.
    width, height = math.ceil(wide) + 2, math.ceil(high) + 2
    parts = [replace(p, outline=(p.outline + 1) * sampling) for p in sketch.placed(matrix)]
    ids = _drawn(parts, sampling * width, sampling * height)
    weights: dict[int, Plane] = {}
    for surface in sorted({part.surface for part in parts}):
        table = [0] * 256
        table[surface + 1] = 255
        share = np.asarray(ids.point(table).reduce(sampling)).astype(np.float32)
        if share.any():
            weights[surface] = share * (1 / 255)
    if not weights:
        weights[MAIN] = np.zeros((height, width), np.float32)
    alpha = np.minimum(sum(weights.values(), 0), 1)
    planes = np.zeros((3, height, width), np.float32)
    for surface, share in weights.items():
        tone = _tone(rng, sketch, surface, ground, contrast)
        planes += share * _surface(rng, surface, tone, height, width)
    planes /= np.maximum(alpha, 1e-3)
    return Layer(_lit(rng, planes, list(weights.values()), light), alpha)


def _extent(parts: list[Part]) -> tuple[float, float]:
    corner = np.max([part.outline.max(0) for part in parts if part.role == "solid"], axis=0)
    return max(float(corner[0]), 1e-3), max(float(corner[1]), 1e-3)


def _drawn(parts: list[Part], width: int, height: int) -> Image.Image:
    """An image of surfaces, each part's number plus one; 0 is outside."""
    base = Image.new("L", (width, height))
    for are_marks, some in itertools.groupby(parts, lambda part: part.role == "mark"):
        image = base.copy() if are_marks else base
        for part in some:
            _fill(image, part)
        if are_marks:
            base.paste(image, mask=base.point(_OPAQUE))
    return base


_OPAQUE = [0] + [255] * 255


def _fill(image: Image.Image, part: Part) -> None:
    ink = 0 if part.role == "hole" else part.surface + 1
    if part.text:
        letters = _letters(part.text)
        corner, right, _, down = part.outline
        to_right, to_bottom = (right - corner) / letters.width, (down - corner) / letters.height
        inverse = np.linalg.pinv(np.stack([to_right, to_bottom], 1))
        offset = -inverse @ corner
        data = (*inverse[0], offset[0], *inverse[1], offset[1])
        stencil = letters.transform(
            image.size, Image.Transform.AFFINE, tuple(map(float, data)), Image.Resampling.BILINEAR
        )
        image.paste(ink, mask=stencil.point([0] * 128 + [255] * 128))
    else:
        ImageDraw.Draw(image).polygon(part.outline.ravel().tolist(), fill=ink)


@functools.lru_cache(maxsize=256)
def _letters(text: str) -> Image.Image:
    """Letters that fill their image, in the font that Pillow brings along."""
    # Without FreeType Pillow has a bitmap font only: coarse, but letters.
    font = ImageFont.load_default(160) if features.check("freetype2") else ImageFont.load_default()
    _, _, right, bottom = font.getbbox(text)
    image = Image.new("L", (math.ceil(right) + 8, math.ceil(bottom) + 8))
    ImageDraw.Draw(image).text((4, 4), text, fill=255, font=font)
    # The font's own box counts the space beside a letter; the ink's does not.
    return image.crop(image.getbbox() or (0, 0, 1, 1))


def _tone(rng: Generator, sketch: Sketch, surface: int, ground: Color, contrast: float) -> Color:
    family = sketch.families.get(surface, {DARK: "black", PALE: "white"}.get(surface))
    needed = contrast if surface == MAIN else contrast * rng.uniform(0, 1)
    return contrasting(rng, ground, needed, family)


def _surface(rng: Generator, surface: int, tone: Color, height: int, width: int) -> Planes:
    """(3, h, w) or (3, 1, 1): plain, shaded, mottled, streaked like fur or patterned."""
    size = max(height, width)
    flat = tone[:, None, None]
    choice = rng.random() if surface not in {DARK, PALE} else rng.uniform(0, 0.6)
    if choice < 0.25 or size < 12:
        return flat
    if choice < 0.6:
        cell = size * math.exp(rng.uniform(math.log(0.03), math.log(0.5)))
        field = fractal(rng, height, width, cell, int(rng.integers(2, 6)), rng.uniform(0.4, 0.8))
        return flat * (1 + rng.uniform(0.03, 0.25) * field)
    if choice < 0.72:
        other = jittered(rng, tone, 0.2, 2)
        return toned(ramp(rng, height, width), other)
    if choice < 0.86:
        stretch = math.exp(rng.choice([-1, 1]) * rng.uniform(1, 2.5))
        field = fractal(rng, height, width, size * 0.1, 5, 0.8, stretch)
        return toned(unit(field, 0.2), jittered(rng, tone, 0.12, 3))
    period = max(4.0, size * rng.uniform(0.05, 0.25))
    colors = np.stack([tone, palette(rng, 1)[0]])
    if rng.random() < 0.5:
        colors[1] = jittered(rng, tone, 0.2, 1)[0]
    return toned(pattern(rng, height, width, period), colors)


def _lit(rng: Generator, planes: Planes, shares: list[Plane], light: Light) -> Planes:
    """Shade as if each surface were inflated, then add gloss and a little occlusion.

    The height of a point is how much of its surface lies around it, and farther around how much
    of the whole; its slope against the light's direction darkens or lightens.
    """
    _, height, width = planes.shape
    size = max(height, width)
    if size < 8 or light.relief == 0:
        return planes
    # Slopes are smooth, so a reduced picture is plenty.
    step = max(2.0, size / 80)
    rows, columns = max(2, round(height / step)), max(2, round(width / step))
    bulge = np.zeros((rows, columns), np.float32)
    whole = np.zeros((rows, columns), np.float32)
    for share in shares:
        small = resized(share, rows, columns, Image.Resampling.BOX)
        bulge += small * lowpass(small, 0.04 * size / step)
        whole += small
    bulge += whole * lowpass(whole, 0.14 * size / step)
    down, right = np.gradient(lowpass(bulge, 1.5))
    slope = right * -light.x + down * -light.y
    slope *= 0.12 * size / step
    facing = slope / np.sqrt(1 + slope * slope)
    facing = resized(facing, height, width)
    lit = planes * (1 + light.relief * facing)
    if rng.random() < 0.4:
        lit *= 1 - rng.uniform(0.1, 0.5) * ramp(rng, height, width)
    if rng.random() < 0.35:
        sharp = rng.uniform(0.5, 0.85)
        gloss = np.clip((facing - sharp * facing.max()) * 6, 0, 1)
        lit += rng.uniform(0.15, 0.7) * gloss
    return lit


Box = tuple[slice, slice]


def _overlap(
    top: int, left: int, shape: tuple[int, int], frame: tuple[int, int]
) -> tuple[Box, Box] | None:
    """Where a rectangle and a frame overlap: slices of the frame and of the rectangle."""
    cut = []
    for start, length, limit in zip((top, left), shape, frame, strict=True):
        first, last = max(0, start), min(limit, start + length)
        if first >= last:
            return None
        cut.append((slice(first, last), slice(first - start, last - start)))
    return (cut[0][0], cut[1][0]), (cut[0][1], cut[1][1])


def lay(planes: Planes, layer: Layer, top: int, left: int) -> Plane:
    """Put a layer on a picture, in place; its opacity over the whole frame comes back."""
    frame = planes.shape[1:]
    opacity = np.zeros(frame, np.float32)
    found = _overlap(top, left, layer.alpha.shape, (frame[0], frame[1]))
    if found is not None:
        (rows, columns), (own_rows, own_columns) = found
        alpha = layer.alpha[own_rows, own_columns]
        below = planes[:, rows, columns]
        below += alpha * (layer.planes[:, own_rows, own_columns] - below)
        opacity[rows, columns] = alpha
    return opacity


def cast(
    planes: Planes,
    alpha: Plane,
    top: float,
    left: float,
    slant: float,
    squash: float,
    softness: float,
    darkness: float,
) -> None:
    """Darken a picture, in place, where the shadow of something falls.

    Args:
        planes: (3, H, W).
        alpha: (h, w) of the thing that casts it.
        top: The thing's row in the picture.
        left: The thing's column.
        slant: How far to the right a point's shadow lies, per height above the thing's foot.
        squash: How far up it lies; 1 is upright behind the thing, negative in front of it.
        softness: Width of its edge in pixels.
        darkness: How much light it takes away, 0 to 1.
    """
    _, height, width = planes.shape
    # Soft things need few pixels; the transform works on a picture reduced by this factor.
    step = max(2.0, min(softness, 8.0))
    rows, columns = max(1, round(height / step)), max(1, round(width / step))
    foot = top + alpha.shape[0]
    if abs(squash) < 0.05:
        squash = 0.05
    # From a pixel of the shadow (x, y) to the thing: t = (foot - y) / squash above its foot.
    down, right = height / rows, width / columns
    data = (
        right,
        slant * down / squash,
        -slant * foot / squash - left,
        0.0,
        down / squash,
        alpha.shape[0] - foot / squash,
    )
    stencil = Image.fromarray((alpha * 255).astype(np.uint8))
    shadow = np.asarray(
        stencil.transform((columns, rows), Image.Transform.AFFINE, data, Image.Resampling.BILINEAR)
    ).astype(np.float32)
    if softness > step:
        shadow = lowpass(shadow, softness / step)
    shade = np.clip(resized(shadow, height, width) * (1 / 255), 0, 1)
    planes *= 1 - darkness * shade


def mirrored(layer: Layer, strength: float) -> Layer:
    """A layer upside down and fading away from its foot, as wet or polished ground shows it."""
    fade = np.linspace(strength, 0, layer.alpha.shape[0], dtype=np.float32)[:, None]
    return Layer(layer.planes[:, ::-1], layer.alpha[::-1] * fade)


def softened(alpha: NDArray[np.float32], radius: float) -> NDArray[np.float32]:
    """Edges out of focus by about ``radius`` pixels."""
    return np.clip(lowpass(alpha, radius), 0, 1)
