"""Keras 3 files."""

from __future__ import annotations

import os
from typing import Any

from ..sdks.quiet import quiet_native
from ..sdks.slim import tensorflow
from .base import Array, Runner
from .savedmodel import tensorflow_threads

__all__ = ["KerasRunner"]


class KerasRunner(Runner):
    """Keras 3 on TensorFlow, NHWC in and out.

    Loaded in Keras's safe mode: a file with a Lambda layer, which is Python code from
    wherever the file came from, is refused and nothing of it runs.
    """

    name = "keras"

    def _import(self) -> None:
        os.environ.setdefault("KERAS_BACKEND", "tensorflow")  # read once, on import
        with quiet_native():
            tensorflow()
            import keras  # noqa: F401

    def _load(self) -> None:
        with quiet_native():
            tf = tensorflow()
            import keras

            tensorflow_threads(tf, self.threads)
            model = keras.models.load_model(self.path, compile=False, safe_mode=True)
        # A traced graph, as a server would run it; the eager model costs a dispatch per layer.
        self._model: Any = tf.function(lambda image: model(image, training=False))
        self._tensor: Any = tf.constant

    def _infer(self, image: Array) -> Array:
        outputs = self._model(self._tensor(image))
        first = next(iter(outputs.values())) if isinstance(outputs, dict) else outputs
        mask: Array = (first[0] if isinstance(first, list | tuple) else first).numpy()
        return mask

    def _close(self) -> None:
        del self._model
