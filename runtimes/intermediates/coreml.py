"""Every value of a Core ML program, from our executor; on macOS as well, Core ML shows none."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from ...artifacts.manifest import Artifact
from ..coreml import image_feature, pixel_values
from ..mil.package import read_package
from ..mil.program import Program
from ..pytorch import torch_threads
from .nodes import INPUT, NodeInfo, weighted

__all__ = ["coreml_intermediates"]

# The parameter that holds an operation's weights.
_WEIGHTED = {"conv": "weight", "conv_transpose": "weight", "linear": "weight", "matmul": "y"}


def coreml_intermediates(
    artifact: Artifact, path: Path, image: NDArray[np.float32], threads: int | None
) -> Iterator[tuple[NodeInfo, NDArray[np.float32]]]:
    """As `stream.intermediates` says; an image input shows its pixels, from 0 to 255."""
    package = read_package(path)
    takes = image_feature(package, artifact.inputs[0].name, path)
    fed = pixel_values(image, takes)
    nodes = _nodes(package.function)
    program = Program(package.function)
    del package
    yield NodeInfo("", INPUT, (), takes.name, 0, tuple(fed.shape)), fed.numpy()
    steps = program.walk({takes.name: fed})
    while True:
        with torch_threads(threads):
            step = next(steps, None)
        if step is None:
            return
        name, results = step
        for node, result in zip(nodes.get(name, ()), results, strict=False):
            if isinstance(result, torch.Tensor) and result.is_floating_point():
                value = np.ascontiguousarray(result.numpy(), dtype=np.float32)
                yield replace(node, shape=value.shape), value


def _nodes(function: Any) -> dict[str, list[NodeInfo]]:
    """Each operation's outputs by the operation's name, for those that depend on the input."""
    live = set(function.inputs)
    nodes: dict[str, list[NodeInfo]] = {}
    for operation in function.operations:
        read: list[Any] = []
        for value in operation.inputs.values():
            read += value if isinstance(value, list | tuple) else [value]
        inputs = tuple(v.name for v in read if v is not None and v.name in live)
        if not inputs:
            continue
        seen = weighted(_weights(operation, live))
        nodes[operation.name] = [
            NodeInfo(
                operation.name,
                operation.op_type,
                inputs,
                variable.name,
                position,
                (),
                **seen,
            )
            for position, variable in enumerate(operation.outputs)
        ]
        live.update(variable.name for variable in operation.outputs)
    return nodes


def _weights(operation: Any, live: set[str]) -> NDArray[Any] | None:
    variable = operation.inputs.get(_WEIGHTED.get(operation.op_type, ""))
    if variable is None or variable.name in live:
        return None
    value = variable.val
    if value is None:  # compressed
        value = variable.op.materialized_val_inference()
        value = value[0] if isinstance(value, tuple) else value
    weights = np.asarray(value, np.float32)
    if operation.op_type != "matmul":
        return weights
    flipped = operation.inputs.get("transpose_y")
    is_flipped = flipped is not None and bool(flipped.val)
    return weights if is_flipped or weights.ndim != 2 else weights.T
