"""TFLite files in MediaPipe's ImageSegmenter, as apps run them by MediaPipe Tasks."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np

from ..artifacts.manifest import TensorQuantization
from ..errors import RunnerError
from ..sdks.quiet import quiet_native
from .base import Array, Runner

__all__ = ["MediaPipeRunner"]


class MediaPipeRunner(Runner):
    """The segmenter's confidence masks of a photo (running mode IMAGE), on the CPU.

    It takes pixels of 8 bits whatever the file does, so real values are rounded to k / 255; how
    they become what the file takes it reads from the file's metadata. It has no option for threads.
    """

    name = "mediapipe"

    def _import(self) -> None:
        # Where TensorFlow is installed, all of it would be loaded for a decorator of its docs.
        hidden = sys.modules.setdefault("tensorflow", None) is None  # type: ignore[arg-type]
        try:
            with quiet_native():
                import mediapipe  # noqa: F401
        finally:
            if hidden:
                del sys.modules["tensorflow"]

    def _load(self) -> None:
        if self.input.layout != "NHWC":
            raise RunnerError(
                f"{self.path} takes planes, and MediaPipe feeds pixels.",
                "Export it without --layout nchw.",
            )
        from mediapipe import tasks

        options = tasks.vision.ImageSegmenterOptions(
            base_options=tasks.BaseOptions(model_asset_path=str(self.path)),
            output_confidence_masks=True,
            output_category_mask=False,
        )
        with quiet_native():  # it reports its delegate
            self._segmenter: Any = tasks.vision.ImageSegmenter.create_from_options(options)
        bytes_ = {"dtype": "uint8", "quantization": TensorQuantization(scale=1 / 255, zero_point=0)}
        floats = {"dtype": "float32", "quantization": None}
        update = {**bytes_, "layout": "NHWC", "normalization": None}
        self.input = self.input.model_copy(update=update)
        self.output = self.output.model_copy(update={**floats, "layout": "NHWC"})

    def _infer(self, image: Array) -> Array:
        import mediapipe

        pixels = mediapipe.Image(image_format=mediapipe.ImageFormat.SRGB, data=image[0])
        masks = self._segmenter.segment(pixels).confidence_masks
        return np.dstack([mask.numpy_view() for mask in masks])[None]

    def _close(self) -> None:
        self._segmenter.close()
