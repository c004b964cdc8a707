"""TFLite: float precisions from one file of the run, integers from a recipe's own program."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from ..artifacts.manifest import Quantization, Tensor, TensorQuantization
from ..errors import ExportError
from ..sdks.slim import tensorflow
from . import litert
from .failures import SECOND_CHOICE
from .run import Exported, Run
from .savedmodel import float_model
from .steps import kept_once
from .tflite_flatbuffer import finish_dynamic, finish_float, finish_half, finish_integer, with_bytes

__all__ = [
    "as_bytes",
    "export_dynamic_int8",
    "export_fp16",
    "export_fp32",
    "export_int8",
    "export_int8_full",
    "export_int8_plain",
    "export_int8x16",
    "export_mixed",
    "refusal",
]

# A pixel's byte is its real value times 255, on both sides of the file.
BYTE = TensorQuantization(scale=1 / 255, zero_point=0)


def export_fp32(run: Run, path: Path) -> Exported:
    """Write the float32 file."""
    model, properties = _float_file(run)
    path.write_bytes(finish_float(model, run))
    return Exported(*run.float_tensors(run.options.tflite_layout), properties=properties)


def export_fp16(run: Run, path: Path) -> Exported:
    """Write the file with float16 weights; float32 in and out."""
    model, properties = _float_file(run)
    path.write_bytes(finish_half(model, run))
    return Exported(*run.float_tensors(run.options.tflite_layout), properties=properties)


def export_dynamic_int8(run: Run, path: Path) -> Exported:
    """Write the file with int8 weights, whose activations are quantised as they come.

    The first convolution, which sees the photo, stays in float.
    """
    model, properties = _float_file(run)
    run.step("quantising weights")
    from ai_edge_quantizer import quantizer, recipe

    quantized = quantizer.Quantizer(bytearray(model), recipe.dynamic_wi8_afp32())
    data, found = finish_dynamic(bytes(quantized.quantize().quantized_model), run)
    path.write_bytes(data)
    rest = "; the first convolution in float" if found else ""
    return Exported(
        *run.float_tensors(run.options.tflite_layout),
        quantization=Quantization(
            weights="int8, symmetric, per output channel",
            activations=f"float32, int8 inside{rest}",
        ),
        properties=properties,
    )


def export_int8(run: Run, path: Path) -> Exported:
    """Write the integer file of a recipe's own run: uint8 in and out, scale 1/255.

    Sums and resizes behind the last convolutions and the sigmoid, a few operations of the mask's
    few channels, are float32: TFLite's int8 sigmoid can't say 1, and XNNPACK and GPUs take float,
    but not int16.

    Raises:
        ExportError: The recipe leaves a part of the network in float, or litert-torch can't
            convert it.
    """
    if parts := run.recipe_used.float_modules:
        raise ExportError(
            f"The recipe leaves {', '.join(parts)} in float; tflite-int8 is integers throughout.",
            "Make tflite-mixed of it.",
        )
    return export_mixed(run, path)


def export_mixed(run: Run, path: Path) -> Exported:
    """Write the same with the parts in float32 that the recipe leaves in float."""
    made = kept_once(
        run,
        run.scratch / "integers.tflite",
        lambda bare, p: p.write_bytes(litert.convert(bare, integers=True)),
    )
    path.write_bytes(with_bytes(made.read_bytes(), run, floats=True))
    return Exported(
        *as_bytes(run),
        quantization=run.quantization("int8, per tensor; float32 behind the last convolutions"),
        properties=_LITERT,
    )


def export_int8_full(run: Run, path: Path) -> Exported:
    """Write the file of nothing but integers of 8 bits (biases 32), for NPUs and the Edge TPU.

    TFLite's int8 sigmoid has steps of 1/256, so a full mask is 0.996.

    Raises:
        ExportError: An operation has no int8 form, or the recipe leaves a part in float.
    """
    made = kept_once(
        run,
        run.scratch / "all-integers.tflite",
        lambda bare, p: p.write_bytes(litert.convert(bare, integers=True, mask_in_integers=True)),
    )
    path.write_bytes(with_bytes(made.read_bytes(), run, floats=False))
    return Exported(
        *as_bytes(run), quantization=run.quantization("int8, per tensor"), properties=_LITERT
    )


def export_int8_plain(run: Run, path: Path) -> Exported:
    """Write the fully integer file as TensorFlow makes it: uint8 in and out, scale 1/255.

    Activation ranges are the extremes over the calibration photos; its int8 sigmoid can't say 1.
    """

    def choose(converter: Any, tf: Any) -> None:
        converter.inference_input_type = converter.inference_output_type = tf.uint8
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]

    made = _calibrated(run, "plain.tflite", choose)
    path.write_bytes(finish_integer(made, run))
    return Exported(
        *as_bytes(run),
        quantization=Quantization(
            weights="int8, symmetric, per output channel",
            activations="int8, per tensor, extremes over the calibration photos",
        ),
        properties=_ONNX2TF,
    )


def export_int8x16(run: Run, path: Path) -> Exported:
    """Write the file with int8 weights and int16 activations; float32 in and out.

    Few runtimes have fast kernels for it; on CPUs it is slower than float.
    """

    def choose(converter: Any, tf: Any) -> None:
        kind = tf.lite.OpsSet.EXPERIMENTAL_TFLITE_BUILTINS_ACTIVATIONS_INT16_WEIGHTS_INT8
        converter.target_spec.supported_ops = [kind]

    made = _calibrated(run, "int8x16.tflite", choose)
    path.write_bytes(finish_float(made, run))
    return Exported(
        *run.float_tensors(run.options.tflite_layout),
        quantization=Quantization(
            weights="int8, symmetric, per output channel",
            activations="int16, symmetric, per tensor, extremes over the calibration photos",
        ),
        properties=_ONNX2TF,
    )


def as_bytes(run: Run) -> tuple[list[Tensor], list[Tensor]]:
    """The image and the mask as bytes of the contract."""
    image, mask = (
        [t.model_copy(update={"dtype": "uint8", "quantization": BYTE}) for t in tensors]
        for tensors in run.float_tensors(run.options.tflite_layout)
    )
    return image, mask


def _calibrated(run: Run, name: str, choose: Callable[[Any, Any], None]) -> bytes:
    """By TensorFlow's own quantiser, which looks at the calibration photos."""
    photos = run.calibration
    if not len(photos):
        raise ExportError(
            "There are no calibration photos.", "Give a folder of them: --calibration DIR."
        )

    def feed() -> Iterator[dict[str, Any]]:
        for number, photo in enumerate(photos):
            run.step("calibrating", number, len(photos))
            image = photo.transpose(1, 2, 0)[None].astype(np.float32) / 255
            if number == 0:
                # Both ends of the contract's range must be in the ranges, or an input of real
                # value 0 or 1 would be clipped; two pixels of one photo see to it.
                image[0, 0, 0], image[0, 0, 1] = 0.0, 1.0
            yield {"image": image}
        run.step("quantising")

    def choose_all(converter: Any, tf: Any) -> None:
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        converter.representative_dataset = feed
        choose(converter, tf)

    def make(bare: Run, path: Path) -> None:
        path.write_bytes(_convert(bare, choose_all))

    return kept_once(run, run.scratch / name, make).read_bytes()


