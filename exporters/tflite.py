"""TFLite in four precisions, all from the run's one TensorFlow model."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..artifacts.manifest import Quantization, Tensor, TensorQuantization
from ..errors import ExportError
from .run import Exported, Run
from .savedmodel import float_model
from .tflite_graph import finish_dynamic, finish_float, finish_integer

__all__ = [
    "as_bytes",
    "convert_integer",
    "export_dynamic_int8",
    "export_fp16",
    "export_fp32",
    "export_int8_plain",
    "export_int8x16",
    "refusal",
]

# A pixel's byte is its real value times 255, on both sides of the file.
BYTE = TensorQuantization(scale=1 / 255, zero_point=0)


def export_fp32(run: Run, path: Path) -> Exported:
    """Write the float32 file."""
    path.write_bytes(finish_float(_convert(run, lambda converter, tf: None), run.card))
    return Exported(*run.float_tensors("NHWC"), properties=_PROPERTIES)


def export_fp16(run: Run, path: Path) -> Exported:
    """Write the file with float16 weights; float32 in and out."""

    def choose(converter: Any, tf: Any) -> None:
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        converter.target_spec.supported_types = [tf.float16]

    path.write_bytes(finish_float(_convert(run, choose), run.card))
    return Exported(*run.float_tensors("NHWC"), properties=_PROPERTIES)


def export_dynamic_int8(run: Run, path: Path) -> Exported:
    """Write the file with int8 weights, whose activations are quantised as they come.

    The first convolution, which sees the photo, stays in float.
    """

    def choose(converter: Any, tf: Any) -> None:
        converter.optimizations = [tf.lite.Optimize.DEFAULT]

    data, found = finish_dynamic(_convert(run, choose), run.card)
    path.write_bytes(data)
    rest = "; the first convolution in float" if found else ""
    return Exported(
        *run.float_tensors("NHWC"),
        quantization=Quantization(
            weights="int8, symmetric, per output channel",
            activations=f"float32, int8 inside{rest}",
        ),
        properties=_PROPERTIES,
    )


def export_int8_plain(run: Run, path: Path) -> Exported:
    """Write the fully integer file as the converter makes it: uint8 in and out, scale 1/255.

    Activation ranges are the extremes over the calibration photos. What TensorFlow's fixed
    int8 sigmoid would cost is avoided in `tflite_graph.finish_integer`.
    """
    path.write_bytes(finish_integer(convert_integer(run, run.calibration), run.card))
    return Exported(
        *as_bytes(run),
        quantization=Quantization(
            weights="int8, symmetric, per output channel",
            activations="int8, per tensor, extremes over the calibration photos; int16 sigmoid",
        ),
        properties=_PROPERTIES,
    )


def export_int8x16(run: Run, path: Path) -> Exported:
    """Write the file with int8 weights and int16 activations; float32 in and out.

    Few runtimes have fast kernels for it; on CPUs it is slower than float.
    """
    feed = _Feed(run, run.calibration)

    def choose(converter: Any, tf: Any) -> None:
        kind = tf.lite.OpsSet.EXPERIMENTAL_TFLITE_BUILTINS_ACTIVATIONS_INT16_WEIGHTS_INT8
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        converter.representative_dataset = feed
        converter.target_spec.supported_ops = [kind]

    path.write_bytes(finish_float(_convert(run, choose), run.card))
    return Exported(
        *run.float_tensors("NHWC"),
        quantization=Quantization(
            weights="int8, symmetric, per output channel",
            activations="int16, symmetric, per tensor, extremes over the calibration photos",
        ),
        properties=_PROPERTIES,
    )


def convert_integer(run: Run, photos: NDArray[np.uint8]) -> bytes:
    """The converter's integer file, uint8 in and out, calibrated on (N, 3, H, W) photos."""
    feed = _Feed(run, photos)

    def choose(converter: Any, tf: Any) -> None:
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        converter.representative_dataset = feed
        converter.inference_input_type = tf.uint8
        converter.inference_output_type = tf.uint8
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]

    return _convert(run, choose)


def as_bytes(run: Run) -> tuple[list[Tensor], list[Tensor]]:
    """The image and the mask as bytes of the contract."""
    image, mask = (
        [t.model_copy(update={"dtype": "uint8", "quantization": BYTE}) for t in tensors]
        for tensors in run.float_tensors("NHWC")
    )
    return image, mask


class _Feed:
    """Calibration photos, as the converter asks for them."""

    def __init__(self, run: Run, photos: NDArray[np.uint8]) -> None:
        if not len(photos):
            raise ExportError(
                "There are no calibration photos.", "Give a folder of them: --calibration DIR."
            )
        self.run, self.photos = run, photos

    def __call__(self) -> Iterator[dict[str, Any]]:
        for number, photo in enumerate(self.photos):
            self.run.step("calibrating", number, len(self.photos))
            image = photo.transpose(1, 2, 0)[None].astype(np.float32) / 255
            if number == 0:
                # Both ends of the contract's range must be in the ranges, or an input of real
                # value 0 or 1 would be clipped; two pixels of one photo see to it.
                image[0, 0, 0], image[0, 0, 1] = 0.0, 1.0
            yield {"image": image}
        self.run.step("quantising")


_PROPERTIES = {"signature": "serving_default"}


def _convert(run: Run, choose: Callable[[Any, Any], None]) -> bytes:
    saved_model = float_model(run)
    run.step("importing TensorFlow")
    import tensorflow as tf

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
