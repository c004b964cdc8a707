"""A native Keras 3 file: real layers with real weights, named after the network's modules.

onnx2tf's own Keras model is a chain of lambdas with weights as constants, which Keras 3 can't
load and nobody can fine-tune. So the ONNX graph is rebuilt here from Keras layers, NHWC.
"""

from __future__ import annotations

import io
import json
import os
import zipfile
from pathlib import Path
from typing import Any

from ..errors import ExportError
from ..sdks.slim import tensorflow
from .keras_graph import Graph
from .keras_layers import HANDLERS
from .onnx import simplified
from .run import Exported, Run
from .tensorflow_form import tensorflow_form

__all__ = ["export"]

_EPOCH = (1980, 1, 1, 0, 0, 0)  # the earliest date that a zip can hold


def export(run: Run, path: Path) -> Exported:
    """Write the ``.keras`` file.

    Raises:
        ExportError: The network has an operation that has no Keras layer here.
    """
    import onnx

    # Keras picks its backend when it is imported; TensorFlow's is the one the port's users have.
    os.environ.setdefault("KERAS_BACKEND", "tensorflow")
    model = tensorflow_form(onnx.load(str(simplified(run))))
    run.step("importing Keras")
    tensorflow()  # so that the steps are told apart; Keras loads it

    run.step("building layers")
    network = _build(model.graph, run)
    run.step("saving")
    partial = run.scratch / "model.keras"
    network.save(partial)
    path.write_bytes(_reproducible(partial))
    return Exported(*run.float_tensors("NHWC"))


def _build(onnx_graph: Any, run: Run) -> Any:
    import keras

    graph = Graph(onnx_graph)
    _, channels, height, width = run.image_shape
    image = keras.Input((height, width, channels), batch_size=1, name="image")
    graph.values["image"] = image
    for node in onnx_graph.node:
        handler = HANDLERS.get(node.op_type)
        if handler is None:
            raise ExportError(
                f"{node.name or node.op_type}: the ONNX operator {node.op_type} has no Keras "
                "layer here.",
                "Use savedmodel, which covers more operators.",
            )
        graph.values[node.output[0]] = handler(graph, node)
    mask = keras.layers.Identity(name="mask")(graph.values["mask"])
    name = "".join(c if c.isalnum() else "_" for c in run.spec.name)
    return keras.Model(image, mask, name=name)


def _reproducible(path: Path) -> bytes:
    """The file's parts again, without the dates and memory addresses that Keras put there."""
    packed = io.BytesIO()
    with zipfile.ZipFile(path) as source, zipfile.ZipFile(packed, "w") as target:
        for name in sorted(source.namelist()):
            data = source.read(name)
            if name == "metadata.json":
                metadata = json.loads(data)
                metadata.pop("date_saved", None)
                data = json.dumps(metadata, sort_keys=True).encode()
            elif name == "config.json":
                data = json.dumps(_renumbered(json.loads(data), {})).encode()
            target.writestr(zipfile.ZipInfo(name, _EPOCH), data)
    return packed.getvalue()


def _renumbered(config: Any, numbers: dict[int, int]) -> Any:
    """A layer's config with shared objects numbered in order, not by their addresses."""
    if isinstance(config, list):
        return [_renumbered(part, numbers) for part in config]
    if not isinstance(config, dict):
        return config
    return {
        key: numbers.setdefault(part, len(numbers))
        if key == "shared_object_id"
        else _renumbered(part, numbers)
        for key, part in config.items()
    }
