"""What crosses the rooms of the house: how a network sees a photo, and what its mask means.

The contract of every artifact is fixed (RGB with real value in [0, 1] in, a mask with real
value in [0, 1] out); these classes say what lies between that contract and a network, and what
an app has to do around the file because it depends on the photo.
"""

from __future__ import annotations

import re
import reprlib
from dataclasses import MISSING, asdict, dataclass, fields, replace
from functools import cache
from numbers import Real
from typing import Annotated, Any, Literal, get_type_hints

from pydantic import Field, TypeAdapter, ValidationError

from .errors import SpecError

__all__ = [
    "IMAGENET_MEAN",
    "IMAGENET_STD",
    "LARGEST_AREA",
    "LARGEST_CHANNELS",
    "LARGEST_MASK",
    "LARGEST_SIDE",
    "Amount",
    "Channel",
    "Channels",
    "Count",
    "Finite",
    "ImageSpec",
    "Integer",
    "Label",
    "MaskSpec",
    "ModelSpec",
    "Number",
    "Output",
    "Side",
]

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)

# Limits of what is believed, whether a command line, a TOML file, a manifest or a child says it.
# A photo takes 1.2 GB at most while it is prepared.
LARGEST_SIDE = 8192
LARGEST_AREA = 1 << 25
# Numbers of one mask, all planes together: 1 GiB in float32.
LARGEST_MASK = 1 << 28
LARGEST_CHANNELS = 4096
# Whatever is divided by this is 0 or no number in float32.
_SMALLEST_STD = 1e-9

Side = Annotated[int, Field(ge=1, le=LARGEST_SIDE)]
Channels = Annotated[int, Field(ge=1, le=LARGEST_CHANNELS)]
Channel = Annotated[int, Field(ge=0, le=65535)]
Label = Annotated[str, Field(max_length=200)]
Finite = Annotated[float, Field(allow_inf_nan=False)]
# A real value as networks have them: finite in float32, and so are its products with others.
Number = Annotated[float, Field(ge=-1e9, le=1e9, allow_inf_nan=False)]
Output = (
    Annotated[int, Field(ge=-65535, le=65535, strict=True)]
    | Annotated[str, Field(min_length=1, max_length=400)]
)
# How many there are of something: bytes, values, operations.
Count = Annotated[int, Field(ge=0, lt=1 << 63)]
Integer = Annotated[int, Field(ge=-(1 << 63), lt=1 << 63)]
# How much there is of something, such as milliseconds: sums and squares of many are finite.
Amount = Annotated[float, Field(ge=0, le=1e15, allow_inf_nan=False)]

