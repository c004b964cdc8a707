"""The manifest of a bundle: what every file is, and where it came from.

The JSON Schema of `Manifest` is published as ``docs/manifest.schema.json``; a test holds the
two together.
"""

from __future__ import annotations

import json
import math
from typing import Annotated, Any, Final, Literal, Self

from pydantic import (
    AfterValidator,
    AliasChoices,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    WithJsonSchema,
    model_validator,
)

from ..specs import LARGEST_AREA, LARGEST_MASK, Channel, Count, Finite, Number, Side
from .processor import Processor

__all__ = [
    "SCHEMA_VERSION",
    "Artifact",
    "Calibration",
    "Checkpoint",
    "Failure",
    "FileEntry",
    "HalfPrecision",
    "Inspection",
    "Manifest",
    "Network",
    "Normalization",
    "OldestRuntime",
    "OtherSize",
    "Properties",
    "Quantization",
    "Reading",
    "RelativePath",
    "Tensor",
    "TensorQuantization",
]

SCHEMA_VERSION: Final = 1

Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


def _stays_inside(path: str) -> str:
    """A manifest is a file from anywhere: its paths may not lead out of the bundle."""
    parts = path.split("/")
    if not path or "\\" in path or "\0" in path or {"", ".", ".."} & set(parts):
        raise ValueError(f"{path!r} is not a plain relative path")
    return path


RelativePath = Annotated[
    str,
    AfterValidator(_stays_inside),
    WithJsonSchema(
        {
            "type": "string",
            "pattern": r"^(?!/)(?!.*//)(?!(.*/)?\.\.?(/|$))[^\\\u0000]+[^/\\\u0000]$",
            "description": "Relative to the bundle, with slashes; never leads out of it.",
        }
    ),
]


