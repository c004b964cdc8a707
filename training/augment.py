"""One training sample from a photo and its mask: resized, cropped, flipped, in other light.

Source: Qin et al., U²-Net (2020), section 4.2: resized to 320x320, "randomly flipped vertically"
(their published `u2net_train.py` flips nothing; here left and right), cropped to 288x288.
Colour changes are not the authors'; strength 0 leaves them out.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from PIL import Image

from ..imaging.convert import resize_photo
from ..specs import ImageSpec

__all__ = ["Augmentation", "augmented"]

Float = NDArray[np.float32]

# Largest changes at strength 1: of light, contrast and saturation, and of a colour's gain.
CHANGE, GAIN = 0.5, 0.15
# Rec. 601 luma, as Pillow's own conversion to grey.
LUMA = np.array([0.299, 0.587, 0.114], np.float32)


@dataclass(frozen=True, slots=True)
class Augmentation:
    """How samples are made.

    Attributes:
        spec: Size that photos are resized to, its filter, and the divisor of their bytes.
        crop: Side of the square that is cut out at random, at most the spec's sides.
        flips: ``"horizontal"`` mirrors every other sample, ``"both"`` also turns every other
            one upside down.
        color: Strength of the colour changes, from 0 (none) to 1.
    """

    spec: ImageSpec
    crop: int
    flips: Literal["none", "horizontal", "both"]
    color: float


def augmented(
    photo: NDArray[np.uint8], mask: Float, how: Augmentation, rng: Generator
) -> tuple[Float, Float]:
    """A sample.

    Args:
        photo: (H, W, 3) RGB bytes.
        mask: (H', W') in [0, 1]; of the photo's shape up to scale.
        how: What may happen to it.
        rng: The only source of chance.

    Returns:
        (3, crop, crop), RGB in [0, 1], before mean and std; and (1, crop, crop) in [0, 1].
    """
    spec = how.spec
    top = int(rng.integers(spec.height - how.crop + 1))
    left = int(rng.integers(spec.width - how.crop + 1))
    window = np.s_[top : top + how.crop, left : left + how.crop]
    small = resize_photo(photo, spec)
    # As imaging.convert.photo_to_input: of the whole photo, before it was resized.
    divisor = np.float32(photo.max() or 255) if spec.divide_by == "image-maximum" else 255
    pixels: Float = np.minimum(small[window] / np.float32(divisor), np.float32(1))
    truth = _resized(mask, spec)[window]
    if how.flips != "none" and rng.random() < 0.5:
        pixels, truth = pixels[:, ::-1], truth[:, ::-1]
    if how.flips == "both" and rng.random() < 0.5:
        pixels, truth = pixels[::-1], truth[::-1]
    if how.color:
        pixels = _recolored(pixels, how.color, rng)
    return np.ascontiguousarray(pixels.transpose(2, 0, 1)), np.ascontiguousarray(truth[None])


def _resized(mask: Float, spec: ImageSpec) -> Float:
    if mask.shape == (spec.height, spec.width):
        return mask
    size = (spec.width, spec.height)
    resized = Image.fromarray(mask).resize(size, Image.Resampling.BILINEAR)
    fitted: Float = np.clip(np.asarray(resized), 0, 1)
    return fitted


def _recolored(pixels: Float, strength: float, rng: Generator) -> Float:
    """Other light, contrast, saturation and white balance, each drawn evenly around none."""
    light, contrast, saturation = (
        1 + strength * CHANGE * rng.uniform(-1, 1, 3).astype(np.float32)
    ).tolist()
    gains = 1 + strength * GAIN * rng.uniform(-1, 1, 3).astype(np.float32)
    gray = (pixels @ LUMA)[..., None]
    changed = gray + np.float32(saturation) * (pixels - gray)
    middle = np.float32(gray.mean())
    changed = middle + np.float32(contrast) * (changed - middle)
    recolored: Float = np.clip(changed * gains * np.float32(light), 0, 1)
    return recolored
