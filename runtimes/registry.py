"""Every runtime: a literal table, and nothing imported until a file is run.

A new format is a module here, a row below, and an exporter in `exporters`.
"""

from __future__ import annotations

import difflib
import importlib
import importlib.metadata
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ..artifacts.manifest import Artifact
from ..errors import UsageError

if TYPE_CHECKING:
    from .base import Runner

__all__ = [
    "RUNTIMES",
    "Need",
    "Runtime",
    "exact_runner_for",
    "installed",
    "requirement",
    "runner_for",
]


@dataclass(frozen=True, slots=True)
class Need:
    """What a runtime needs: a module, its distribution, and the extra that installs it."""

    module: str
    package: str
    extra: str


@dataclass(frozen=True, slots=True)
class Runtime:
    """One way to run a format.

    Attributes:
        name: What reports call it; a runtime and our emulation of it share a name.
        format: The artifacts it runs.
        platform: The `sys.platform` it needs; empty for any.
        runner: Dotted path of its class, relative to this package.
        need: What must be installed; None where the package's own dependencies do.
        exact: Dotted path of the runner that does integers' sums without saturating, where the
            runtime has such a mode and doesn't take it by itself.
    """

    name: str
    format: str
    platform: str
    runner: str
    need: Need | None
    exact: str = ""

    def load_runner(self) -> type[Runner]:
        """Import the runner's module; the SDK is imported when a file is loaded."""
        return _load(self.runner)


_ONNX = Need("onnxruntime", "onnxruntime", "onnx")
_LITERT = Need("ai_edge_litert", "ai-edge-litert", "tflite")
_TF = Need("tensorflow", "tensorflow", "tflite")
_KERAS = Need("keras", "keras", "tflite")
_COREML = Need("coremltools", "coremltools", "coreml")
_EXECUTORCH = Need("executorch", "executorch", "executorch")
_TS = "torchscript-lite"

# The first row of a format that the platform allows is taken.
# fmt: off
RUNTIMES = (
    Runtime("onnxruntime", "onnx", "", ".onnx:OnnxRunner", _ONNX, ".onnx:PreciseOnnxRunner"),
    Runtime("litert", "tflite", "", ".litert:LiteRTRunner", _LITERT),
    Runtime("tensorflow", "savedmodel", "", ".savedmodel:SavedModelRunner", _TF),
    Runtime("keras", "keras", "", ".keras:KerasRunner", _KERAS),
    Runtime("coreml", "coreml", "darwin", ".coreml:CoreMLRunner", _COREML),
    Runtime("coreml", "coreml", "", ".coreml:EmulatedCoreMLRunner", _COREML),
    Runtime(_TS, _TS, "", ".torchscript_lite:TorchScriptLiteRunner", None),
    Runtime("executorch", "executorch", "", ".executorch:ExecuTorchRunner", _EXECUTORCH),
)
# fmt: on


def requirement(name: str) -> Need | None:
    """What the runtime of that name needs installed; None for nothing, or no such runtime."""
    return next((row.need for row in RUNTIMES if row.name == name), None)


def installed(name: str) -> tuple[str, str]:
    """Distribution and version of the runtime of that name; it must be installed.

    A runtime without a `requirement` is PyTorch's own.
    """
    need = requirement(name) or Need("torch", "torch", "")
    try:
        return need.package, importlib.metadata.version(need.package)
    except importlib.metadata.PackageNotFoundError:  # tensorflow-cpu has the module tensorflow
        package = importlib.metadata.packages_distributions()[need.module][0]
        return package, importlib.metadata.version(package)


def runner_for(artifact: Artifact, path: Path, threads: int | None = None) -> Runner:
    """The runner of an artifact, not yet loaded: enter it with ``with``.

    Args:
        artifact: Its entry in the manifest; its format chooses the runner.
        path: Where the file is.
        threads: CPU threads; the runtime's own choice where not given.

    Raises:
        UsageError: Nothing here runs that format.
        RunnerError: The artifact has several inputs, or no output.
    """
    row = _row(artifact)
    if row is not None:
        return row.load_runner()(path, artifact, threads=threads)
    known = sorted({row.format for row in RUNTIMES})
    close = difflib.get_close_matches(artifact.format, known, 1)
    hint = f"Did you mean {close[0]}? " if close else ""
    raise UsageError(
        f"{artifact.target} has the format {artifact.format!r}, which nothing here runs.",
        f"{hint}Formats with a runner: {', '.join(known)}.",
    )


def exact_runner_for(artifact: Artifact, path: Path, threads: int | None = None) -> Runner | None:
    """The runner that adds up the file's integers without saturating, whatever the processor; None
    where the file has none, or `runner_for`'s does so itself. A mask that differs between the two
    depends on the processor.

    Args:
        artifact: As for `runner_for`.
        path: Likewise.
        threads: Likewise.
    """
    row = _row(artifact)
    if row is None or not row.exact or artifact.quantization is None:
        return None
    return _load(row.exact)(path, artifact, threads=threads)


def _row(artifact: Artifact) -> Runtime | None:
    here = (row for row in RUNTIMES if row.platform in {"", sys.platform})
    return next((row for row in here if row.format == artifact.format), None)


def _load(dotted: str) -> type[Runner]:
    module, _, name = dotted.partition(":")
    runner: type[Runner] = getattr(importlib.import_module(module, __package__), name)
    return runner
