"""How a file that another tool made is fed and read, found by trying.

That stands nowhere in such a file. So every usual way is tried on a few photos, beside what the
network draws in PyTorch. The way that draws the network's mask goes into the manifest, and from
then on the file is validated, gated and searched for drift as our own are.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import ValidationError

from ..artifacts.manifest import Artifact, Normalization, Reading, Tensor
from ..errors import InputError, MaskportError, NotCoveredError
from ..metrics import intersection_over_union, mean_absolute_error
from ..runtimes.base import normalized, read
from ..runtimes.inspect.findings import End, Inspected
from ..runtimes.isolated import IsolatedRunner
from ..specs import IMAGENET_MEAN, IMAGENET_STD, LARGEST_CHANNELS, ImageSpec, ModelSpec

__all__ = ["Way", "found_way"]

Images = NDArray[np.float32]
Layout = Literal["NCHW", "NHWC", "image"]

# What networks are fed with, the plainest first, by the names that people have for it: what is
# taken from a photo in [0, 1], and what that is divided by.
_VALUES = {
    "[0, 1]": ((0.0,) * 3, (1.0,) * 3),
    "ImageNet's mean and std": (IMAGENET_MEAN, IMAGENET_STD),
    "[-1, 1]": ((0.5,) * 3, (0.5,) * 3),
    "[-0.5, 0.5]": ((0.5,) * 3, (1.0,) * 3),
    "[0, 255]": ((0.0,) * 3, (1 / 255,) * 3),
    "[0, 255] less ImageNet's mean": (IMAGENET_MEAN, (1 / 255,) * 3),
}
# The most that the mean error of a way may be that draws the network's mask, however coarse the
# file; and of the error that the best flat mask has, which is small where objects are.
_MAE, _OF_FLAT = 0.05, 1 / 3
# Errors below this are arithmetic.
_SAME = 1e-4
# So many ways are tried on all photos, when one has put them in order.
_KEPT = 4
_DTYPES = frozenset({"float32", "float16", "uint8", "int8"})


@dataclass(frozen=True, slots=True)
class Way:
    """One way to feed a file and to read it.

    Attributes:
        takes: Its input, for the manifest.
        gives: Its output, likewise.
        text: The way in words.
        mae: Mean absolute error beside PyTorch over the photos.
        iou: Mean intersection over union, likewise.
        same: In words, other ways that these photos don't tell from it.
    """

    takes: Tensor
    gives: Tensor
    text: str
    mae: float
    iou: float
    same: tuple[str, ...] = ()


def found_way(
    artifact: Artifact,
    path: Path,
    inspected: Inspected,
    spec: ModelSpec,
    images: Images,
    draw: Callable[[Images], Images],
    isolated: Callable[[Artifact, Path], IsolatedRunner],
) -> Way:
    """The way that draws the network's mask.

    Args:
        artifact: What is known of the file.
        path: Where it is.
        inspected: What is in it.
        spec: The network's, at the file's size.
        images: (N, 3, H, W), RGB in [0, 1], N >= 1.
        draw: The network: masks (N, C, H, W) of images (N, 3, H, W).
        isolated: Gives the runner of a file in a process of its own.

    Raises:
        InputError: No way draws it, or the file is none that draws masks.
    """
    masks = draw(images)
    # The photo whose mask has most in it first: ways are put in order by it.
    order = np.argsort(-masks.std(axis=(1, 2, 3)), kind="stable")
    images, masks = images[order], masks[order]
    flat = float(np.abs(masks - np.median(masks)).mean())
    if flat < _SAME:
        raise InputError(
            f"The network draws flat masks of {len(images)} photos, which tell nothing.",
            "Give photos like those that it was trained on: --photos DIR.",
        )
    ways: list[Way] = []
    refused: MaskportError | None = None
    for takes, gives in product(_inputs(path, inspected, spec), _outputs(path, inspected, spec)):
        plain = artifact.model_copy(update={"inputs": [takes], "outputs": [gives]})
        try:
            with isolated(plain, path) as runner:
                runner.load()
                ways += _tried(runner, takes, gives, spec, images, masks)
        except NotCoveredError:
            raise
        except MaskportError as exc:
            refused = exc
            continue
        if ways and min(way.mae for way in ways) < _SAME:
            break
    if not ways and refused is not None:
        raise InputError(
            refused.what,
            "Run it by its own tools first: it may be damaged, or want more than one photo.",
        )
    return _nearest(path, ways, min(_MAE, _OF_FLAT * flat))


def _nearest(path: Path, ways: list[Way], most: float) -> Way:
    """The one way that is right, with an error of at most ``most``, of `ways` from the plainest.

    Raises:
        InputError: There is none.
    """
    nearest = min(way.mae for way in ways)
    same = [way for way in ways if way.mae <= max(1.02 * nearest, _SAME)]
    if nearest > most:
        said = "; ".join(
            f"{way.text}: MAE {way.mae:.4f}, IoU {way.iou:.3f}"
            for way in sorted(ways, key=lambda way: way.mae)[:3]
        )
        raise InputError(
            f"{path} draws another mask than the network, however it is fed and read. The "
            f"nearest ways are {said}.",
            "Check that --network, --weights and --size are what the file was made of; where they "
            "are, give photos like those that it was trained on: --photos DIR.",
        )
    return replace(same[0], same=tuple(way.text for way in same[1:]))


def _inputs(path: Path, inspected: Inspected, spec: ModelSpec) -> Iterator[Tensor]:
    """What the file may take, by its shape."""
    if len(inspected.inputs) != 1:
        raise _unfit(path, f"takes {len(inspected.inputs)} tensors", "one photo")
    end = inspected.inputs[0]
    height, width = spec.image.height, spec.image.width
    shapes: dict[Layout, tuple[int, ...]] = {
        "NCHW": (1, 3, height, width),
        "NHWC": (1, height, width, 3),
    }
    if end.layout == "image":
        if _fits(end, shapes["NCHW"]):
            yield _tensor(path, end, shapes["NCHW"], "image")
            return
    else:
        fitting = {layout: shape for layout, shape in shapes.items() if _fits(end, shape)}
        yield from (_tensor(path, end, shape, layout) for layout, shape in fitting.items())
        if fitting:
            return
    raise _unfit(path, f"takes {_sizes(end)}", f"a photo of {height}x{width} pixels in colour")


def _outputs(path: Path, inspected: Inspected, spec: ModelSpec) -> Iterator[Tensor]:
    """What may be the mask, in the file's order."""
    height, width = spec.image.height, spec.image.width
    found = False
    unfit: InputError | None = None
    for end in inspected.outputs:
        shapes: list[tuple[Layout, tuple[int, ...]]] = [("NCHW", (height, width))]
        shapes += [("NCHW", (1, height, width))]
        for planes in _planes(end, spec.mask.channels):
            shapes += [("NCHW", (1, planes, height, width)), ("NHWC", (1, height, width, planes))]
        for layout, shape in shapes:
            planes = 1 if len(shape) < 4 else shape[1 if layout == "NCHW" else 3]
            if not _fits(end, shape) or not list(_readings(planes, spec.mask.channels)):
                continue
            try:
                tensor = _tensor(path, end, shape, "image" if end.layout == "image" else layout)
            except InputError as exc:  # classes beside the mask, say
                unfit = exc
                break
            found = True
            yield tensor
            break
    if not found and unfit is not None:
        raise unfit
    if not found:
        gives = ", ".join(map(_sizes, inspected.outputs))
        raise _unfit(path, f"gives {gives}", f"a mask of {height}x{width} pixels")


