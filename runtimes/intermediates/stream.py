"""The tensors between an artifact's image and mask, where its format's runtime shows them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ...artifacts.manifest import Artifact
from ...errors import RunnerError, UsageError
from ...formats import FORMATS, Format
from ...loading import load
from ...sdks.errors import sdk_errors
from ..base import check_image
from ..refusals import remedy
from .nodes import NodeInfo

__all__ = ["SHOWN", "intermediates"]

SHOWN = tuple(name for name, row in FORMATS.items() if row.tensors)
"""The formats that show them."""


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
    row = FORMATS.get(artifact.format)
    if row is None or not row.tensors:
        raise UsageError(
            f"{artifact.target} has the format {artifact.format}, whose runtime shows no "
            "tensors between image and mask.",
            f"Formats that do: {', '.join(SHOWN)}.",
        )
    check_image(image, artifact, path)
    return _mapped(row, artifact, path, image, threads)


def _mapped(
    row: Format, artifact: Artifact, path: Path, image: NDArray[np.float32], threads: int | None
) -> Iterator[tuple[NodeInfo, NDArray[np.float32]]]:
    """The back end's stream, with its SDK's exceptions as ours."""
    if not path.exists():
        raise RunnerError(f"There is no {path}.", "Check the path, or the bundle: maskport verify.")
    with sdk_errors(
        f"The tensors of {path} can't be read",
        f"Looking into {path.name}",
        lambda: remedy(artifact, path, "Report it; its mask doesn't depend on this."),
        row.needs,
    ):
        yield from load(row.tensors)(artifact, path, image, threads)
