"""What in a file can saturate on some processors: integers' sums that don't fit in 16 bits."""

from __future__ import annotations

from pathlib import Path

from ..artifacts.manifest import Artifact
from ..artifacts.onnx_saturation import saturating_nodes
from ..formats import FORMATS
from ..sdks.errors import sdk_errors
from .refusals import remedy

__all__ = ["saturating"]


def saturating(artifact: Artifact, path: Path) -> list[str]:
    """The names of the operations that can, whatever the processor at hand does.

    Only ONNX files have such: x86 kernels of ONNX Runtime and OpenVINO add up two products in 16
    bits, XNNPACK's and Core ML's don't. It belongs into a child process: parsers crash on malformed
    files.

    Raises:
        RunnerError: The file can't be read.
        MissingToolError: onnx is not installed.
    """
    if artifact.format != "onnx" or artifact.quantization is None:
        return []
    with sdk_errors(
        f"{path} can't be read",
        f"Reading {path.name}",
        lambda: remedy(artifact, path, "Report it."),
        FORMATS[artifact.format].needs,
    ):
        import onnx

        return [found.node for found in saturating_nodes(onnx.load(str(path)))]
