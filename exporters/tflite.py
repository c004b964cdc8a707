"""TFLite in four precisions, all from the run's one TensorFlow model."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from ..artifacts.manifest import Quantization, Tensor, TensorQuantization
from ..errors import ExportError
from .run import Exported, Run
from .savedmodel import float_model
from .tflite_graph import finish_float, finish_integer

__all__ = ["export_dynamic_int8", "export_fp16", "export_fp32", "export_int8"]

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
    """Write the file with int8 weights, whose activations are quantised as they come."""

    def choose(converter: Any, tf: Any) -> None:
        converter.optimizations = [tf.lite.Optimize.DEFAULT]

    path.write_bytes(finish_float(_convert(run, choose), run.card))
    return Exported(
        *run.float_tensors("NHWC"),
        quantization=Quantization(
            weights="int8, symmetric, per output channel", activations="float32, int8 inside"
        ),
        properties=_PROPERTIES,
    )


def export_int8(run: Run, path: Path) -> Exported:
    """Write the fully integer file: uint8 in and out, scale 1/255, zero point 0.

    Activation ranges are the extremes over the calibration photos. What TensorFlow's fixed
    int8 sigmoid would cost is avoided in `tflite_graph.finish_integer`.
    """
    photos = run.calibration
    if not len(photos):
        raise ExportError(
            "tflite-int8 has no calibration photos.", "Give a folder of them: --calibration DIR."
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

    def choose(converter: Any, tf: Any) -> None:
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        converter.representative_dataset = feed
        converter.inference_input_type = tf.uint8
        converter.inference_output_type = tf.uint8
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]

    path.write_bytes(finish_integer(_convert(run, choose), run.card))

    def as_bytes(tensors: list[Tensor]) -> list[Tensor]:
        return [t.model_copy(update={"dtype": "uint8", "quantization": BYTE}) for t in tensors]

    inputs, outputs = map(as_bytes, run.float_tensors("NHWC"))
    return Exported(
        inputs,
        outputs,
        quantization=Quantization(
            weights="int8, symmetric, per output channel",
            activations="int8, per tensor, extremes over the calibration photos; int16 sigmoid",
        ),
        properties=_PROPERTIES,
    )


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
            f"TensorFlow's converter refused {run.spec.name}: {str(exc).splitlines()[0]}",
            "The log has its whole message; other formats don't depend on it.",
        ) from exc
    return model