_LITERT = {"signature": "serving_default", "converter": "litert-torch"}
_ONNX2TF = {"signature": "serving_default", "converter": "onnx2tf and TensorFlow"}


def _float_file(run: Run) -> tuple[bytes, dict[str, str]]:
    """The float32 file that the float precisions are made from, converted on first use, and what
    the manifest says of the way.

    litert-torch takes more networks and is the first choice; what it can't convert goes through
    onnx2tf.

    Raises:
        ExportError: Neither can convert it; the reasons of both are given.
    """
    first = None
    if run.program.exists():
        try:
            made = kept_once(
                run,
                run.scratch / "litert.tflite",
                lambda bare, p: p.write_bytes(litert.convert(bare)),
            )
            return made.read_bytes(), _LITERT
        except ExportError as exc:
            first = exc
    if not run.onnx.exists():
        raise first or ExportError("torch could not turn the network into anything to start from.")
    try:
        path = run.scratch / "onnx2tf.tflite"
        made = kept_once(
            run, path, lambda bare, p: p.write_bytes(_convert(bare, lambda c, tf: None))
        )
    except ExportError as exc:
        said = f"{first.what} " if first else ""
        raise ExportError(f"{said}{exc.what}", exc.remedy) from exc
    if first is not None:
        (run.scratch / SECOND_CHOICE).touch()
    return made.read_bytes(), _ONNX2TF


def _convert(run: Run, choose: Callable[[Any, Any], None]) -> bytes:
    if run.options.tflite_layout != "NHWC":
        raise ExportError(
            f"onnx2tf, which has to convert {run.spec.name}, lays its files out NHWC.",
            "Leave out --layout, or this target.",
        )
    saved_model = float_model(run)
    run.step("importing TensorFlow")
    tf = tensorflow()

    run.step("converting")
    converter = tf.lite.TFLiteConverter.from_saved_model(str(saved_model))
    choose(converter, tf)
    try:
        model: bytes = converter.convert()
    except Exception as exc:  # the converter raises its own, unexported types
        raise ExportError(
            f"TensorFlow's converter refused {run.spec.name}: {refusal(str(exc))}",
            "The log has its whole message; other formats don't depend on it.",
        ) from exc
    return model


def refusal(said: str) -> str:
    """Why the converter refused: the operations that TFLite lacks, or its first line."""
    lacking = sorted(set(re.findall(r"'tf\.(\w+)' op is neither", said)))
    if lacking:
        return f"TFLite has no operation for TensorFlow's {', '.join(lacking)}"
    return (said.strip() or "without a word").splitlines()[0]