class _Record(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


# What float32 has, and so have its inverses.
_Value = Annotated[float, Field(ge=-1e30, le=1e30)]
_Positive = Annotated[float, Field(ge=1e-30, le=1e30)]


def _bounded(values: dict[str, Any]) -> dict[str, Any]:
    """Properties are anything that JSON can hold, but for numbers that can't be written again."""
    found: list[Any] = [values]
    while found:
        value = found.pop()
        if isinstance(value, dict):
            found += [*value, *value.values()]
        elif isinstance(value, list | tuple):
            found += value
        elif isinstance(value, float) and not math.isfinite(value):
            raise ValueError(f"{value} is no number")
        elif isinstance(value, int) and not -(1 << 63) <= value < 1 << 63:
            raise ValueError("a number has more than 64 bits")
    for name in _NAMES & values.keys():
        if not isinstance(values[name], str):
            raise ValueError(f"{name} is no text")
    return values


# Properties that are believed: how a file is called.
_NAMES = {"signature"}
Properties = Annotated[dict[str, Any], AfterValidator(_bounded)]


def _small(shape: list[int]) -> list[int]:
    """Whoever reads a manifest makes room for its tensors."""
    if math.prod(shape) > LARGEST_MASK:
        raise ValueError(f"a tensor of shape {shape} has more than {LARGEST_MASK:,} values")
    return shape


Shape = Annotated[list[Count], Field(min_length=1, max_length=8), AfterValidator(_small)]


class TensorQuantization(_Record):
    """Affine quantisation of one tensor: real = scale * (stored - zero_point)."""

    scale: float = Field(gt=0, le=1e30)
    zero_point: int = Field(ge=-(1 << 31), lt=1 << 31)


class Normalization(_Record):
    """What an app does to a photo's real values in [0, 1] before a file takes them: (value - mean)
    / std for each channel, these in ``color_order``. No file of ours wants it, those that other
    tools made often do.
    """

    mean: tuple[_Value, _Value, _Value] = (0.0, 0.0, 0.0)
    std: tuple[_Positive, _Positive, _Positive] = (1.0, 1.0, 1.0)
    color_order: Literal["RGB", "BGR"] = "RGB"


class Reading(_Record):
    """What an app does to a file's output to have the mask: applies ``activation``, takes plane
    ``channel`` where one of several is meant, and the negative where it is ``inverted``. No file of
    ours wants it.
    """

    activation: Literal["none", "sigmoid", "softmax"] = "none"
    channel: Channel | None = None
    inverted: bool = False


class Tensor(_Record):
    """One input or output of a file.

    ``image`` layouts are Core ML image features: pixels of bytes, whose real value is byte / 255,
    or of float16, whose value is the real one.
    ``normalization`` is of inputs, ``reading`` of outputs.
    """

    name: str
    shape: Shape
    dtype: Literal["float32", "float16", "uint8", "int8"]
    layout: Literal["NCHW", "NHWC", "image"]
    quantization: TensorQuantization | None = None
    normalization: Normalization | None = None
    reading: Reading | None = None

    @model_validator(mode="after")
    def _has_an_images_sides(self) -> Self:
        if self.layout == "image" and len(self.shape) != 4:
            raise ValueError(f"an image of shape {self.shape}, which has to be 1, C, H, W")
        return self


class Quantization(_Record):
    """How a file's weights and activations are stored, where not in float.

    ``recipe`` and the SHA-256 of its content name how the network was quantised, where a recipe
    did it and not the format's converter.
    """

    weights: str
    activations: str
    recipe: str | None = None
    recipe_sha256: Sha256 | None = None


class FileEntry(_Record):
    """One file on disk, path relative to the bundle."""

    path: RelativePath
    bytes: Count
    sha256: Sha256


class Inspection(_Record):
    """What the file drew when it was loaded fresh from disk, against the reference.

    ``photos`` were looked at, ``mae`` is of those that the network is not unsure of, ``iou`` and
    ``worst_iou`` of the ``objects`` photos with an object that it is sure of, or of all where there
    is none; ``max_error`` of all.
    ``runtime_version`` is that of the runtime that ran it; none where it was our own executor.
    """

    runtime: str
    runtime_version: str | None = None
    emulated: bool = False
    photos: Annotated[Count, Field(ge=1)]
    objects: Count | None = None
    mae: Number
    max_error: Number
    iou: Number
    worst_iou: Number


class OtherSize(_Record):
    """A size beside its tensors' own that a file takes, and what it drew at that."""

    height: Side
    width: Side
    inspection: Inspection | None = None

    @model_validator(mode="after")
    def _is_no_larger_than_a_specification(self) -> Self:
        if self.height * self.width > LARGEST_AREA:
            raise ValueError(f"{self.height}x{self.width} is more than {LARGEST_AREA:,} pixels")
        return self


class HalfPrecision(_Record):
    """What becomes of the network where every value is a half, as float16 files are run on GPUs and
    Neural Engines.

    ``largest`` is the largest magnitude of any value on the photos that files were checked on, and
    ``module`` gives it; a half can hold 65504. Where one passes that, it is the first that does;
    null where that is no number, or it could not be run. ``warning`` says why, or that other photos
    may pass it.
    """

    largest: Finite | None
    module: str
    warning: str = ""


class OldestRuntime(_Record):
    """The oldest release of a runtime, or of a package of one, that has all that a file uses.

    Derived from what the file says, not seen: `Inspection` names what ran it. ``because`` is what
    older releases lack, or what the version was read from. ``version`` is null where no release
    there is has all. ``links`` are the parts of it that an app has to link, where these are
    packaged apart.
    """

    runtime: str
    version: str | None
    because: str
    links: list[str] = Field(default_factory=list)

    def __str__(self) -> str:
        """``LiteRT 2.1.3 or newer``, for people."""
        if self.version is None:
            return f"no release of {self.runtime}"
        linked = f" with {', '.join(self.links)}" if self.links else ""
        return f"{self.runtime} {self.version} or newer{linked}"


def _listed(said: Any) -> Any:
    """Older manifests have ``oldest_runtime``, which is one or null."""
    if isinstance(said, dict | None):
        return [] if said is None else [said]
    return said


class Artifact(_Record):
    """One exported file, or one folder that a format calls a file.

    ``sha256`` of a folder is taken over the lines ``<sha256>  <relative path>`` of its files,
    sorted by path, so ``sha256sum`` reproduces it. ``other_sizes`` are those that it takes beside
    its tensors' own.
    """

    target: Annotated[str, Field(pattern=r"^[A-Za-z0-9_][A-Za-z0-9._-]*$")]
    path: RelativePath
    format: str
    precision: str
    bytes: Count
    sha256: Sha256
    files: list[FileEntry] = Field(min_length=1)
    inputs: list[Tensor]
    outputs: list[Tensor]
    quantization: Quantization | None = None
    properties: Properties = Field(default_factory=dict)
    oldest_runtimes: Annotated[list[OldestRuntime], BeforeValidator(_listed)] = Field(
        default_factory=list, validation_alias=AliasChoices("oldest_runtimes", "oldest_runtime")
    )
    inspection: Inspection | None = None
    inspection_skipped: str | None = None
    other_sizes: list[OtherSize] = Field(default_factory=list)

    @model_validator(mode="after")
    def _holds_its_files(self) -> Self:
        folder = f"{self.path}/"
        if any(f.path != self.path and not f.path.startswith(folder) for f in self.files):
            raise ValueError(f"a file of {self.path} lies elsewhere")
        if self.bytes != sum(f.bytes for f in self.files):
            raise ValueError(f"the bytes of {self.path} are not those of its files")
        return self

    def at_size(self, height: int, width: int) -> Artifact:
        """The same file as it is used at another size."""

        def resized(tensor: Tensor) -> Tensor:
            at = slice(-3, -1) if tensor.layout == "NHWC" else slice(-2, None)
            shape = list(tensor.shape)
            shape[at] = [height, width]
            return tensor.model_copy(update={"shape": shape})

        return self.model_copy(
            update={
                "inputs": [resized(tensor) for tensor in self.inputs],
                "outputs": [resized(tensor) for tensor in self.outputs],
            }
        )


class Failure(_Record):
    """A target that was asked for and is not in the bundle.

    ``missed``: no tool failed; what could be made doesn't hold its budget.
    """

    target: str
    reason: str
    missed: bool = False


class Network(_Record):
    """The network that every file of the bundle draws."""

    name: str
    factory: str
    parameters: Count
    macs: Count


class Checkpoint(_Record):
    """Where the weights came from.

    Of a training program's file: ``key`` is where in it they were, ``prefix`` what stood before
    each name there, and ``ignored`` what else it holds. ``notes`` are what else is to be said of
    how the weights came into the network, for people.
    """

    file: str
    sha256: Sha256
    source: str
    license: str
    key: str = ""
    prefix: str = ""
    ignored: list[str] = Field(default_factory=list)
    notes: list[str] = Field(default_factory=list)


class Calibration(_Record):
    """The photos that gave INT8 files their ranges.

    ``left_out`` counts those of the source that were not taken: those beyond what a calibration
    set takes, and those that are not read, which ``unread`` names with the reason. ``warnings``
    say why other photos may not fit the ranges.
    """

    images: Annotated[Count, Field(ge=1)]
    left_out: Count
    unread: list[str] = Field(default_factory=list)
    sha256: Sha256
    warnings: list[str] = Field(default_factory=list)


class Manifest(_Record):
    """Everything that a bundle says of itself.

    ``reference`` is the network's state dict as it was before anything was rewritten, for
    `maskport validate`; no app needs it. ``recipes`` are those that its files were quantised by.
    ``documents`` are what people read, and an app's code in a package. ``processor`` is where files
    were made and inspected.
    """

    model_config = ConfigDict(
        json_schema_extra={"$schema": "https://json-schema.org/draft/2020-12/schema"}
    )

    schema_version: Literal[1]
    network: Network
    checkpoint: Checkpoint
    spec: dict[str, Any]
    reference_device: str
    processor: Processor | None = None
    reference: FileEntry | None = None
    recipes: list[FileEntry] = Field(default_factory=list)
    documents: list[FileEntry] = Field(default_factory=list)
    artifacts: list[Artifact] = Field(min_length=1)
    failures: list[Failure] = Field(default_factory=list)
    calibration: Calibration | None = None
    half_precision: HalfPrecision | None = None
    tools: dict[str, str]

    @property
    def beside(self) -> list[FileEntry]:
        """The files that are no artifacts'; neither the manifest itself nor the log."""
        reference = [self.reference] if self.reference else []
        return [*reference, *self.recipes, *self.documents]

    @property
    def entries(self) -> list[FileEntry]:
        """Those of artifacts, too."""
        return [*(entry for artifact in self.artifacts for entry in artifact.files), *self.beside]

    @model_validator(mode="after")
    def _has_each_target_once(self) -> Self:
        targets = [artifact.target for artifact in self.artifacts]
        if len(set(targets)) != len(targets):
            raise ValueError("a target stands there twice")
        return self

    def artifact(self, target: str) -> Artifact | None:
        """The artifact of a target, or None where the bundle lacks it."""
        return next((a for a in self.artifacts if a.target == target), None)


def main() -> None:
    """Print the JSON Schema, as ``docs/manifest.schema.json`` holds it."""
    print(json.dumps(Manifest.model_json_schema(), indent=2))


if __name__ == "__main__":
    main()
