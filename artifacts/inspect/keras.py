"""What a Keras 3 file declares; it is a ZIP of JSON and weights, and nothing of it is run."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ..manifest import Artifact
from .declared import Declared, Port

__all__ = ["declared"]


def declared(_artifact: Artifact, path: Path) -> Declared:
    """Of a functional model's ends: an input layer, and the layer that gives the mask.

    Shapes are those that layers were built or called with. Keras promises nothing of releases
    older than the one that wrote the file.
    """
    with zipfile.ZipFile(path) as archive:
        config = json.loads(archive.read("config.json"))["config"]
        metadata = json.loads(archive.read("metadata.json"))
    layers = {layer["config"]["name"]: layer for layer in config["layers"]}
    kinds = {kind for kind in _kinds(config["layers"]) if kind != "InputLayer"}
    return Declared(
        inputs=tuple(_input(layers[name]) for name in _ends(config["input_layers"])),
        outputs=tuple(_output(layers[name]) for name in _ends(config["output_layers"])),
        operators=tuple(sorted(kinds)),
        properties={"keras_version": metadata["keras_version"]},
    )


def _ends(ends: Any) -> list[str]:
    """``["image", 0, 0]``, or a list of such."""
    return [ends[0]] if isinstance(ends[0], str) else [end[0] for end in ends]


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
