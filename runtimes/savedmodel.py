"""TensorFlow SavedModels."""

from __future__ import annotations

from typing import Any

from ..artifacts.inspect.savedmodel_reach import reaching
from ..errors import RunnerError
from ..sdks.quiet import quiet_native
from ..sdks.slim import tensorflow
from .base import Array, Runner

__all__ = ["SavedModelRunner", "tensorflow_threads"]


class SavedModelRunner(Runner):
    """TensorFlow, through the signature that the manifest names, else ``serving_default``.

    TensorFlow fixes its thread count at its first operation: ``threads`` holds for the first
    runner of a process.
    """

    name = "tensorflow"

    def _import(self) -> None:
        with quiet_native():
            tensorflow()

    def _load(self) -> None:
        with quiet_native():
            tf = tensorflow()

            tensorflow_threads(tf, self.threads)
            if beyond := reaching(self.path):
                raise RunnerError(
                    f"{self.path.name} holds operations that reach beyond it, to files, the "
                    f"network or Python: {', '.join(beyond)}. Nothing of it was run.",
                    "Ask its maker for a file without them.",
                )
            # Kept: the signature alone does not keep the model's variables alive.
            self._model: Any = tf.saved_model.load(str(self.path))
        self._tensor: Any = tf.constant
        key = self.artifact.properties.get("signature", "serving_default")
        self._signature: Any = self._model.signatures[key]

    def _infer(self, image: Array) -> Array:
        outputs = self._signature(**{self.input.name: self._tensor(image)})
        mask: Array = outputs[self.output.name].numpy()
        return mask

    def _close(self) -> None:
        del self._signature, self._model


def tensorflow_threads(tf: Any, threads: int | None) -> None:
    """Set TensorFlow's CPU threads, where it still lets us."""
    if threads is None:
        return
    try:
        tf.config.threading.set_intra_op_parallelism_threads(threads)
        tf.config.threading.set_inter_op_parallelism_threads(1)
    except RuntimeError:  # its context exists already
        return
