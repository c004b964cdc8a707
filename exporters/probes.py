"""Whether what is exported draws the untouched network's mask, whatever a photo shows.

How near two masks of one network can be is the network's own: float32 sums in another order move
some masks by 1e-7 and others by 1e-3. So it is measured: each value of a photo is moved by its
last bit, after which every sum rounds anew.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from ..errors import ExportError, MaskportError, NetworkError
from ..models.devices import best_device, full_precision
from ..models.prepared import PreparedMask, Reference, check_range
from ..quantization.suitability import LIGHTS
from .failures import reason_of
from .run import Run

__all__ = ["Probes", "check_probes", "draw_references"]

Masks = NDArray[np.float32]

# Eighteen Unets with a MobileNetV2, whose noise went from 1e-5 to 0.2: one thread differed from two
# by 0.6 to 1.2 times as much, and the view by 0.6 to 1.4 times.
NOISES = 5.0
# Below a fortieth of a grey level no difference is judged. Rewriting is exact to 1e-5, to a little
# more where the reference runs on a GPU.
UNSEEN = 1e-4
# Of the pixels; where a network decides for each, rounding turns some over.
MOST = 0.999
# On average, of what other kernels drew: a quarter of a grey level.
OTHER_KERNELS = 1e-3


@dataclass(frozen=True, slots=True)
class Probes:
    """Photos in other light and of other things than a network is traced with.

    Attributes:
        images: (N, 3, H, W) RGB in [0, 1].
        references: (N, C, H, W), what the untouched network draws for them.
        noise: Mean absolute difference that rounding alone makes of its mask.
    """

    images: Masks
    references: Masks
    noise: float

    def save(self, path: Path) -> None:
        """Write what `load` reads."""
        np.savez(path, images=self.images, references=self.references, noise=self.noise)

    @classmethod
    def load(cls, path: Path) -> Probes:
        """The inverse of `save`."""
        with np.load(path) as file:
            return cls(file["images"], file["references"], float(file["noise"]))


def check_probes(run: Run, what: str, draw: Callable[[Masks], Masks], remedy: str) -> None:
    """Hold something that was made of a network against it; nothing where a run has no probes.

    Args:
        run: The run.
        what: What was made, for messages.
        draw: Draws the mask (1, C, H, W) of a photo (1, 3, H, W).
        remedy: What to do where it draws another.

    Raises:
        ExportError: It draws other masks.
    """
    if not run.probes.exists():
        return
    probes = Probes.load(run.probes)
    drawn = np.concatenate([draw(image[None]) for image in probes.images])
    errors = _difference(drawn, probes.references).mean((1, 2, 3))
    if errors.max() > max(OTHER_KERNELS, NOISES * probes.noise):
        raise ExportError(
            f"{what} of {run.spec.name} draws another mask than the network: on average "
            f"{errors.max():.4f} off, for a {_KINDS[int(errors.argmax())]}.",
            remedy,
        )


# Of the probes, in their order.
_KINDS = ("photo in less light", "photo in more light", "second photo")


def draw_references(reference: Reference, prepared: PreparedMask, check: Masks, run: Run) -> Masks:
    """What the untouched network draws for the photos that files are judged by.

    The view that is exported is held against it, and probes are kept for what is made of it.

    Args:
        reference: The untouched network.
        prepared: Its view.
        check: (N, 3, H, W) RGB in [0, 1], N >= 1.
        run: The run, where the probes are kept.

    Returns:
        (N, C, H, W).

    Raises:
        NetworkError: It fails, breaks the contract, or is another network in each run; or the
            view is another network.
    """
    first = check[:1]
    other = check[-1:] if len(check) > 1 else 1 - first
    relit = [np.clip(first * np.float32(light), 0, 1) for light in LIGHTS]
    # Towards grey, so that black and white stay in the range.
    nudged = np.nextafter(first, np.float32(0.5))
    masks = _drawn(reference, np.concatenate([check, *relit, other, nudged]))
    references, probed, moved = np.split(masks, [len(check), len(masks) - 1])
    check_range(references, reference.spec)
    noise = _difference(moved, references[:1])
    with torch.no_grad(), full_precision():
        seen = _difference(prepared(torch.from_numpy(first)).numpy(), references[:1])
    if np.quantile(seen, MOST) > UNSEEN:
        _check_probes(seen, noise, _difference(_drawn(reference, first), references[:1]), reference)
    Probes(np.concatenate([*relit, other]), probed, float(noise.mean())).save(run.probes)
    return references


def _check_probes(seen: Masks, noise: Masks, again: Masks, reference: Reference) -> None:
    """What a difference of the view comes from.

    Raises:
        NetworkError: Not from rounding.
    """
    name = reference.spec.name
    if again.max() > UNSEEN:
        raise NetworkError(
            f"{name} draws two masks of one photo: they differ by {again.max():.1e}.",
            "Switch off what is random, such as dropout, or what it keeps from photo to photo.",
        )
    differs, moves = np.quantile(seen, MOST), np.quantile(noise, MOST)
    if differs > NOISES * moves:
        raise NetworkError(
            f"The view of {name} that is exported differs from the network by {differs:.1e}, "
            f"where rounding moves its mask by {moves:.1e}.",
            "The fault is maskport's: report it with the network's code.",
        )


def _drawn(reference: Reference, images: Masks) -> Masks:
    device = best_device()
    try:
        return reference.draw(images, device)
    except MaskportError:
        raise
    except Exception as exc:  # the user's own code may raise anything
        raise NetworkError(
            f"{reference.spec.name} fails on a photo (on {device}), though not on a grey one: "
            f"{reason_of(exc)}",
            "It must draw a mask of every photo of its size.",
        ) from exc


def _difference(masks: Masks, references: Masks) -> Masks:
    """|masks - references|; what isn't a number is the same as itself."""
    return np.abs(np.nan_to_num(masks) - np.nan_to_num(references))
