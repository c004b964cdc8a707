"""Which tensor of an ONNX graph is which tensor of a quantised network.

Simplifiers rename, fold and reorder, so names alone don't say it. Values do: the ONNX graph is
run on the probe photo, and a tensor whose statistics are those that the quantiser has noted is
the same tensor. Where several are alike (a channel shuffle, two dead layers), what they are
computed from decides.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import ExportError
from ..quantization.encodings import QuantizedNetwork, QuantizedTensor, Statistics, statistics_of
from .stored_integers import stored_encodings

__all__ = ["recognise"]

# Both are float32 on the same weights; sums in another order differ by 1e-6 of a tensor's rms.
TOLERANCE = 1e-4
# Tensors looked at in one run of the graph: bounds the memory, at the price of running it again.
_AT_ONCE = 48


def recognise(model: Any, network: QuantizedNetwork) -> dict[str, QuantizedTensor]:
    """The quantised network's tensor for each name in a float32 ONNX model.

    What lies inside an operation, as the sum before a ReLU does, has none.

    Args:
        model: An onnx.ModelProto of the rewritten view, whose weights are float32.
        network: The quantised network.

    Raises:
        ExportError: One of its tensors, which is to be rounded, is nowhere in the graph.
    """
    statistics = _statistics(model, network.probe)
    found: dict[str, QuantizedTensor] = {}
    origins: dict[str, frozenset[str]] = {}
    seen: set[str] = set()

    def enter(name: str, makers: frozenset[str]) -> None:
        known = statistics.get(name)
        alike = [] if known is None else _alike(known, network.tensors.values())
        if alike:
            fitting = [t for t in alike if frozenset(t.sources) == makers] or alike
            unused = [t for t in fitting if t.name not in seen]
            found[name] = (unused or fitting)[0]
            # Simplifiers drop what copies: its tensor is this one.
            seen.update(t.name for t in alike)
        origins[name] = frozenset({found[name].name}) if alike else makers

    for value in model.graph.input:
        enter(value.name, frozenset())
    for node in model.graph.node:
        makers: frozenset[str] = frozenset()
        for name in node.input:
            makers |= origins.get(name, frozenset())
        for name in node.output:
            enter(name, makers)
    stored = stored_encodings(network)
    for tensor in network.tensors.values():
        # What only moves values may have become a part of what reads it.
        if tensor.name in stored and tensor.kind != "kept" and tensor.name not in seen:
            raise ExportError(
                f"{tensor.name} of {tensor.module or 'the network'} is nowhere in the ONNX graph.",
                "Report it with the network; targets that are not INT8 don't need it.",
            )
    return found


def _alike(known: Statistics, tensors: Iterable[QuantizedTensor]) -> list[QuantizedTensor]:
    def step(tensor: QuantizedTensor) -> float:
        return tensor.encoding.scale if tensor.encoding else 0.0

    return [t for t in tensors if t.statistics.distance(known, step(t)) < TOLERANCE]


def _statistics(model: Any, probe: NDArray[np.uint8]) -> Mapping[str, Statistics]:
    """Of every float tensor that a node makes, and of the photo."""
    photo = probe[None].astype(np.float32) / np.float32(255)
    found = {model.graph.input[0].name: statistics_of(photo)}
    names = [name for node in model.graph.node for name in node.output if name]
    for start in range(0, len(names), _AT_ONCE):
        for name, values in _values(model, names[start : start + _AT_ONCE], photo):
            if values.dtype == np.float32 and values.size:
                found[name] = statistics_of(values)
    return found


def _values(
    model: Any, names: list[str], photo: NDArray[np.float32]
) -> Iterator[tuple[str, NDArray[Any]]]:
    import onnx
    import onnxruntime

    watched = onnx.ModelProto()
    watched.CopyFrom(model)
    del watched.graph.output[:]
    watched.graph.output.extend(onnx.helper.make_empty_tensor_value_info(n) for n in names)
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    # As written: a fused operation wouldn't show what is inside it.
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(
        watched.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    yield from zip(names, session.run(names, {model.graph.input[0].name: photo}), strict=True)
