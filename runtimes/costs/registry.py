"""Every format whose cost is counted: a literal table, and nothing imported until then.

A new format is a module here and a row below.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from ...artifacts.manifest import Artifact
from ...errors import RunnerError, UsageError
from ..refusals import remedy
from ..registry import Need
from ..sdk_errors import sdk_errors
from .cost import Cost, Uncountable

__all__ = ["COUNTERS", "CostCounter", "cost_of"]


@dataclass(frozen=True, slots=True)
class CostCounter:
    """How the cost of one format is counted.

    Attributes:
        format: The artifacts it reads.
        function: Dotted path of a function of artifact and path, relative to this package.
        need: What must be installed; None where the package's own dependencies do.
    """

    format: str
    function: str
    need: Need | None

    def load(self) -> Callable[[Artifact, Path], Cost]:
        """Import the counter's module; the SDK is imported when a file is read."""
        module, _, name = self.function.partition(":")
        function: Callable[[Artifact, Path], Cost] = getattr(
            importlib.import_module(module, __package__), name
        )
        return function


_ONNX = Need("onnx", "onnx", "onnx")
_LITERT = Need("ai_edge_litert", "ai-edge-litert", "tflite")
_TF = Need("tensorflow", "tensorflow", "tflite")
_KERAS = Need("keras", "keras", "tflite")
_COREML = Need("coremltools", "coremltools", "coreml")
_EXECUTORCH = Need("executorch", "executorch", "executorch")

# fmt: off
COUNTERS = (
    CostCounter("onnx", ".onnx:cost", _ONNX),
    CostCounter("tflite", ".tflite:cost", _LITERT),
    CostCounter("savedmodel", ".tensorflow:cost", _TF),
    CostCounter("keras", ".keras:cost", _KERAS),
    CostCounter("coreml", ".coreml:cost", _COREML),
    CostCounter("torchscript-lite", ".torchscript_lite:cost", None),
    CostCounter("executorch", ".executorch:cost", _EXECUTORCH),
)
# fmt: on
_APART = "Its latency and fidelity don't depend on this count."


def cost_of(artifact: Artifact, path: Path) -> Cost:
    """The static cost of a file, counted on the graph that it holds.

    No image is put through it. It belongs into a child process, as running the file does: SDKs
    crash on malformed files.

    Args:
        artifact: Its entry in the manifest; its format chooses the counter.
        path: Where the file is.

    Raises:
        UsageError: Nothing here counts that format.
        MissingToolError: The format's SDK is not installed.
        RunnerError: There is no such file, it can't be read, or a part of it can't be counted,
            such as a convolution whose size is known only when it runs.
    """
    row = next((row for row in COUNTERS if row.format == artifact.format), None)
    if row is None:
        raise UsageError(
            f"The cost of {artifact.target} can't be counted: its format is {artifact.format!r}.",
            f"Formats that are counted: {', '.join(sorted(row.format for row in COUNTERS))}.",
        )
    if not path.exists():
        raise RunnerError(f"There is no {path}.", "Check the bundle: maskport verify.")
    what = f"The cost of {path} can't be counted"
    with sdk_errors(
        what,
        f"Counting the cost of {path.name}",
        lambda: remedy(artifact, path, f"Report it. {_APART}"),
        row.need,
    ):
        try:
            return row.load()(artifact, path)
        except Uncountable as exc:
            raise RunnerError(f"{what}: {exc}.", _APART) from exc