Triple = tuple[Number, Number, Number]


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

    height: Side
    width: Side
    mean: Triple = IMAGENET_MEAN
    std: Triple = IMAGENET_STD
    color_order: Literal["RGB", "BGR", "GRAY"] = "RGB"
    value_range: tuple[Number, Number] = (0.0, 1.0)
    divide_by: Literal["255", "image-maximum"] = "255"
    resize_filter: Literal["bilinear", "bicubic", "lanczos", "nearest"] = "bilinear"

    def __post_init__(self) -> None:
        for name in ("mean", "std"):
            object.__setattr__(self, name, _three(name, getattr(self, name)))
        _check(self)
        if self.height * self.width > LARGEST_AREA:
            raise SpecError(
                f"An image of {self.height}x{self.width} pixels has more than {LARGEST_AREA:,}.",
                "Give a smaller size, for example --size 1024.",
            )
        if min(self.std) < _SMALLEST_STD:
            raise SpecError(
                f"std {self.std} has a value that is not positive, or below {_SMALLEST_STD}.",
                "Give positive numbers, for example --std 0.229,0.224,0.225.",
            )
        if self.color_order == "GRAY" and (len(set(self.mean)) > 1 or len(set(self.std)) > 1):
            raise SpecError(
                f"Grey has one mean and one std, and these are {self.mean} and {self.std}.",
                "Give what the network was trained with: --mean 0.5 --std 0.5, or --mean 0 --std 1 "
                "for none.",
            )
        if self.value_range[1] - self.value_range[0] < _SMALLEST_STD:
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

    channels: Channels = 1
    activation: Literal["none", "sigmoid", "softmax"] = "none"
    inverted: bool = False
    normalization: Literal["none", "min-max"] = "none"
    threshold: Finite = 0.5
    labels: tuple[Label, ...] = ("mask",)
    channel: Channel | None = None
    upsample: Literal["none", "bilinear"] = "none"

    def __post_init__(self) -> None:
        _check(self)
        if self.channel is not None and self.channels > 1:
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
    output: Output | None = None

    def __post_init__(self) -> None:
        _check(self)
        if not re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,63}", self.name):
            raise SpecError(
                f"The name {self.name!r} can't begin the names of files.",
                "Use at most 64 letters, digits, dots, dashes and underscores: --name sky.",
            )
        planes = (self.mask.channels, self.image.height, self.image.width)
        if planes[0] * planes[1] * planes[2] > LARGEST_MASK:
            raise SpecError(
                f"A mask of {planes[0]} channels at {planes[1]}x{planes[2]} has more than "
                f"{LARGEST_MASK:,} values.",
                "Give a smaller size, or --channel for the plane that is wanted.",
            )

    def resized(self, height: int, width: int) -> ModelSpec:
        """The same network at another size."""
        return replace(self, image=self.image.resized(height, width))

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> ModelSpec:
        """The inverse of `to_dict`, for values from anywhere: all of them are looked at.

        Raises:
            SpecError: A key is missing or unknown, or a value is not allowed; names it.
        """
        whole = _keys(cls, values, "the specification")
        image = ImageSpec(**_keys(ImageSpec, whole["image"], "image"))
        mask = MaskSpec(**_keys(MaskSpec, whole["mask"], "mask"))
        return cls(**whole | {"image": image, "mask": mask})


@cache
def _types(kind: type) -> dict[str, TypeAdapter[Any]]:
    """What checks each field: the dataclass's own annotations."""
    hints = get_type_hints(kind, include_extras=True)
    return {field.name: TypeAdapter(hints[field.name]) for field in fields(kind)}


def _check(spec: Any) -> None:
    """See that each field is of its type and within its bounds.

    Raises:
        SpecError: One is not.
    """
    for name, adapter in _types(spec.__class__).items():
        value = getattr(spec, name)
        value = tuple(value) if isinstance(value, list) else value  # JSON has no tuples
        try:
            object.__setattr__(spec, name, adapter.validate_python(value, strict=True))
        except ValidationError as exc:
            wrong = exc.errors(include_url=False, include_input=False)[0]["msg"]
            raise SpecError(
                f"{name} is {_shown(value)}: {wrong[:1].lower()}{wrong[1:]}.",
                f"Correct {name}.",
            ) from exc


def _keys(kind: type, values: Any, where: str) -> dict[str, Any]:
    """The fields of a specification as keywords.

    Raises:
        SpecError: They are not those that it has.
    """
    known = {field.name: field.default is MISSING for field in fields(kind)}
    if not isinstance(values, dict):
        raise SpecError(f"{where} is {_shown(values)}.", f"It has keys: {', '.join(known)}.")
    for what, keys in (
        ("no key of", [key for key in values if key not in known]),
        ("missing in", [key for key, needed in known.items() if needed and key not in values]),
    ):
        if keys:
            raise SpecError(f"{_shown(keys[0])} is {what} {where}.", f"Keys: {', '.join(known)}.")
    return values


def _shown(value: Any) -> str:
    """A value in a few words."""
    try:
        return reprlib.repr(value)
    except ValueError:  # Python writes no integers of thousands of digits
        return "a number of thousands of digits"


def _three(name: str, given: Any) -> Any:
    """A value for each channel; one number means all of them. `_check` looks at the values."""
    values = given if isinstance(given, list | tuple) else (given,) * 3
    if len(values) != 3:
        raise SpecError(
            f"{name} has {len(values)} values, and a photo three channels.",
            f"Give one number for all of them, or three: --{name} 0.5,0.5,0.5.",
        )
    # NumPy's numbers are no floats.
    return tuple(v if isinstance(v, int) or not isinstance(v, Real) else float(v) for v in values)
