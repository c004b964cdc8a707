"""Another sky, and the light that it gives what stands before it."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps
from scipy import ndimage

from ..errors import UsageError
from .alpha import foreground
from .background import color_of, over
from .cutout import bytes_of, opacity
from .segmenter import Map, Photo, Pixels, Segmenter, as_given, pixels_of

__all__ = ["SKIES", "drawn_sky", "relit", "sky", "sky_mask"]

# Colors of drawn skies: how far down from the zenith to the horizon, and sRGB there.
SKIES: Final = {
    "clear": (
        (0.0, (44, 98, 172)),
        (0.45, (96, 152, 210)),
        (0.8, (168, 204, 234)),
        (1.0, (216, 230, 240)),
    ),
    "dusk": (
        (0.0, (38, 48, 96)),
        (0.4, (104, 84, 134)),
        (0.7, (214, 126, 116)),
        (0.9, (250, 176, 108)),
        (1.0, (255, 208, 142)),
    ),
    "overcast": (
        (0.0, (146, 152, 160)),
        (0.6, (186, 190, 195)),
        (1.0, (214, 216, 218)),
    ),
}
# A smaller sky than that part of the photo is none.
LEAST: Final = 1e-3
# Of the sky's pixels so many are above the horizon: gaps between leaves lie below it.
ABOVE: Final = 0.98
# Gaps between leaves: the longest side at which the sky's colors are spread, how far, and how much
# sky has to be there; distances of colors, in bytes; and the largest gap, of the photo.
SMALL, NEAR, LITTLE = 512, 61, 0.01
ALIKE, UNLIKE, GAP = 24.0, 110.0, 2e-3
# Light changes by so much at most, in brightness, and its brightness by that share of the skies':
# cameras are set to the light there is.
DARKEST, BRIGHTEST, EXPOSURE = 0.25, 2.0, 0.5
# Linear sRGB to cones' answers, rows L, M, S: Reinhard et al., equation 4, of sRGB's primaries.
_CONES: Final = np.array(
    [[0.3811, 0.5783, 0.0402], [0.1967, 0.7244, 0.0782], [0.0241, 0.1288, 0.8444]]
)


def sky(
    photo: Photo,
    segmenter: Segmenter,
    *,
    picture: Image.Image | Pixels | None = None,
    color: str = "",
    drawn: str = "",
    relight: float = 0.5,
    refine: bool = True,
    clean: bool = True,
    channel: int | None = None,
) -> Photo:
    """A photo under another sky; as it is where the mask finds none.

    The new sky reaches from the photo's upper edge to its horizon, so that what a picture has low
    stands low, too. Edges keep the foreground's own colors (`alpha.foreground`), and the foreground
    gets the new sky's light (`relit`).

    Args:
        photo: Pillow's image, or (H, W, 3) RGB bytes; the result is of the same kind and size.
        segmenter: A network whose mask is the sky.
        picture: The new sky, scaled to fill the width down to the horizon; of what is too high, the
            lower part is taken.
        color: Or a color: a name or ``#rrggbb``.
        drawn: Or a sky of `SKIES`: clear, dusk, overcast.
        relight: How much of the new light the foreground gets, from 0 (none) to 1.
        refine: Let edges follow the photo's, and see gaps between branches by their color.
        clean: Take out veils and specks of sky.
        channel: A class, where there are several; all but the first where None.

    Raises:
        InputError: As `mask`.
        UsageError: Not just one sky is given, it is no color or no drawn sky, or ``relight`` is out
            of range.
    """
    if sum((picture is not None, bool(color), bool(drawn))) != 1:
        raise UsageError("A new sky is a picture, a color or a drawn one.", "Give one of them.")
    if not 0 <= relight <= 1:
        raise UsageError(f"{relight:g} is no part of the light.", "Give 0 to 1.")
    pixels = pixels_of(photo)
    above, there = _sky_of(pixels, segmenter, refine=refine, clean=clean, channel=channel)
    height, width = above.shape
    if there.sum() < LEAST * there.size:
        return as_given(photo, pixels.copy())
    horizon = _horizon(there)
    if picture is not None:
        new = _lower_part(pixels_of(picture), width, horizon)
    elif color:
        new = np.broadcast_to(np.array(color_of(color), np.uint8), (horizon, width, 3))
    else:
        new = drawn_sky(drawn, width, horizon)
    # Gaps below the horizon show the sky there.
    behind = np.concatenate((new, np.repeat(new[-1:], height - horizon, 0)))
    front = foreground(pixels, 1 - above)
    front = relit(front, pixels[there], behind[there], relight)
    return as_given(photo, over(front, 1 - above, behind))


def sky_mask(
    photo: Photo,
    segmenter: Segmenter,
    *,
    refine: bool = True,
    clean: bool = True,
    channel: int | None = None,
) -> Photo:
    """The sky of a photo in 256 greys, (H, W), as `sky` takes it; arguments and errors are its."""
    above, _ = _sky_of(pixels_of(photo), segmenter, refine=refine, clean=clean, channel=channel)
    return as_given(photo, bytes_of(above))


def relit(photo: Pixels, old: Pixels, new: Pixels, strength: float) -> Pixels:
    """A photo that was lit by one sky, as if by another.

    E. Reinhard et al., "Color Transfer between Images", 2001: colors as logarithms of cones'
    answers, moved by what the means of two pictures differ by. Here these are the two skies, and
    what is moved is what stands before them; so the same sky changes nothing, black stays black,
    and a move is another color and brightness of the light (von Kries). Deviations are left alone:
    a sky's say nothing of what it lights. Brightness is moved by half, as cameras are set to the
    light there is, and at most to a quarter or to double.

    Args:
        photo: (H, W, 3), RGB bytes of sRGB.
        old: Pixels of the photo's sky, (N, 3).
        new: Pixels of the other, (M, 3).
        strength: From 0 (nothing) to 1 (all of it).

    Returns:
        (H, W, 3), RGB bytes.
    """
    move = _mean_light(new) - _mean_light(old)
    brightness = np.clip(EXPOSURE * move.mean(), np.log(DARKEST), np.log(BRIGHTEST))
    gains = np.exp(strength * (move - move.mean() + brightness))
    colors = (np.linalg.inv(_CONES) @ np.diag(gains) @ _CONES).astype(np.float32)
    result = np.empty_like(photo)
    for top in range(0, len(photo), _STRIP):
        light = _LIGHT[photo[top : top + _STRIP]] @ colors.T
        steps = np.rint(np.clip(light, 0, 1) * np.float32(len(_BYTES) - 1)).astype(np.uint16)
        result[top : top + _STRIP] = _BYTES[steps]
    return result


def drawn_sky(name: str, width: int, height: int) -> Pixels:
    """A sky without clouds or sun, (height, width, 3) RGB bytes; the same each time.

    Args:
        name: Of `SKIES`.
        width: In pixels.
        height: From the zenith to the horizon, in pixels.

    Raises:
        UsageError: There is no such sky.
    """
    if name not in SKIES:
        raise UsageError(f"There is no sky {name!r}.", f"Give one of {', '.join(SKIES)}.")
    places, colors = zip(*SKIES[name], strict=True)
    rows = np.linspace(0, 1, height)
    channels = [np.interp(rows, places, values) for values in zip(*colors, strict=True)]
    # Less than a step of noise, against bands.
    noise = np.random.default_rng(0).random((height, width, 1), np.float32)
    made = np.stack(channels, -1).astype(np.float32)[:, None] + noise
    levels: Pixels = np.minimum(made, 255).astype(np.uint8)
    return levels


def _sky_of(
    pixels: Pixels, segmenter: Segmenter, *, refine: bool, clean: bool, channel: int | None
) -> tuple[Map, NDArray[np.bool_]]:
    """How much of each pixel is sky, (H, W) in [0, 1], and where the network sees it."""
    above = opacity(
        pixels, segmenter, refine=refine, alpha_matting=False, clean=clean, channel=channel
    )
    there = above > 0.5
    return (np.maximum(above, _gaps(pixels, above)) if refine else above), there


def _horizon(there: NDArray[np.bool_]) -> int:
    """How many rows the sky reaches down, 1 or more."""
    rows = np.cumsum(there.sum(1))
    return int(np.searchsorted(rows, ABOVE * rows[-1])) + 1


def _gaps(pixels: Pixels, above: Map) -> Map:
    """Sky between branches and railings, which networks of 320 pixels take for tree, (H, W) in
    [0, 1]: small parts of the color that the sky has around there."""
    height, width = above.shape
    scale = min(1.0, SMALL / max(height, width))
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    colors = np.asarray(Image.fromarray(pixels).resize(size, Image.Resampling.BOX), np.float32)
    sure = np.asarray(Image.fromarray(above).resize(size, Image.Resampling.BOX)) > 0.9

    def spread(values: Map) -> Map:
        made: Map = ndimage.uniform_filter(values, NEAR, mode="constant")
        return np.asarray(Image.fromarray(made).resize((width, height), Image.Resampling.BILINEAR))

    amount = spread(sure.astype(np.float32))
    distance, brightness = (np.zeros((height, width), np.float32) for _ in range(2))
    for channel in range(3):
        mean = spread(colors[..., channel] * sure) / np.maximum(amount, np.float32(1e-6))
        distance += (pixels[..., channel] - mean) ** 2
        brightness += mean**2
    # Of a dark sky, dark leaves are not far.
    limit = np.clip(np.sqrt(brightness) / 2, 1, UNLIKE)
    alike = (limit - np.sqrt(distance)) / (limit * np.float32(1 - ALIKE / UNLIKE))
    alike = np.clip(alike, 0, 1) * (amount > LITTLE)
    core = (alike == 1) & (above < 0.5)
    parts, count = ndimage.label(core)
    # A white wall under a white sky is no gap.
    gaps = np.bincount(parts.ravel(), minlength=count + 1) <= GAP * above.size
    gaps[0] = False
    around = ndimage.binary_dilation(gaps[parts], np.ones((3, 3), bool), iterations=2)
    return np.where(around, alike, 0).astype(np.float32)


def _lower_part(picture: Pixels, width: int, height: int) -> Pixels:
    fitted = ImageOps.fit(
        Image.fromarray(picture), (width, height), Image.Resampling.LANCZOS, centering=(0.5, 1.0)
    )
    return np.asarray(fitted)


def _mean_light(pixels: Pixels) -> NDArray[Any]:
    """Logarithms of cones' mean answers to (N, 3) bytes."""
    answers = _LIGHT[pixels].reshape(-1, 3).mean(0, dtype=np.float64)
    logarithms: NDArray[Any] = np.log(np.maximum(_CONES @ answers, 1e-3))
    return logarithms


def _srgb_to_light(values: NDArray[Any]) -> Map:
    """IEC 61966-2-1: sRGB in [0, 1] to linear light."""
    return np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4).astype(
        np.float32
    )


def _light_to_srgb(values: NDArray[Any]) -> NDArray[Any]:
    return np.where(values <= 0.0031308, values * 12.92, 1.055 * values ** (1 / 2.4) - 0.055)


_STRIP: Final = 512
_LIGHT: Final = _srgb_to_light(np.arange(256) / 255)
_BYTES: Final = np.rint(_light_to_srgb(np.arange(65536) / 65535) * 255).astype(np.uint8)