def _planes(end: End, wanted: int) -> list[int]:
    """How many planes it may have: what stands second or last of four sizes, or is wanted."""
    if end.shape is None or len(end.shape) != 4:
        return [wanted]
    return sorted({size or wanted for size in (end.shape[1], end.shape[3])})


def _fits(end: End, shape: tuple[int, ...]) -> bool:
    """Sizes that are open fit any."""
    if end.shape is None:
        return len(shape) == 4
    return len(end.shape) == len(shape) and all(
        said in {None, size} for said, size in zip(end.shape, shape, strict=True)
    )


def _tensor(path: Path, end: End, shape: tuple[int, ...], layout: Layout) -> Tensor:
    dtype = end.dtype or "float32"
    if dtype not in _DTYPES:
        raise _unfit(path, f"has {dtype} in {end.name}", "floats or bytes")
    if dtype in {"uint8", "int8"} and end.layout != "image" and not end.scale:
        raise _unfit(path, f"has {dtype} without a scale in {end.name}", "floats, or a scale")
    # A byte of Core ML's pixels is its real value times 255; halves are the real value.
    scale = 1 / 255 if end.layout == "image" and dtype == "uint8" else end.scale
    point = end.zero_point or 0
    try:
        return Tensor.model_validate(
            {
                "name": end.name or "",
                "shape": list(shape),
                "dtype": dtype,
                "layout": layout,
                "quantization": {"scale": scale, "zero_point": point} if scale else None,
            }
        )
    except ValidationError as exc:
        does = f"has {_sizes(end)} with scale {scale} and zero point {point} in {end.name}"
        raise _unfit(path, does, "less, or others") from exc


