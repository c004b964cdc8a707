"""What crosses the rooms of the house: how a network sees a photo, and what its mask means.

The contract of every artifact is fixed (RGB with real value in [0, 1] in, a mask with real
value in [0, 1] out); these classes say what lies between that contract and a network, and what
an app has to do around the file because it depends on the photo.
"""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

from .errors import SpecError

__all__ = ["IMAGENET_MEAN", "IMAGENET_STD", "ImageSpec", "MaskSpec", "ModelSpec"]

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)

Triple = tuple[float, float, float]


@dataclass(frozen=True, slots=True)
class ImageSpec:
    """How a network wants its photo.

    Attributes:
        height: Rows of the network's input, in pixels.
        width: Columns of the network's input, in pixels.
        mean: Subtracted per channel, in units of ``value_range``; done in the graph. One number
            stands for all three channels.
        std: Divided by per channel, likewise.
        color_order: What the network was trained with. Artifacts always take RGB; networks
            that want BGR get their flip in the graph, networks of one channel (GRAY) their grey,
            as Pillow weighs it (ITU-R BT.601), with one mean and one std.
        value_range: Real values that black and white have for the network before
            ``mean`` and ``std``; [0, 1] is stretched to it in the graph.
        divide_by: ``"255"`` maps pixel bytes to [0, 1]. ``"image-maximum"`` divides by the
            photo's own maximum, as U²-Net's authors do; it depends on the photo, so
            `imaging` and the app do it, not the graph.
        resize_filter: Filter that brings a photo to ``height`` x ``width``.
    """

    height: int
    width: int
    mean: Triple = IMAGENET_MEAN
    std: Triple = IMAGENET_STD
    color_order: Literal["RGB", "BGR", "GRAY"] = "RGB"
    value_range: tuple[float, float] = (0.0, 1.0)
    divide_by: Literal["255", "image-maximum"] = "255"
    resize_filter: Literal["bilinear", "bicubic", "lanczos", "nearest"] = "bilinear"

    def __post_init__(self) -> None:
        if self.height < 1 or self.width < 1:
            raise SpecError(
                f"An image of {self.height}x{self.width} pixels is empty.",
                "Give a size of at least 1x1, for example --size 320.",
            )
        for name in ("mean", "std"):
            object.__setattr__(self, name, _three(name, getattr(self, name)))
        if min(self.std) <= 0:
            raise SpecError(
                f"std {self.std} has a value that is not positive.",
                "Give positive numbers, for example --std 0.229,0.224,0.225.",
            )
        if self.color_order == "GRAY" and (len(set(self.mean)) > 1 or len(set(self.std)) > 1):
            raise SpecError(
                f"Grey has one mean and one std, and these are {self.mean} and {self.std}.",
                "Give what the network was trained with: --mean 0.5 --std 0.5, or --mean 0 --std 1 "
                "for none.",
            )
        if self.value_range[1] <= self.value_range[0]:
            raise SpecError(
                f"value_range {self.value_range} does not rise.",
                "Give black's value first: 0,1 or 0,255 or -1,1.",
            )

    def resized(self, height: int, width: int) -> ImageSpec:
        """The same specification at another size."""
        return replace(self, height=height, width=width)


@dataclass(frozen=True, slots=True)
class MaskSpec:
    """What a network's output means.

    Attributes:
        channels: Planes of the mask; above 1, one plane per class.
        activation: What is still to be applied to the network's output to make it a mask
            in [0, 1]: nothing where the network ends in its own sigmoid or softmax. Done in
            the graph.
        inverted: The network draws the mask's negative (portrait drawings are 1 - output).
            Done in the graph.
        normalization: ``"min-max"`` stretches a mask to [0, 1] by its own extremes. It
            depends on the photo, so `imaging` and the app do it, not the graph.
        threshold: Real value from which a pixel belongs to the object; for several channels
            the class is the argmax and this is unused.
        labels: Names of the channels.
        channel: Which plane of the network's is the mask, counted from 0, where it gives several
            and one is wanted: the object's of two classes. Chosen in the graph, after the
            activation; of a network that gives class numbers, the pixels of that number.
        upsample: ``"bilinear"`` brings a mask that is smaller than the photo (logits at a
            quarter) to its size, in the graph and before the activation, corners not aligned.
    """

    channels: int = 1
    activation: Literal["none", "sigmoid", "softmax"] = "none"
    inverted: bool = False
    normalization: Literal["none", "min-max"] = "none"
    threshold: float = 0.5
    labels: tuple[str, ...] = ("mask",)
    channel: int | None = None
    upsample: Literal["none", "bilinear"] = "none"

    def __post_init__(self) -> None:
        if self.channels < 1:
            raise SpecError(f"A mask of {self.channels} channels is empty.", "Give 1 or more.")
        if self.channel is not None and (self.channel < 0 or self.channels > 1):
            raise SpecError(
                f"Channel {self.channel} of the network is to be a mask of {self.channels} "
                "channels.",
                "Give a number from 0, and leave channels at 1: one plane is one mask.",
            )
        if not 0.0 < self.threshold < 1.0:
            raise SpecError(
                f"Threshold {self.threshold} would make every mask full or empty.",
                "Give a number between 0 and 1.",
            )
        if len(self.labels) != self.channels:
            raise SpecError(
                f"{len(self.labels)} labels for {self.channels} channels.",
                "Name each channel once.",
            )
        if self.activation == "softmax" and self.channels == 1 and self.channel is None:
            raise SpecError(
                "A softmax over one channel is 1 everywhere.",
                "Say how many the output has, for example --channels 21, or which of them is the "
                "mask, for example --channel 1, or use --activation sigmoid.",
            )


@dataclass(frozen=True, slots=True)
class ModelSpec:
    """A network's name and everything that an artifact of it has to know.

    Attributes:
        name: Short name; the default bundle is called after it.
        image: How the photo goes in.
        mask: What comes out.
        output: Which of several outputs is the mask: a position, a key, or a path of them,
            ``"0.0"`` or ``"aux.0"``, where outputs lie in one another. A network with several
            must say it; one with a single output needs nothing.
    """

    name: str
    image: ImageSpec
    mask: MaskSpec
    output: int | str | None = None

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,63}", self.name):
            raise SpecError(
                f"The name {self.name!r} can't begin the names of files.",
                "Use at most 64 letters, digits, dots, dashes and underscores: --name sky.",
            )

    def resized(self, height: int, width: int) -> ModelSpec:
        """The same network at another size."""
        return replace(self, image=self.image.resized(height, width))

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> ModelSpec:
        """The inverse of `to_dict`, for values that this package wrote itself."""

        def tuples(part: dict[str, Any]) -> dict[str, Any]:
            return {key: tuple(v) if isinstance(v, list) else v for key, v in part.items()}

        return cls(
            name=values["name"],
            image=ImageSpec(**tuples(values["image"])),
            mask=MaskSpec(**tuples(values["mask"])),
            output=values["output"],
        )


def _three(name: str, given: Any) -> Triple:
    """A value for each channel; one number means all of them."""
    values = (given,) * 3 if isinstance(given, int | float) else tuple(given)
    if len(values) != 3:
        raise SpecError(
            f"{name} has {len(values)} values, and a photo three channels.",
            f"Give one number for all of them, or three: --{name} 0.5,0.5,0.5.",
        )
    return float(values[0]), float(values[1]), float(values[2])
