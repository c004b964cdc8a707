"""Core ML packages: Core ML itself on macOS, everywhere else our executor of the program."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from ..errors import RunnerError
from ..sdks.quiet import quiet
from ..sdks.slim import coremltools
from .base import Array, Runner
from .mil.package import Feature, Package, read_package
from .mil.program import Program
from .pytorch import torch_threads

__all__ = ["CoreMLRunner", "EmulatedCoreMLRunner", "as_pixels", "image_feature", "pixel_values"]

ComputeUnits = Literal["ALL", "CPU_ONLY", "CPU_AND_GPU", "CPU_AND_NE"]


class CoreMLRunner(Runner):
    """Core ML, on macOS. Images go in and come out as 8-bit pixels, as in an app.

    Attributes:
        compute_units: Where Core ML may run it; set before entering. ``threads`` has no effect.
    """

    name = "coreml"
    compute_units: ComputeUnits = "ALL"

    def _import(self) -> None:
        with quiet():
            coremltools()

    def _load(self) -> None:
        with quiet():
            ct = coremltools()
            self._model: Any = ct.models.MLModel(
                str(self.path), compute_units=ct.ComputeUnit[self.compute_units]
            )

    def _infer(self, image: Array) -> Array:
        value: Any = image
        if self.input.layout == "image":
            value = Image.fromarray(as_pixels(image)[0].transpose(1, 2, 0))
        mask = self._model.predict({self.input.name: value})[self.output.name]
        if not isinstance(mask, Image.Image):
            return np.asarray(mask)
        pixels = np.asarray(mask)
        planes = pixels[None] if pixels.ndim == 2 else pixels.transpose(2, 0, 1)
        return planes[None]

    def _close(self) -> None:
        del self._model


class EmulatedCoreMLRunner(Runner):
    """Runs the program that the package holds with torch, in the program's own types.

    Pixels are not rounded, so that fidelity is judged on the network's own values: an image
    input gets x * 255 as it is (photos are whole bytes anyway), and the mask of an image
    output is the program's value / 255. `pixels` gives what an app would get.
    """

    name = "coreml"
    emulated: ClassVar[bool] = True

    def _import(self) -> None:
        with quiet():
            coremltools()

    def _load(self) -> None:
        package = read_package(self.path)
        self._takes = image_feature(package, self.input.name, self.path)
        self._gives = _named(package.outputs, self.output.name, self.path)
        self._program = Program(package.function)

    def _infer(self, image: Array) -> Array:
        with torch_threads(self.threads):
            fed = pixel_values(image, self._takes)
            mask: Array = self._program.run({self._takes.name: fed})[self._gives.name].numpy()
        whole_bytes = self._gives.color in {"GRAYSCALE", "RGB"}
        return mask / np.float32(255) if whole_bytes else mask

    def pixels(self, image: NDArray[np.float32]) -> NDArray[np.uint8]:
        """The mask as an app gets it from an image output.

        Args:
            image: As for `run`; rounded to whole bytes first, as a photo is.

        Returns:
            (1, C, H, W) bytes, rounded and clamped to 0 .. 255.
        """
        return as_pixels(self.run(as_pixels(image).astype(np.float32) / np.float32(255)))

    def _close(self) -> None:
        del self._program


def as_pixels(values: Array) -> NDArray[np.uint8]:
    """Real values in [0, 1] as bytes: rounded to nearest, clamped; NaN becomes 0."""
    finite = np.nan_to_num(values, nan=0.0, posinf=1.0, neginf=0.0)
    return np.clip(np.rint(finite * np.float32(255)), 0, 255).astype(np.uint8)


def image_feature(package: Package, name: str, path: Path) -> Feature:
    """What a package takes.

    Raises:
        RunnerError: The package at ``path`` has no such input, or its image is not in colour.
    """
    takes = _named(package.inputs, name, path)
    if takes.color not in {"", "RGB", "BGR"}:
        raise RunnerError(
            f"{path} takes a {takes.color} image; the contract is RGB.",
            "Export the network with an RGB input.",
        )
    return takes


def pixel_values(image: Array, takes: Feature) -> torch.Tensor:
    """What a program takes for an image (1, 3, H, W) of real values in [0, 1].

    The image type's scale and bias are operations of the program, which coremltools writes into
    it; an image input takes the pixels' bytes.
    """
    values = torch.from_numpy(np.ascontiguousarray(image, dtype=np.float32))
    if takes.color:
        values = values * 255
    if takes.color == "BGR":
        values = values.flip(1)
    return values.contiguous(memory_format=torch.channels_last)


def _named(features: dict[str, Feature], name: str, path: Path) -> Feature:
    if name not in features:
        raise RunnerError(
            f"{path} has no feature {name!r}; it has {', '.join(features)}.",
            "The file and its manifest don't belong together; export the bundle again.",
        )
    return features[name]
