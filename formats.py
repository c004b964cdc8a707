"""Every format and every target: literal data, and nothing imported.

A new precision of a known format is a function in the format's module and a row of `TARGETS`; a new
format is its modules and a row of `FORMATS`. Dotted paths are relative to the package; what they
name is imported when it is needed (`loading.load`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

__all__ = [
    "FORMATS",
    "TARGETS",
    "FailingReader",
    "Format",
    "Intermediate",
    "Lane",
    "Need",
    "Platform",
    "Runtime",
    "Target",
]

Intermediate = Literal["onnx", "trace", "program"]
Lane = Literal["litert", "tensorflow", "coreml", "torch", "openvino"]
Platform = Literal["ios", "android", "web"]


@dataclass(frozen=True, slots=True)
class Need:
    """What must be installed: a module, its distribution, and the extra of maskport that has it."""

    module: str
    package: str
    extra: str


@dataclass(frozen=True, slots=True)
class Runtime:
    """One way to run a format.

    Attributes:
        name: What reports call it; a runtime and our emulation of it share a name.
        runner: Dotted path of its class.
        platform: The `sys.platform` it needs; empty for any.
        exact: Dotted path of the runner that does integers' sums without saturating, where the
            runtime has such a mode and doesn't take it by itself.
        needs: What must be installed, where that is not what its format needs.
    """

    name: str
    runner: str
    platform: str = ""
    exact: str = ""
    needs: tuple[Need, ...] = ()


@dataclass(frozen=True, slots=True)
class FailingReader:
    """A program that opens a format's files and doesn't do what the format says.

    Attributes:
        name: Of the program.
        seen: The releases in which it was seen.
        says: What happens, and with which files.
    """

    name: str
    seen: str
    says: str


@dataclass(frozen=True, slots=True)
class Format:
    """What all files of one format have in common.

    Attributes:
        needs: What reads, counts and runs its files; the first is the runtime. Nothing where
            PyTorch does.
        runtimes: The first that the platform allows is taken, unless another is asked for.
        reader: Dotted path of a function of artifact and path: what a file says of itself.
        contents: Likewise, of the path alone: what a file holds.
        suffixes: Of its files' names, in small letters; the first is what is meant where a
            folder has none.
        magic: What its files have from their fifth byte on, where the format has such a mark.
        members: Patterns of what lies in its folders or ZIP archives, all of which must be there.
        accelerators: Dotted paths of functions of the path: what takes a file whole, and what not.
        counter: As the reader: what a file costs; empty where that isn't counted.
        tensors: Dotted path of a function that shows the tensors between image and mask; empty
            where the runtime shows none.
        source: The intermediate that its targets start from.
        fallback: Another that will do where that can't be made or converted.
        lane: Targets of one lane share a process, and so their SDK and what it has converted.
        extra: The extra of maskport that installs what makes its files.
        modules: What must be importable to make them.
        platforms: Whose apps run its files, and so get them by ``maskport package``.
        failing_readers: What is known not to read its files right; the manifest names them.
        card: Its files hold texts about themselves; exporters of others are given none.
    """

    needs: tuple[Need, ...]
    runtimes: tuple[Runtime, ...]
    reader: str
    contents: str
    source: Intermediate
    lane: Lane
    suffixes: tuple[str, ...] = ()
    magic: bytes = b""
    members: tuple[str, ...] = ()
    accelerators: tuple[str, ...] = ()
    counter: str = ""
    tensors: str = ""
    fallback: Intermediate | None = None
    extra: str = ""
    modules: tuple[str, ...] = ()
    platforms: tuple[Platform, ...] = ()
    failing_readers: tuple[FailingReader, ...] = ()
    card: bool = False


@dataclass(frozen=True, slots=True)
class Target:
    """One kind of file that maskport makes.

    Attributes:
        name: What users type.
        format: A row of `FORMATS`.
        precision: How weights and activations are stored, a row of `precisions.PRECISIONS`.
        suffix: Of the file in the bundle; empty for a folder without one.
        exporter: Dotted path of the function that makes it.
        summary: One line for ``maskport targets``.
        recipe: Name of the recipe by which its network is quantized first, made once for all
            targets that want it; ``mixed`` for the one that a budget gives; empty for the float
            network.
        starts_from: The intermediate it starts from, where that is not its format's.
        modules: What must be importable, where that is not its format's.
        opt_in: Made only where it is asked for by its name: neither ``all`` nor its format
            means it.
        all_integers: It promises integers throughout, so no recipe may leave a part of its network
            in float.
    """

    name: str
    format: str
    precision: str
    suffix: str
    exporter: str
    summary: str
    recipe: str = ""
    starts_from: Intermediate | None = None
    modules: tuple[str, ...] = ()
    opt_in: bool = False
    all_integers: bool = False

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
    def sources(self) -> tuple[Intermediate, ...]:
        """The intermediates it starts from, made once for all targets of a run: one of them is
        enough. What a recipe quantizes starts from the quantized program."""
        if self.recipe:
            return ("program",)
        own = self.starts_from
        ways = (own,) if own else (self.shared.source, self.shared.fallback)
        return tuple(way for way in ways if way)

    @property
    def needs(self) -> tuple[str, ...]:
        """The modules that it is made with."""
        return self.modules or self.shared.modules


_ONNX = ("onnx", "onnxruntime", "onnxsim")
_TENSORFLOW = (
    *_ONNX,
    *("tensorflow", "onnx2tf", "tf_keras", "ai_edge_litert", "onnx_graphsurgeon", "sng4onnx"),
)

FORMATS = {
    "onnx": Format(
        needs=(Need("onnxruntime", "onnxruntime", "onnx"), Need("onnx", "onnx", "onnx")),
        runtimes=(
            Runtime(
                "onnxruntime",
                ".runtimes.onnx:OnnxRunner",
                exact=".runtimes.onnx:PreciseOnnxRunner",
            ),
        ),
        reader=".artifacts.inspect.onnx:declared",
        contents=".artifacts.inspect.onnx:contents",
        suffixes=(".onnx",),
        accelerators=(".runtimes.inspect.mobile:onnx_runtime",),
        counter=".runtimes.costs.onnx:work",
        tensors=".runtimes.intermediates.onnx:onnx_intermediates",
        source="onnx",
        lane="tensorflow",
        extra="onnx",
        modules=_ONNX,
        platforms=("web",),
        card=True,
    ),
    "onnx-ort": Format(
        needs=(Need("onnxruntime", "onnxruntime", "onnx"),),
        runtimes=(Runtime("onnxruntime", ".runtimes.onnx:OrtRunner"),),
        reader=".artifacts.inspect.ort:declared",
        contents=".artifacts.inspect.ort:contents",
        suffixes=(".ort",),
        magic=b"ORTM",
        members=("model.ort",),
        counter=".runtimes.costs.ort:work",
        source="onnx",
        lane="tensorflow",
        extra="onnx",
        modules=_ONNX,
        platforms=("ios", "android", "web"),
        card=True,
    ),
    "tflite": Format(
        needs=(Need("ai_edge_litert", "ai-edge-litert", "tflite"),),
        runtimes=(
            Runtime("litert", ".runtimes.litert:LiteRTRunner"),
            Runtime(
                "mediapipe",
                ".runtimes.mediapipe:MediaPipeRunner",
                needs=(Need("mediapipe", "mediapipe", "mediapipe"),),
            ),
        ),
        reader=".artifacts.inspect.tflite:declared",
        contents=".artifacts.inspect.tflite:contents",
        suffixes=(".tflite",),
        magic=b"TFL3",
        accelerators=(".runtimes.inspect.gpu:litert",),
        counter=".runtimes.costs.tflite:work",
        tensors=".runtimes.intermediates.litert:litert_intermediates",
        source="program",
        fallback="onnx",
        lane="litert",
        extra="tflite",
        modules=("litert_torch", "ai_edge_litert", "ai_edge_quantizer"),
        platforms=("android", "web"),
        failing_readers=(
            FailingReader(
                "OpenCV dnn",
                "4.14.0, 5.1.0",
                "shifts convolutions that are dilated, so that networks which have some draw "
                "another mask without an error; it refuses int8 weights. ONNX files it reads right",
            ),
        ),
        card=True,
    ),
    "savedmodel": Format(
        needs=(Need("tensorflow", "tensorflow", "tflite"),),
        runtimes=(Runtime("tensorflow", ".runtimes.savedmodel:SavedModelRunner"),),
        reader=".artifacts.inspect.savedmodel:declared",
        contents=".artifacts.inspect.savedmodel:contents",
        members=("saved_model.pb",),
        counter=".runtimes.costs.tensorflow:work",
        source="onnx",
        lane="tensorflow",
        extra="tflite",
        modules=_TENSORFLOW,
    ),
    "keras": Format(
        needs=(Need("keras", "keras", "tflite"),),
        runtimes=(Runtime("keras", ".runtimes.keras:KerasRunner"),),
        reader=".artifacts.inspect.keras:declared",
        contents=".artifacts.inspect.keras:contents",
        suffixes=(".keras",),
        members=("config.json", "model.weights.h5"),
        counter=".runtimes.costs.keras:work",
        source="onnx",
        lane="tensorflow",
        extra="tflite",
        modules=(*_ONNX, "tensorflow", "keras"),
    ),
    "coreml": Format(
        needs=(Need("coremltools", "coremltools", "coreml"),),
        runtimes=(
            Runtime("coreml", ".runtimes.coreml:CoreMLRunner", platform="darwin"),
            Runtime("coreml", ".runtimes.coreml:EmulatedCoreMLRunner"),
        ),
        reader=".artifacts.inspect.coreml:declared",
        accelerators=(".runtimes.inspect.neural_engine:core_ml",),
        contents=".artifacts.inspect.coreml:contents",
        suffixes=(".mlpackage", ".mlmodel"),
        members=("Manifest.json", "Data/*/*.mlmodel"),
        counter=".runtimes.costs.coreml:work",
        tensors=".runtimes.intermediates.coreml:coreml_intermediates",
        source="trace",
        lane="coreml",
        extra="coreml",
        modules=("coremltools", "sklearn"),
        platforms=("ios",),
        card=True,
    ),
    "torchscript-lite": Format(
        needs=(),
        runtimes=(Runtime("torchscript-lite", ".runtimes.torchscript_lite:TorchScriptLiteRunner"),),
        reader=".artifacts.inspect.torchscript_lite:declared",
        contents=".artifacts.inspect.torchscript_lite:contents",
        suffixes=(".ptl",),
        members=("*/bytecode.pkl",),
        counter=".runtimes.costs.torchscript_lite:work",
        source="trace",
        lane="torch",
        platforms=("ios", "android"),
    ),
    "openvino": Format(
        needs=(Need("openvino", "openvino", "openvino"),),
        runtimes=(Runtime("openvino", ".runtimes.openvino:OpenVINORunner"),),
        reader=".artifacts.inspect.openvino:declared",
        contents=".artifacts.inspect.openvino:contents",
        suffixes=(".xml",),
        members=("model.xml",),
        counter=".runtimes.costs.openvino:work",
        source="onnx",
        lane="openvino",
        extra="openvino",
        modules=(*_ONNX, "openvino"),
    ),
    "executorch": Format(
        needs=(Need("executorch", "executorch", "executorch"),),
        runtimes=(Runtime("executorch", ".runtimes.executorch:ExecuTorchRunner"),),
        reader=".artifacts.inspect.executorch:declared",
        contents=".artifacts.inspect.executorch:contents",
        suffixes=(".pte",),
        magic=b"ET1",
        accelerators=(".runtimes.inspect.delegates:executorch",),
        counter=".runtimes.costs.executorch:work",
        source="program",
        lane="torch",
        extra="executorch",
        modules=("executorch",),
        platforms=("ios", "android"),
    ),
}

# fmt: off
TARGETS = (
    Target("onnx-fp32", "onnx", "fp32", ".onnx", ".exporters.onnx:export_fp32",
           "ONNX Runtime, any platform"),
    Target("onnx-fp16", "onnx", "fp16", ".onnx", ".exporters.onnx:export_fp16",
           "ONNX Runtime, half the size; float32 in and out"),
    Target("onnx-int8", "onnx", "int8", ".onnx", ".exporters.onnx_int8:export_int8",
           "ONNX Runtime, integers inside (QDQ); float32 in and out", recipe="best",
           modules=(*_ONNX, "onnxscript")),
    Target("onnx-ort", "onnx-ort", "fp32", "", ".exporters.ort:export",
           "ONNX Runtime's own format, and what a reduced build of it needs", opt_in=True),
    Target("tflite-fp32", "tflite", "fp32", ".tflite", ".exporters.tflite:export_fp32",
           "LiteRT (TFLite), Android"),
    Target("tflite-fp16", "tflite", "fp16", ".tflite", ".exporters.tflite:export_fp16",
           "LiteRT, half the size, GPU delegate"),
    Target("tflite-dynamic-int8", "tflite", "dynamic-int8", ".tflite",
           ".exporters.tflite:export_dynamic_int8", "LiteRT, int8 weights, float activations"),
    Target("tflite-int8", "tflite", "int8", ".tflite", ".exporters.tflite:export_int8",
           "LiteRT, integers up to the last convolutions, uint8 in and out", recipe="best",
           all_integers=True),
    Target("tflite-int8-full", "tflite", "int8", ".tflite", ".exporters.tflite:export_int8_full",
           "the same, integers throughout; NPUs, Edge TPU", recipe="full", opt_in=True,
           all_integers=True),
    Target("tflite-int8-plain", "tflite", "int8", ".tflite", ".exporters.tflite:export_int8_plain",
           "the same, as TensorFlow's converter quantises by itself", starts_from="onnx",
           modules=_TENSORFLOW, opt_in=True),
    Target("tflite-mixed", "tflite", "mixed", ".tflite", ".exporters.tflite:export_mixed",
           "LiteRT, integers but where a budget or a recipe wants float (--budget, --recipe)",
           recipe="mixed", opt_in=True),
    Target("tflite-int8x16", "tflite", "int8x16", ".tflite", ".exporters.tflite:export_int8x16",
           "LiteRT, int8 weights, int16 activations; for hardware that has it, slow on CPUs",
           starts_from="onnx", modules=_TENSORFLOW, opt_in=True),
    Target("savedmodel", "savedmodel", "fp32", "", ".exporters.savedmodel:export",
           "TensorFlow SavedModel, for servers"),
    Target("keras", "keras", "fp32", ".keras", ".exporters.keras:export",
           "Keras 3 file, layers named as the network's modules"),
    Target("coreml-fp16", "coreml", "fp16", ".mlpackage", ".exporters.coreml:export_fp16",
           "Core ML, Neural Engine, iOS and macOS"),
    Target("coreml-fp32", "coreml", "fp32", ".mlpackage", ".exporters.coreml:export_fp32",
           "Core ML in full precision, CPU and GPU"),
    Target("coreml-w8", "coreml", "w8", ".mlpackage", ".exporters.coreml:export_w8",
           "Core ML, int8 weights, float16 activations"),
    Target("coreml-palette6", "coreml", "palette6", ".mlpackage",
           ".exporters.coreml:export_palette6",
           "Core ML, weights from 64 values a tensor"),
    Target("coreml-palette4", "coreml", "palette4", ".mlpackage",
           ".exporters.coreml:export_palette4",
           "Core ML, weights from 16 values a tensor"),
    Target("coreml-w8a8", "coreml", "w8a8", ".mlpackage", ".exporters.coreml_int8:export_w8a8",
           "Core ML, int8 weights and activations, from iOS 17",
           recipe="best"),
    Target("torchscript-lite", "torchscript-lite", "fp32", ".ptl", ".exporters.torchscript:export",
           "PyTorch Mobile's lite interpreter"),
    Target("openvino-fp32", "openvino", "fp32", "", ".exporters.openvino:export_fp32",
           "OpenVINO, Intel processors"),
    Target("openvino-fp16", "openvino", "fp16", "", ".exporters.openvino:export_fp16",
           "OpenVINO, half the size; float32 in and out"),
    Target("executorch", "executorch", "fp32", ".pte", ".exporters.executorch:export",
           "ExecuTorch, XNNPACK"),
    Target("executorch-int8", "executorch", "int8", ".pte", ".exporters.executorch:export_int8",
           "ExecuTorch, XNNPACK, integers inside; float32 in and out", recipe="best"),
)
# fmt: on
