"""What every runner shares: life cycle, checks, layouts, quantisation and error mapping.

A back end fills `_import`, `_load`, `_infer` and, where something must be released, `_close`. It
works in its file's own layout and type; this class speaks the contract.
"""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, ClassVar, Literal, Self

import numpy as np
from numpy.typing import NDArray

from ..artifacts.manifest import Artifact, Normalization, Reading, Tensor
from ..errors import RunnerError
from ..sdks.errors import sdk_errors
from ..sdks.needs import installed, needs_of
from .refusals import remedy, unsupported

__all__ = ["Runner"]

Array = NDArray[Any]


class Runner(ABC):
    """Runs one artifact. Use it as a context manager; the file is loaded on entering.

    Args:
        path: The file, or the folder that the format calls a file.
        artifact: Its entry in the manifest: names, shapes, layouts, types and quantisation.
        threads: CPU threads to use; the runtime's own choice where not given.

    Attributes:
        name: The runtime, as reports call it.
        emulated: The file is not run by the runtime that apps use, but by our reading of it.
        input: What the file takes; a back end replaces it by what the file itself says.
        output: What the file gives; likewise.
        load_seconds: What loading the file took, its SDK having been imported.
    """

    name: ClassVar[str]
    emulated: ClassVar[bool] = False

    def __init__(self, path: Path, artifact: Artifact, *, threads: int | None = None) -> None:
        if len(artifact.inputs) != 1 or not artifact.outputs:
            raise RunnerError(
                f"{path} has {len(artifact.inputs)} inputs and {len(artifact.outputs)} outputs; "
                "a mask's file takes one image and gives a mask.",
                "Export the network with one image in and the mask as its first output.",
            )
        self.path = path
        self.artifact = artifact
        self.threads = threads
        self.input = artifact.inputs[0]
        self.output = artifact.outputs[0]
        self.load_seconds = 0.0
        self._loaded = False

    def prepare(self) -> None:
        """Import what runs the file; the file is not opened. Entering does it too.

        Raises:
            MissingToolError: The runtime's SDK is not installed.
        """
        with self._mapped("load"):
            self._import()

    def __enter__(self) -> Self:
        """Load the file.

        Raises:
            MissingToolError: The runtime's SDK is not installed.
            RunnerError: There is no such file, or the runtime refuses it.
        """
        if not self.path.exists():
            raise RunnerError(f"There is no {self.path}.", "Check the bundle: maskport verify.")
        self.prepare()
        started = time.perf_counter()
        with self._mapped("load"):
            self._load()
        self.load_seconds = time.perf_counter() - started
        self._loaded = True
        return self

    def __exit__(self, *exc: object) -> None:
        self._loaded = False
        self._close()

    def run(self, image: NDArray[np.float32]) -> NDArray[np.float32]:
        """Draw the mask of one image.

        Args:
            image: (1, 3, H, W), RGB, real values in [0, 1], at the file's own size.

        Returns:
            (1, C, H, W), real values; in [0, 1] where the file keeps its contract. NaN and
            values out of range come through: judging them is validation's work.

        Raises:
            RunnerError: The runner is not entered, the image has another shape or type, the
                runtime fails, or it gives another shape than the manifest says.
        """
        if not self._loaded:
            raise RunnerError(
                f"The runner of {self.path} is not loaded.", "Use it in a with statement."
            )
        check_image(image, self.artifact, self.path)
        with self._mapped("run"):
            raw = np.asarray(self._infer(stored(image, self.input)))
        planes = real(raw, self.output)
        if planes.shape != planes_shape(self.artifact.outputs[0]):
            raise RunnerError(
                f"{self.path} gave an output of shape {raw.shape}; its manifest says "
                f"{tuple(self.artifact.outputs[0].shape)}.",
                "The file and its manifest don't belong together; export the bundle again.",
            )
        return read(planes, self.output.reading)

    def _import(self) -> None:  # noqa: B027  (some runtimes need nothing but torch)
        """Import the SDK."""

    @abstractmethod
    def _load(self) -> None:
        """Load `path`; may replace `input` and `output`."""

    @abstractmethod
    def _infer(self, image: Array) -> Array:
        """Run the file once: ``image`` as `input` describes it, the result as `output` does."""

    def _close(self) -> None:  # noqa: B027  (most runtimes have nothing to release)
        """Release what `_load` made; called on leaving the ``with`` block."""

    def _mapped(self, action: Literal["load", "run"]) -> AbstractContextManager[None]:
        """SDKs' exceptions become ours."""
        needs = needs_of(self.name)

        def load() -> str:
            intact = unsupported(self.artifact, " ".join(installed(self.name)))
            return remedy(self.artifact, self.path, intact)

        def run() -> str:
            return "Check it with the runtime's own tools, or export it again."

        return sdk_errors(
            f"{self.name} can't {action} {self.path}",
            f"Running {self.path.name}",
            load if action == "load" else run,
            needs,
        )


