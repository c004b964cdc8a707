"""Which formats show their intermediate tensors: a literal table, imported when one is asked."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...artifacts.manifest import Artifact
from ...errors import RunnerError, UsageError
from ..base import planes_shape
from ..refusals import remedy
from ..registry import requirement
from ..sdk_errors import sdk_errors
from .nodes import NodeInfo

__all__ = ["FORMATS", "intermediates"]

# Format → dotted path of a function as `intermediates`, relative to this package, and the name
# of the runtime that `runtimes.registry` knows what to install for.
FORMATS = {
    "onnx": (".onnx:onnx_intermediates", "onnxruntime"),
    "tflite": (".litert:litert_intermediates", "litert"),
    "coreml": (".coreml:coreml_intermediates", "coreml"),
}


def intermediates(
    artifact: Artifact, path: Path, image: NDArray[np.float32], threads: int | None = None
) -> Iterator[tuple[NodeInfo, NDArray[np.float32]]]:
    """Run a file on one image and hand on every tensor that depends on it, in execution order.

    The first item is the image as the file takes it (`nodes.INPUT`). Drop each array when it is
    no longer needed: what is kept is the caller's choice.

    Args:
        artifact: Its entry in the manifest.
        path: Where the file is.
        image: (1, 3, H, W), RGB, real values in [0, 1].
        threads: CPU threads; the runtime's own choice where not given.

    Yields:
        A node's description and its output: real values, dequantised where the file holds
        integers; (1, C, H, W) where the tensor has four dimensions.

    Raises:
        UsageError: The format's tensors can't be had.
        MissingToolError: Its SDK is not installed.
        RunnerError: The image has another shape than the file's, or the runtime fails.
    """
    if artifact.format not in FORMATS:
        raise UsageError(
            f"{artifact.target} has the format {artifact.format}, whose runtime shows no "
            "tensors between image and mask.",
            f"Formats that do: {', '.join(FORMATS)}.",
        )
    expected = planes_shape(artifact.inputs[0])
    if image.shape != expected or image.dtype != np.float32:
        raise RunnerError(
            f"{path} takes an image of shape {expected} in float32; this one is {image.shape} "
            f"in {image.dtype}.",
            "Resize the photo by the artifact's specification (imaging.photo_to_input).",
        )
    return _mapped(artifact, path, image, threads)


def _mapped(
    artifact: Artifact, path: Path, image: NDArray[np.float32], threads: int | None
) -> Iterator[tuple[NodeInfo, NDArray[np.float32]]]:
    """The back end's stream, with its SDK's exceptions as ours."""
    dotted, runtime = FORMATS[artifact.format]
    module, _, name = dotted.partition(":")
    function: Any = getattr(importlib.import_module(module, __package__), name)
    if not path.exists():
        raise RunnerError(f"There is no {path}.", "Check the path, or the bundle: maskport verify.")
    with sdk_errors(
        f"The tensors of {path} can't be read",
        f"Looking into {path.name}",
        lambda: remedy(artifact, path, "Report it; its mask doesn't depend on this."),
        requirement(runtime),
    ):
        yield from function(artifact, path, image, threads)
