"""Masks that hold still in time where the picture does."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from PIL import Image
from scipy.ndimage import uniform_filter

from ..errors import UsageError
from .segmenter import Map, Segmenter

__all__ = ["smoothed"]

# A change of that many hundredths of the range of values, on average of a square of the network's
# pixels, halves what is kept of the mask before: twice that leaves a sixteenth.
CHANGE: Final = 0.03
SIDE: Final = 5


def smoothed(segmenter: Segmenter, strength: float) -> Segmenter:
    """What draws, for the frames of one video in their order.

    Each mask is mixed with the smoothed one before it: an exponential moving average, whose weight
    falls where the picture has changed, so that masks don't trail behind what moves and a cut
    starts anew. That is the recursive filter of noise in videos, without motion compensation
    (E. Dubois, S. Sabri, "Noise Reduction in Image Sequences Using Motion-Compensated Temporal
    Filtering", 1984), applied to masks; changes are seen at the network's size.

    Args:
        segmenter: Of one photo at a time.
        strength: What is kept of the mask before where nothing moves, from 0 to below 1: 0.8 takes
            about 5 frames' masks together.

    Raises:
        UsageError: The strength is out of range.
    """
    if not 0 <= strength < 1:
        raise UsageError(f"{strength:g} is no strength of smoothing.", "Give 0 to 0.99.")
    if not strength:
        return segmenter
    return replace(segmenter, draw=_Smoothing(segmenter, np.float32(strength)))


@dataclass
class _Smoothing:
    segmenter: Segmenter
    strength: np.float32
    before: tuple[Map, Map] | None = None  # the photo's brightness and the mask

    def __call__(self, photo: Map) -> Map:
        drawn = self.segmenter.draw(photo)
        gray: Map = photo[0].mean(0)
        if self.before is not None and self.before[1].shape == drawn.shape:
            changed = uniform_filter(np.abs(gray - self.before[0]), SIDE, mode="nearest")
            weight = self.strength * np.exp2(-np.square(changed / np.float32(CHANGE)))
            rows, columns = drawn.shape[2:]
            if weight.shape != (rows, columns):  # masks that are smaller than the network's photo
                image = Image.fromarray(weight)
                weight = np.asarray(image.resize((columns, rows), Image.Resampling.BILINEAR))
            drawn = drawn + weight * (self.before[1] - drawn)
        self.before = gray, drawn
        return drawn
