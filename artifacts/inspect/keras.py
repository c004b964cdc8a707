"""What a Keras 3 file declares and holds.

It is a ZIP of JSON and weights, and nothing of it is run.
"""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Iterator
from math import prod
from pathlib import Path
from typing import Any

from ..manifest import Artifact
from .contents import Contents, Stored, Value, stored
from .declared import Declared, Port

__all__ = ["contents", "declared"]


def declared(_artifact: Artifact, path: Path) -> Declared:
    """Of a functional model's ends: an input layer, and the layer that gives the mask; of a
    sequence of layers, its first and its last.

    Shapes are those that layers were built or called with. Keras promises nothing of releases
    older than the one that wrote the file.
    """
    with zipfile.ZipFile(path) as archive:
        config = json.loads(archive.read("config.json"))["config"]
        metadata = json.loads(archive.read("metadata.json"))
    layers = {layer["config"]["name"]: layer for layer in config.get("layers", ())}
    kinds = {kind for kind in _kinds(config.get("layers", [])) if kind != "InputLayer"}
    names = list(layers)
    first, last = config.get("input_layers", names[:1]), config.get("output_layers", names[-1:])
    return Declared(
        inputs=tuple(
            _input(layers[name]) for name in _ends(first) if "batch_shape" in layers[name]["config"]
        ),
        outputs=tuple(_output(layers[name]) for name in _ends(last)),
        operators=tuple(sorted(kinds)),
        properties={"keras_version": metadata["keras_version"]},
    )


def contents(path: Path) -> Contents:
    """Weights as HDF5 describes them, and what layers are called with.

    A weight is named by its layer and its number there.
    """
    with zipfile.ZipFile(path) as archive:
        config = json.loads(archive.read("config.json"))
        metadata = json.loads(archive.read("metadata.json"))
        weights = archive.read("model.weights.h5")
    values: dict[str, Value] = {}
    for layer in config["config"].get("layers", ()):
        _given(layer.get("inbound_nodes", []), values)
    said = {name: str(value) for name, value in metadata.items() if isinstance(value, str | int)}
    if name := config["config"].get("name"):
        said["name"] = str(name)
    return Contents(tuple(_weights(weights)), tuple(values.values()), said)


def _weights(data: bytes) -> Iterator[Stored]:
    import h5py

    found: list[Stored] = []

    def visit(place: str, item: Any) -> None:
        # What an optimizer keeps is not the network's.
        if not isinstance(item, h5py.Dataset) or place.startswith("optimizer/"):
            return
        owner = item.parent.attrs.get("name") or item.parent.name.removesuffix("/vars")
        owner = owner.decode() if isinstance(owner, bytes) else str(owner)
        number = place.rpartition("/")[2]
        found.append(stored(f"{owner}.{number}", item.dtype.name, item.shape))

    with h5py.File(io.BytesIO(data), "r") as file:
        file.visititems(visit)  # follows no links to elsewhere
    yield from found


def _given(call: Any, values: dict[str, Value]) -> None:
    """The tensors in a layer's calls, each once, whatever they are nested in."""
    if isinstance(call, list):
        for part in call:
            _given(part, values)
    elif isinstance(call, dict):
        if call.get("class_name") != "__keras_tensor__":
            _given(list(call.values()), values)
            return
        tensor = call["config"]
        shape = tensor["shape"][1:]  # the first is the batch
        known = all(isinstance(size, int) for size in shape)
        key = json.dumps(tensor["keras_history"])
        values[key] = Value(str(tensor["dtype"]), prod(shape) if known else None)


def _ends(ends: Any) -> list[str]:
    """``["image", 0, 0]``, a list of such, a name to such, or names."""
    if isinstance(ends, dict):
        ends = list(ends.values())
    if len(ends) == 3 and isinstance(ends[0], str) and isinstance(ends[1], int):
        return [ends[0]]
    return [end if isinstance(end, str) else end[0] for end in ends]


def _input(layer: dict[str, Any]) -> Port:
    config = layer["config"]
    return Port(config["name"], tuple(config["batch_shape"]), _dtype(config["dtype"]))


def _output(layer: dict[str, Any]) -> Port:
    """What an `Identity` gives is what it is called with; of other layers the file is silent."""
    config = layer["config"]
    if layer["class_name"] != "Identity":
        return Port(config["name"], None, _dtype(config["dtype"]))
    (call,) = layer["inbound_nodes"]
    given = call["args"][0]["config"]
    return Port(config["name"], tuple(given["shape"]), given["dtype"])


def _dtype(policy: Any) -> str:
    return str(policy["config"]["name"] if isinstance(policy, dict) else policy)


def _kinds(layers: list[dict[str, Any]]) -> Iterator[str]:
    for layer in layers:
        inner = layer["config"].get("layers")
        if inner is None:
            yield layer["class_name"]
        else:
            yield from _kinds(inner)
