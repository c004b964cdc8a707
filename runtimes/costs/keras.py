"""The cost of Keras 3 files: products from a traced graph, layers and weights from the model."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from math import prod
from pathlib import Path
from typing import Any

from ...artifacts.manifest import Artifact
from ...sdks.quiet import quiet_native
from ...sdks.slim import tensorflow
from .counting import Work
from .tensorflow import count_graph

__all__ = ["work"]


def work(artifact: Artifact, path: Path) -> Work:
    """Of a batch of one photo.

    Loaded in Keras's safe mode, as it is to be run. A layer counts once, however often it is
    called; its multiplications count every time.
    """
    os.environ.setdefault("KERAS_BACKEND", "tensorflow")  # read once, on import
    with quiet_native():
        tf = tensorflow()
        import keras

        model = keras.models.load_model(path, compile=False, safe_mode=True)
        inputs = [tf.TensorSpec((1, *t.shape[1:]), t.dtype) for t in model.inputs]
        call = tf.function(lambda *images: model(_one_or_list(images), training=False))
        graph = call.get_concrete_function(*inputs).graph
    counted = count_graph(graph.get_operations())
    kinds = Counter(type(part).__name__ for part in _parts(model, keras))
    weights = sum(prod(w.shape) * _item_bytes(w.dtype) for w in model.weights)
    return replace(counted, kinds=kinds).work(weights)


def _one_or_list(images: tuple[Any, ...]) -> Any:
    return images[0] if len(images) == 1 else list(images)


def _parts(model: Any, keras: Any) -> Iterator[Any]:
    """Layers and operations, those of models within it too."""
    for part in getattr(model, "operations", None) or model.layers:
        if isinstance(part, keras.Model):
            yield from _parts(part, keras)
        elif not isinstance(part, keras.layers.InputLayer):
            yield part


def _item_bytes(dtype: str) -> int:
    tf = tensorflow()

    return int(tf.as_dtype(dtype).size)
