"""TensorFlow SavedModel: the float model that every TFLite precision starts from."""

from __future__ import annotations

import contextlib
import shutil
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import ExportError
from ..sdks.slim import tensorflow
from .onnx import simplified
from .probes import check_probes
from .run import Exported, Run
from .steps import kept_once
from .tensorflow_form import tensorflow_form

__all__ = ["export", "float_model"]

# onnx2tf runs the graph on sample images to settle transposes. It looks for this file in the
# working directory and downloads it where it is missing; we make it, so nothing is downloaded.
_SAMPLES = "calibration_image_sample_data_20x128x128x3_float32.npy"


def export(run: Run, path: Path) -> Exported:
    """Copy the run's SavedModel into the bundle."""
    shutil.copytree(float_model(run), path)
    return Exported(*run.float_tensors("NHWC"))


def float_model(run: Run) -> Path:
    """The network as a SavedModel, NHWC, made on first use.

    Its one signature ``serving_default`` takes ``image`` and gives ``mask``.

    Raises:
        ExportError: onnx2tf can't convert the network, now or before.
    """
    return kept_once(run, run.saved_model, _save)


def _save(run: Run, path: Path) -> None:
    source = simplified(run)
    run.step("importing TensorFlow")
    tf = tensorflow()

    run.step("onnx2tf")
    model = _convert(source, run)
    run.step("saving the TensorFlow model")
    _, channels, height, width = run.image_shape

    class Mask(tf.Module):  # type: ignore[misc, name-defined]  # of an untyped SDK
        @tf.function(  # type: ignore[untyped-decorator]
            input_signature=[tf.TensorSpec([1, height, width, channels], name="image")]
        )
        def __call__(self, image: Any) -> dict[str, Any]:
            return {"mask": tf.identity(model(image), name="mask")}

    module = Mask()
    function = module.__call__.get_concrete_function()
    check_probes(
        run,
        "onnx2tf's model",
        lambda photo: (
            function(tf.constant(photo.transpose(0, 2, 3, 1)))["mask"].numpy().transpose(0, 3, 1, 2)
        ),
        "It takes axes of one length for each other: try another --size, or use other formats.",
    )
    # Of grouped convolutions and norms, some inside layers that onnx2tf's model doesn't know of.
    module.held = list(function.graph.variables)
    tf.saved_model.save(module, str(path), signatures={"serving_default": function})
    # A checksum with a random id; nothing reads it, and it would make every export differ.
    (path / "fingerprint.pb").unlink(missing_ok=True)


def _convert(source: Path, run: Run) -> Any:
    """onnx2tf's Keras model of the graph, its input and output NHWC."""
    import onnx

    np.save(run.scratch / _SAMPLES, _sample_images())
    adapted = run.scratch / "tensorflow.onnx"
    onnx.save(tensorflow_form(onnx.load(str(source))), str(adapted))
    with contextlib.chdir(run.scratch):
        import onnx2tf

        try:
            model = onnx2tf.convert(
                input_onnx_file_path=str(adapted),
                output_folder_path=str(run.scratch / "onnx2tf"),
                disable_model_save=True,
                non_verbose=True,
                not_use_onnxsim=True,
                not_use_opname_auto_generate=True,
            )
        except (Exception, SystemExit) as exc:  # onnx2tf calls sys.exit on unknown operators
            raise ExportError(
                f"onnx2tf can't convert {run.spec.name}: {exc or type(exc).__name__}",
                "The log says at which operation; other formats don't depend on it.",
            ) from exc
    _, classes, height, width = run.mask_shape
    if tuple(model.outputs[0].shape) != (1, height, width, classes):
        raise ExportError(
            f"onnx2tf gave a mask of shape {tuple(model.outputs[0].shape)} instead of "
            f"{(1, height, width, classes)}.",
            "Its layout search failed on this network; other formats don't depend on it.",
        )
    return model


def _sample_images() -> np.ndarray[Any, np.dtype[np.float32]]:
    """(20, 128, 128, 3) in [0, 1]: smooth, distinct in every axis, the same in every run."""
    n, y, x, c = np.ogrid[0:20, 0:128, 0:128, 0:3]
    waves = 0.5 + 0.5 * np.sin(0.11 * y * (1 + n / 20) + 0.07 * x + 2.1 * c + n)
    return waves.astype(np.float32)
