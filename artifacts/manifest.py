"""The manifest of a bundle: what every file is, and where it came from.

The JSON Schema of `Manifest` is published as ``docs/manifest.schema.json``; a test holds the
two together.
"""

from __future__ import annotations

import json
from typing import Annotated, Any, Final, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

__all__ = [
    "SCHEMA_VERSION",
    "Artifact",
    "Calibration",
    "Checkpoint",
    "Failure",
    "FileEntry",
    "Inspection",
    "Manifest",
    "Network",
    "Quantization",
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


RelativePath = Annotated[str, AfterValidator(_stays_inside)]


class _Record(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class TensorQuantization(_Record):
    """Affine quantisation of one tensor: real = scale * (stored - zero_point)."""

    scale: float = Field(gt=0)
    zero_point: int


class Tensor(_Record):
    """One input or output of a file.

    ``image`` layouts are Core ML image features: 8-bit pixels whose real value is byte / 255.
    """

    name: str
    shape: list[int]
    dtype: Literal["float32", "float16", "uint8", "int8"]
    layout: Literal["NCHW", "NHWC", "image"]
    quantization: TensorQuantization | None = None


class Quantization(_Record):
    """How a file's weights and activations are stored, where not in float."""

    weights: str
    activations: str


class FileEntry(_Record):
    """One file on disk, path relative to the bundle."""

    path: RelativePath
    bytes: int = Field(ge=0)
    sha256: Sha256


class Inspection(_Record):
    """What the file drew when it was loaded fresh from disk, against the reference."""

    runtime: str
    emulated: bool = False
    photos: int = Field(ge=1)
    mae: float
    max_error: float
    iou: float
    worst_iou: float


class Artifact(_Record):
    """One exported file, or one folder that a format calls a file.

    ``sha256`` of a folder is taken over the lines ``<sha256>  <relative path>`` of its files,
    sorted by path, so ``sha256sum`` reproduces it.
    """

    target: str
    path: RelativePath
    format: str
    precision: str
    bytes: int = Field(ge=0)
    sha256: Sha256
    files: list[FileEntry]
    inputs: list[Tensor]
    outputs: list[Tensor]
    quantization: Quantization | None = None
    properties: dict[str, Any] = Field(default_factory=dict)
    inspection: Inspection | None = None
    inspection_skipped: str = ""


class Failure(_Record):
    """A target that was asked for and is not in the bundle."""

    target: str
    reason: str


class Network(_Record):
    """The network that every file of the bundle draws."""

    name: str
    factory: str
    parameters: int
    macs: int


class Checkpoint(_Record):
    """Where the weights came from."""

    file: str
    sha256: Sha256
    source: str
    licence: str


class Calibration(_Record):
    """The photos that gave INT8 files their ranges."""

    images: int = Field(ge=1)
    sha256: Sha256


class Manifest(_Record):
    """Everything that a bundle says of itself."""

    schema_version: Literal[1] = SCHEMA_VERSION
    network: Network
    checkpoint: Checkpoint
    spec: dict[str, Any]
    reference_device: str
    artifacts: list[Artifact]
    failures: list[Failure] = Field(default_factory=list)
    calibration: Calibration | None = None
    tools: dict[str, str]

    def artifact(self, target: str) -> Artifact | None:
        """The artifact of a target, or None where the bundle lacks it."""
        return next((a for a in self.artifacts if a.target == target), None)


def main() -> None:
    """Print the JSON Schema, as ``docs/manifest.schema.json`` holds it."""
    print(json.dumps(Manifest.model_json_schema(), indent=2))


if __name__ == "__main__":
    main()
