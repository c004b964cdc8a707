"""Every target: a literal table, and nothing imported until a target is made.

A new precision of a known format is a function in the format's module and a row here; a new
format is a module and a row here, and one of each in `runtimes`.
"""

from __future__ import annotations

import difflib
import importlib
import importlib.util
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from ..errors import UsageError

if TYPE_CHECKING:
    from pathlib import Path

    from .run import Exported, Run

__all__ = ["FORMATS", "TARGETS", "Format", "Target", "select", "target"]

Source = Literal["onnx", "trace", "program"]
Lane = Literal["litert", "tensorflow", "coreml", "torch"]


@dataclass(frozen=True, slots=True)
class Format:
    """What the targets of one format have in common.

    Attributes:
        source: The intermediate they start from.
        fallback: Another that will do where that can't be made or converted.
        lane: Targets of one lane share a process, and so their SDK and what it has converted.
        extra: The extra of maskport that installs what they need.
        modules: What must be importable.
    """

    source: Source
    lane: Lane
    extra: str = ""
    modules: tuple[str, ...] = ()
    fallback: Source | None = None


_ONNX = ("onnx", "onnxruntime", "onnxsim")
_TENSORFLOW = (
    *_ONNX,
    *("tensorflow", "onnx2tf", "tf_keras", "ai_edge_litert", "onnx_graphsurgeon", "sng4onnx"),
)
_LITERT = ("litert_torch", "ai_edge_litert", "ai_edge_quantizer")

FORMATS = {
    "onnx": Format("onnx", "tensorflow", "onnx", _ONNX),
    "tflite": Format("program", "litert", "tflite", _LITERT, fallback="onnx"),
    "savedmodel": Format("onnx", "tensorflow", "tflite", _TENSORFLOW),
    "keras": Format("onnx", "tensorflow", "tflite", (*_ONNX, "tensorflow", "keras")),
    "coreml": Format("trace", "coreml", "coreml", ("coremltools", "sklearn")),
    "torchscript-lite": Format("trace", "torch"),
    "executorch": Format("program", "torch", "executorch", ("executorch",)),
}


@dataclass(frozen=True, slots=True)
class Target:
    """One kind of file that maskport makes.

    Attributes:
        name: What users type.
        format: Family, a row of `FORMATS`; its targets share a module and a float model.
        precision: How weights and activations are stored.
        suffix: Of the file in the bundle; empty for a folder without one.
        exporter: Dotted path of the function that makes it, relative to this package.
        summary: One line for ``maskport targets``.
        recipe: Name of the recipe by which its network is quantised first, made once for all
            targets that want it; ``mixed`` for the one that a budget gives; empty for the float
            network.
        starts_from: The intermediate it starts from, where that is not its format's.
        modules: What must be importable, where that is not its format's.
        by_name: Made only where it is asked for by its name: neither ``all`` nor its format
            means it.
    """

    name: str
    format: str
    precision: str
    suffix: str
    exporter: str
    summary: str
    recipe: str = ""
    starts_from: Source | None = None
    modules: tuple[str, ...] = ()
    by_name: bool = False

    @property
    def in_halves(self) -> bool:
        """Phones' GPUs and Neural Engines compute it in halves, however its weights are stored."""
        return self.precision == "fp16" or (self.format == "coreml" and self.precision != "fp32")

    @property
    def shared(self) -> Format:
        """What it has in common with the other targets of its format."""
        return FORMATS[self.format]

    @property
    def lane(self) -> Lane:
        """Of its format; what TensorFlow's own converter makes is TensorFlow's."""
        return "tensorflow" if self.starts_from == "onnx" else self.shared.lane

    @property
    def sources(self) -> tuple[Source, ...]:
        """The intermediates it starts from, made once for all targets of a run: one of them is
        enough. What a recipe quantises starts from the quantised program."""
        if self.recipe:
            return ("program",)
        own = self.starts_from
        ways = (own,) if own else (self.shared.source, self.shared.fallback)
        return tuple(way for way in ways if way)

    @property
    def needs_calibration(self) -> bool:
        """Its activations are quantised by ranges that only photos can give."""
        return self.precision in {"int8", "int8x16", "mixed", "w8a8"}

    @property
    def needs(self) -> tuple[str, ...]:
        """The modules that it is made with."""
        return self.modules or self.shared.modules

    def missing_modules(self) -> list[str]:
        """The modules that are not installed here; none are imported to find out."""
        return [name for name in self.needs if importlib.util.find_spec(name) is None]

    def load_exporter(self) -> Callable[[Run, Path], Exported]:
        """Import the exporter's module."""
        module, _, name = self.exporter.partition(":")
        exporter: Callable[[Run, Path], Exported] = getattr(
            importlib.import_module(module, __package__), name
        )
        return exporter


