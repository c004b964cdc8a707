"""Colours as photos have them: mostly muted, in families, seldom one hue alone."""

from __future__ import annotations

import colorsys
from typing import Any

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from .fields import Plane, Planes

__all__ = ["Color", "apart", "color", "contrasting", "difference", "jittered", "palette", "toned"]

Color = NDArray[np.float32]  # (3,), RGB in [0, 1]

# Hue in turns (may pass 1), saturation, value: the range of each family.
_FAMILIES: dict[str, tuple[tuple[float, float], tuple[float, float], tuple[float, float]]] = {
    "sky": ((0.53, 0.64), (0.1, 0.65), (0.6, 1.0)),
    "dusk": ((0.9, 1.12), (0.2, 0.7), (0.5, 1.0)),
    "foliage": ((0.17, 0.4), (0.25, 0.8), (0.12, 0.75)),
    "earth": ((0.03, 0.12), (0.2, 0.6), (0.15, 0.65)),
    "wood": ((0.05, 0.11), (0.3, 0.7), (0.25, 0.85)),
    "sand": ((0.08, 0.15), (0.1, 0.4), (0.6, 0.95)),
    "skin": ((0.01, 0.09), (0.2, 0.6), (0.3, 0.95)),
    "stone": ((0.0, 1.0), (0.0, 0.12), (0.2, 0.85)),
    "white": ((0.0, 1.0), (0.0, 0.1), (0.8, 1.0)),
    "black": ((0.0, 1.0), (0.0, 0.35), (0.02, 0.2)),
    "water": ((0.45, 0.62), (0.15, 0.7), (0.2, 0.8)),
    "vivid": ((0.0, 1.0), (0.6, 1.0), (0.4, 1.0)),
    "warm": ((0.95, 1.16), (0.5, 1.0), (0.5, 1.0)),
    "pastel": ((0.0, 1.0), (0.12, 0.4), (0.75, 1.0)),
    "muted": ((0.0, 1.0), (0.1, 0.45), (0.25, 0.8)),
    "fur": ((0.03, 0.11), (0.0, 0.55), (0.08, 0.9)),
    "metal": ((0.5, 0.7), (0.0, 0.15), (0.35, 0.9)),
}
_NAMES = tuple(_FAMILIES)


def color(rng: Generator, family: str | None = None) -> Color:
    """One colour of a family, of any family where none is named."""
    hues, saturations, values = _FAMILIES[family or _NAMES[int(rng.integers(len(_NAMES)))]]
    hue = rng.uniform(*hues) % 1.0
    return np.array(
        colorsys.hsv_to_rgb(hue, rng.uniform(*saturations), rng.uniform(*values)), np.float32
    )


def palette(rng: Generator, count: int, family: str | None = None) -> NDArray[np.float32]:
    """(count, 3) colours that may be seen together.

    Most are of one or two families; some are one colour in several tones.
    """
    first = family or _NAMES[int(rng.integers(len(_NAMES)))]
    if rng.random() < 0.3:
        base = color(rng, first)
        tones = rng.uniform(0.45, 1.5, (count, 1)).astype(np.float32)
        shades: NDArray[np.float32] = np.clip(
            base * tones + rng.normal(0, 0.03, (count, 3)).astype(np.float32), 0, 1
        )
        return shades
    second = first if rng.random() < 0.5 else _NAMES[int(rng.integers(len(_NAMES)))]
    return np.stack([color(rng, first if i % 2 == 0 else second) for i in range(count)])


def jittered(rng: Generator, base: Color, amount: float, count: int) -> NDArray[np.float32]:
    """(count, 3): one colour, lighter and darker and a little off in hue."""
    light = rng.normal(0, amount, (count, 1))
    hue = rng.normal(0, amount * 0.4, (count, 3))
    return np.clip(base + light + hue, 0, 1).astype(np.float32)


def difference(first: Color, second: Color) -> float:
    """How far apart two colours look: brightness and two opponent axes, 0 to about 1.4.

    Coarse on purpose: it only has to tell what stands out from what does not.
    """
    return float(apart(*(float(v) for v in first - second)))


def apart(red: Any, green: Any, blue: Any) -> Any:
    """What `difference` makes of differences in the three channels, numbers or arrays."""
    brightness = 0.3 * red + 0.59 * green + 0.11 * blue
    red_green, blue_yellow = 0.5 * (red - green), 0.25 * (2 * blue - red - green)
    return np.sqrt(brightness**2 + red_green**2 + blue_yellow**2)


def contrasting(rng: Generator, ground: Color, least: float, family: str | None = None) -> Color:
    """A colour at least ``least`` from ``ground``; the farthest of twelve where none is."""
    best, distance = ground, -1.0
    for _ in range(12):
        drawn = color(rng, family)
        away = difference(drawn, ground)
        if away > distance:
            best, distance = drawn, away
        if away >= least:
            break
    return best


def toned(field: Plane, colors: NDArray[np.float32]) -> Planes:
    """Colour a field of [0, 1] by a scale through ``colours`` (n, 3), evenly spaced."""
    stops = np.linspace(0, 1, len(colors))
    steps = np.linspace(0, 1, 256)
    table = np.stack([np.interp(steps, stops, channel) for channel in colors.T])
    index = (np.clip(field, 0, 1) * 255).astype(np.uint8)
    return np.take(table.astype(np.float32), index, axis=1)