def check_image(image: Array, artifact: Artifact, path: Path) -> None:
    """See that an image is one that a file takes.

    Raises:
        RunnerError: It has another shape or type.
    """
    expected = planes_shape(artifact.inputs[0])
    if image.shape != expected or image.dtype != np.float32:
        raise RunnerError(
            f"{path} takes an image of shape {expected} in float32; this one is {image.shape} "
            f"in {image.dtype}.",
            "Resize the photo by the artifact's specification (imaging.photo_to_input).",
        )


def planes_shape(tensor: Tensor) -> tuple[int, ...]:
    """The shape of ``tensor`` as (1, C, H, W); a single plane may stand in a file alone."""
    shape = tuple(tensor.shape)
    if len(shape) in {2, 3}:
        return (1, 1, *shape[-2:])
    return (shape[0], *shape[3:], *shape[1:3]) if tensor.layout == "NHWC" else shape


def stored(image: NDArray[np.float32], tensor: Tensor) -> Array:
    """A real-valued image (1, 3, H, W) in [0, 1] as ``tensor`` wants and stores it.

    Integers are rounded to nearest, ties to even, and clamped to the type's range. Image
    features of Core ML stay real: their runner feeds pixels itself.
    """
    if tensor.normalization is not None:
        image = normalized(image, tensor.normalization)
    values: Array = image.transpose(0, 2, 3, 1) if tensor.layout == "NHWC" else image
    if tensor.layout == "image":
        return values
    dtype = np.dtype(tensor.dtype)
    if dtype.kind in "iu":
        scale, zero_point = affine(tensor)
        limits = np.iinfo(dtype)
        # In float64, so that k / 255 meets a scale of 1 / 255 at k exactly.
        steps = np.rint(values.astype(np.float64) / scale) + zero_point
        values = np.clip(steps, limits.min, limits.max)
    return np.ascontiguousarray(values, dtype=dtype)


def normalized(image: NDArray[np.float32], by: Normalization) -> NDArray[np.float32]:
    """An image (N, 3, H, W), RGB in [0, 1], as a file of another tool wants it."""
    planes = image[:, ::-1] if by.color_order == "BGR" else image
    mean, std = (np.float32(np.reshape(three, (1, 3, 1, 1))) for three in (by.mean, by.std))
    return (planes - mean) / std


def read(planes: NDArray[np.float32], by: Reading | None) -> NDArray[np.float32]:
    """The mask (N, C, H, W) in what a file gave, in real values."""
    if by is None:
        return planes
    from scipy.special import expit, softmax

    if by.activation == "sigmoid":
        planes = expit(planes)
    elif by.activation == "softmax":
        planes = softmax(planes, axis=1)
    if by.channel is not None:
        planes = planes[:, by.channel : by.channel + 1]
    return 1 - planes if by.inverted else planes


def real(raw: Array, tensor: Tensor) -> NDArray[np.float32]:
    """An output as ``tensor`` stores it, as real values in planes (1, C, H, W)."""
    values = raw
    if raw.dtype.kind in "iu":
        scale, zero_point = affine(tensor)
        values = (raw.astype(np.float32) - np.float32(zero_point)) * np.float32(scale)
    if values.ndim in {2, 3} and values.shape == tuple(tensor.shape):
        values = values.reshape(planes_shape(tensor))
    elif tensor.layout == "NHWC" and values.ndim == 4:
        values = values.transpose(0, 3, 1, 2)
    return np.ascontiguousarray(values, dtype=np.float32)


def affine(tensor: Tensor) -> tuple[float, int]:
    """Scale and zero point of an integer tensor.

    Raises:
        RunnerError: The tensor has none, so its integers have no real value.
    """
    if tensor.quantization is None:
        raise RunnerError(
            f"{tensor.name} is {tensor.dtype} without a scale and zero point.",
            "Export the file again with quantisation parameters on its inputs and outputs.",
        )
    return tensor.quantization.scale, tensor.quantization.zero_point