# fmt: off
TARGETS = (
    Target("onnx-fp32", "onnx", "fp32", ".onnx", ".onnx:export_fp32",
           "ONNX Runtime, any platform"),
    Target("onnx-fp16", "onnx", "fp16", ".onnx", ".onnx:export_fp16",
           "ONNX Runtime, half the size; float32 in and out"),
    Target("onnx-int8", "onnx", "int8", ".onnx", ".onnx_int8:export_int8",
           "ONNX Runtime, integers inside (QDQ); float32 in and out", recipe="best",
           modules=(*_ONNX, "onnxscript")),
    Target("tflite-fp32", "tflite", "fp32", ".tflite", ".tflite:export_fp32",
           "LiteRT (TFLite), Android"),
    Target("tflite-fp16", "tflite", "fp16", ".tflite", ".tflite:export_fp16",
           "LiteRT, half the size, GPU delegate"),
    Target("tflite-dynamic-int8", "tflite", "dynamic-int8", ".tflite",
           ".tflite:export_dynamic_int8", "LiteRT, int8 weights, float activations"),
    Target("tflite-int8", "tflite", "int8", ".tflite", ".tflite:export_int8",
           "LiteRT, integers up to the last convolutions, uint8 in and out", recipe="best"),
    Target("tflite-int8-full", "tflite", "int8", ".tflite", ".tflite:export_int8_full",
           "the same, integers throughout; NPUs, Edge TPU", recipe="full", by_name=True),
    Target("tflite-int8-plain", "tflite", "int8", ".tflite", ".tflite:export_int8_plain",
           "the same, as TensorFlow's converter quantises by itself", starts_from="onnx",
           modules=_TENSORFLOW, by_name=True),
    Target("tflite-mixed", "tflite", "mixed", ".tflite", ".tflite:export_mixed",
           "LiteRT, integers but where a budget or a recipe wants float (--budget, --recipe)",
           recipe="mixed", by_name=True),
    Target("tflite-int8x16", "tflite", "int8x16", ".tflite", ".tflite:export_int8x16",
           "LiteRT, int8 weights, int16 activations; for hardware that has it, slow on CPUs",
           starts_from="onnx", modules=_TENSORFLOW, by_name=True),
    Target("savedmodel", "savedmodel", "fp32", "", ".savedmodel:export",
           "TensorFlow SavedModel, for servers"),
    Target("keras", "keras", "fp32", ".keras", ".keras:export",
           "Keras 3 file, layers named as the network's modules"),
    Target("coreml-fp16", "coreml", "fp16", ".mlpackage", ".coreml:export_fp16",
           "Core ML, Neural Engine, iOS and macOS"),
    Target("coreml-fp32", "coreml", "fp32", ".mlpackage", ".coreml:export_fp32",
           "Core ML in full precision, CPU and GPU"),
    Target("coreml-w8", "coreml", "w8", ".mlpackage", ".coreml:export_w8",
           "Core ML, int8 weights, float16 activations"),
    Target("coreml-palette6", "coreml", "palette6", ".mlpackage", ".coreml:export_palette6",
           "Core ML, weights from 64 values a tensor"),
    Target("coreml-palette4", "coreml", "palette4", ".mlpackage", ".coreml:export_palette4",
           "Core ML, weights from 16 values a tensor"),
    Target("coreml-w8a8", "coreml", "w8a8", ".mlpackage", ".coreml_int8:export_w8a8",
           "Core ML, int8 weights and activations, from iOS 17",
           recipe="best"),
    Target("torchscript-lite", "torchscript-lite", "fp32", ".ptl", ".torchscript:export",
           "PyTorch Mobile's lite interpreter"),
    Target("executorch", "executorch", "fp32", ".pte", ".executorch:export",
           "ExecuTorch, XNNPACK"),
    Target("executorch-int8", "executorch", "int8", ".pte", ".executorch:export_int8",
           "ExecuTorch, XNNPACK, integers inside; float32 in and out", recipe="best"),
)
# fmt: on


def target(name: str) -> Target:
    """The target of that name.

    Raises:
        UsageError: There is none.
    """
    for row in TARGETS:
        if row.name == name:
            return row
    raise _unknown(name)


def select(names: Iterable[str], *, calibrated: bool = True) -> tuple[Target, ...]:
    """Targets by name, by format, or all of them but those `Target.by_name`; in the table's
    order, each once.

    A name that is both, as ``executorch``, is the target's.

    Args:
        names: Of targets or formats, or ``all``.
        calibrated: There are calibration photos; without, a format's name doesn't mean those of
            its targets that need some.

    Raises:
        UsageError: A name is neither a target nor a format.
    """
    chosen: set[str] = set()
    targets = {row.name for row in TARGETS}
    for name in names:
        rows = (
            [name]
            if name in targets
            else [
                row.name
                for row in TARGETS
                if not row.by_name
                and (
                    name == "all"
                    or (name == row.format and (calibrated or not row.needs_calibration))
                )
            ]
        )
        if not rows:
            raise _unknown(name)
        chosen.update(rows)
    if not chosen:
        raise UsageError("No target was asked for.", "Give --targets, for example --targets all.")
    return tuple(row for row in TARGETS if row.name in chosen)


def _unknown(name: str) -> UsageError:
    known = [row.name for row in TARGETS]
    formats = [name for name in FORMATS if name not in known]
    close = difflib.get_close_matches(name, [*known, *formats, "all"], 1)
    hint = f"Did you mean {close[0]}? " if close else ""
    return UsageError(
        f"There is no target or format {name!r}.",
        f"{hint}Targets: {', '.join(known)}; formats: {', '.join(formats)}; or all.",
    )