def _tried(
    runner: IsolatedRunner,
    takes: Tensor,
    gives: Tensor,
    spec: ModelSpec,
    images: Images,
    masks: Images,
) -> list[Way]:
    """All ways to feed and to read the file, tried on a photo, and the best of them on all."""
    feedings = list(_feedings(takes, spec.image))
    first = [_way(runner, takes, gives, spec, f, images[:1], masks[:1]) for f in feedings]
    best = sorted(range(len(feedings)), key=lambda i: min(way.mae for way in first[i]))[:_KEPT]
    again = [_way(runner, takes, gives, spec, feedings[i], images, masks) for i in sorted(best)]
    return [way for ways in again for way in ways]


def _feedings(takes: Tensor, image: ImageSpec) -> Iterator[tuple[str, Normalization | None]]:
    """In words, and for the manifest; an image feature has what it needs inside."""
    if takes.layout == "image":
        yield "an image", None
        return
    # In units of a photo in [0, 1], as the table has it.
    low, high = image.value_range
    own = (
        tuple((mean - low) / (high - low) for mean in image.mean),
        tuple(std / (high - low) for std in image.std),
    )
    seen: list[Normalization] = []
    for name, (mean, std) in {**_VALUES, "the network's own mean and std": own}.items():
        for order, turned in (("RGB", False), ("BGR", True), ("BGR", False)):
            by = Normalization.model_validate(
                {
                    "mean": mean[::-1] if turned else mean,
                    "std": std[::-1] if turned else std,
                    "color_order": order,
                }
            )
            if by in seen:
                continue
            seen.append(by)
            kept = ", the means in RGB's order" if order == "BGR" and not turned else ""
            yield f"{order} in {name}{kept}", None if by == Normalization() else by


def _way(
    runner: IsolatedRunner,
    takes: Tensor,
    gives: Tensor,
    spec: ModelSpec,
    feeding: tuple[str, Normalization | None],
    images: Images,
    masks: Images,
) -> list[Way]:
    """One way to feed it and every way to read what comes."""
    fed_as, by = feeding
    fed = images if by is None else normalized(images, by)
    planes = np.concatenate([runner.run(np.ascontiguousarray(one[None]))[0] for one in fed])
    told = f"{takes.layout}, {fed_as}" if takes.layout != "image" else fed_as
    ways = []
    for reading in _readings(planes.shape[1], masks.shape[1]):
        drawn = read(planes, None if reading == Reading() else reading)
        with np.errstate(all="ignore"):
            errors = mean_absolute_error(np.nan_to_num(drawn, nan=1e9), masks)
        overlaps = intersection_over_union(np.nan_to_num(drawn), masks, spec.mask.threshold)
        ways.append(
            Way(
                takes.model_copy(update={"normalization": by}),
                gives.model_copy(update={"reading": None if reading == Reading() else reading}),
                f"{told} -> {gives.name or 'the output'}{_in_words(reading)}",
                float(np.mean(errors)),
                float(np.mean(overlaps)),
            )
        )
    return ways


def _readings(given: int, wanted: int) -> Iterator[Reading]:
    """The ways from planes to masks; none where there are too few planes, or more than masks may
    have."""
    if given < wanted or (given > wanted > 1) or given > LARGEST_CHANNELS:
        return
    channels = range(given) if given > wanted else (None,)
    activations = ("none", "sigmoid", "softmax") if given > 1 else ("none", "sigmoid")
    for activation, inverted, channel in product(activations, (False, True), channels):
        yield Reading.model_validate(
            {"activation": activation, "channel": channel, "inverted": inverted}
        )


def _in_words(reading: Reading) -> str:
    words: list[str] = [] if reading.activation == "none" else [reading.activation]
    words += [] if reading.channel is None else [f"plane {reading.channel}"]
    words += ["1 - it"] if reading.inverted else []
    return "".join(f", {word}" for word in words)


def _sizes(end: End) -> str:
    sizes = "?" if end.shape is None else "x".join(str(size or "?") for size in end.shape)
    return f"{end.dtype or ''} {sizes}".strip()


def _unfit(path: Path, does: str, wanted: str) -> InputError:
    return InputError(
        f"{path} {does}; what draws masks has {wanted}.",
        "Give the network's --size as the file has it; other files can't be adopted.",
    )
