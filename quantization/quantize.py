"""Quantising a network by a recipe, and the network that rounds as its files will."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn

from ..models.prepared import PreparedMask
from .drawing import Watch
from .encodings import QuantizedNetwork, QuantizedTensor
from .finetuning import finetuned
from .graph import capture
from .measure import Measured, measure
from .recipe import Recipe
from .simulation import Simulation

__all__ = ["completed", "quantize", "simulated"]


def quantize(
    view: PreparedMask,
    photos: NDArray[np.uint8],
    recipe: Recipe,
    watch: Watch = lambda text, done, total: None,
    device: str = "cpu",
) -> tuple[QuantizedNetwork, PreparedMask]:
    """Quantise a prepared view, which is left as it is.

    Args:
        view: The exported view of a network.
        photos: (N, 3, H, W) RGB bytes of the calibration set, at least one.
        recipe: How.
        watch: Told what is being done.
        device: Where the network runs.

    Returns:
        The numbers, and the rewritten view in float, whose state dict is the numbers' weights:
        the graph that every format is made from.

    Raises:
        ExportError: There are no photos.
        NetworkError: The network's graph can't be captured.
    """
    measured = measure(view, photos, recipe, watch, device)
    return completed(measured, photos, watch, device)


def completed(
    measured: Measured,
    photos: NDArray[np.uint8],
    watch: Watch = lambda text, done, total: None,
    device: str = "cpu",
) -> tuple[QuantizedNetwork, PreparedMask]:
    """The rest of `quantize`, for what `measure` gave of the same photos.

    Returns:
        As `quantize`; the view is that of ``measured``, changed.
    """
    weights, scales = measured.rounded(watch)
    if measured.recipe.finetune:
        weights = finetuned(measured, weights, scales, photos, watch, device)
    rewritten = measured.view
    rewritten.load_state_dict(weights)
    network = QuantizedNetwork(
        recipe=measured.recipe,
        tensors=_tensors(measured, weights),
        weights=weights,
        weight_scales=scales,
    )
    return network, rewritten


def simulated(network: QuantizedNetwork, view: nn.Module, shape: tuple[int, ...]) -> Simulation:
    """A network that rounds as the files will.

    Args:
        network: The numbers.
        view: The rewritten view that came with them.
        shape: (N, 3, H, W) of the photos that it will be given.
    """
    batch, channels, height, width = shape
    graph = capture(view, (batch, channels, height, width))
    encodings = {name: tensor.encoding for name, tensor in network.tensors.items()}
    return Simulation(graph, network.weights, encodings)


def _tensors(network: Measured, weights: dict[str, Tensor]) -> dict[str, QuantizedTensor]:
    graph = network.graph
    return {
        point.name: QuantizedTensor(
            name=point.name,
            kind=point.kind,
            operation=graph.operation_of_maker(point.name),
            module=point.module,
            shape=graph.shape_of(point.name),
            encoding=network.stored[point.name],
            weight=point.weight,
            bias=point.bias,
            outputs=point.outputs,
            sources=tuple(graph.sources(point.name)),
            in_float=point.name in network.floats,
        )
        for point in graph.points.values()
    }
