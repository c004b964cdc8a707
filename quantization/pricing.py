"""What parts in float cost in time, counted and not timed.

The unit is the integer network's whole time, taken as its multiplications. A multiplication in
float costs more than one of bytes, and each value that passes between integers and float is
converted. `maskport bench` tells what a device really takes.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping

from torch import Tensor

from .graph import NetworkGraph

__all__ = ["BORDER_PRICE", "FLOAT_PRICE", "added_time", "multiplications"]

FLOAT_PRICE = 3.6
"""Time of a float multiplication in that of an int8 one: 237 ms to 66 ms, LiteRT with XNNPACK,
U²-Netp at 320, two threads of an AMD EPYC. On cores with AMX it was 4.4."""

BORDER_PRICE = 200
"""Time of quantising or dequantising one value, in that of an int8 multiplication, on the same
cores: a compromise of mixes that say 150 to 320."""


def multiplications(graph: NetworkGraph, weights: Mapping[str, Tensor]) -> dict[str, int]:
    """Multiplications for one photo, by point; only convolutions and matrix products have any."""
    found = {}
    for point in graph.points.values():
        if point.weight:
            # Each output value is a sum over one output channel's weights.
            found[point.name] = _values(graph, point.name) * weights[point.weight][0].numel()
    return found


def added_time(graph: NetworkGraph, macs: Mapping[str, int], floats: Collection[str]) -> float:
    """What leaving points in float adds, in units of the integer network's whole time.

    Args:
        graph: The network.
        macs: `multiplications` of its points.
        floats: Names of the points that are computed in float, all others in integers.
    """
    whole = sum(macs.values()) or 1
    extra = (FLOAT_PRICE - 1) * sum(macs.get(name, 0) for name in floats)
    crossing = sum(
        _values(graph, name)
        for name, readers in graph.readers.items()
        if any((reader.name in floats) != (name in floats) for reader in readers)
    )
    return (extra + BORDER_PRICE * crossing) / whole


def _values(graph: NetworkGraph, name: str) -> int:
    return math.prod(graph.shape_of(name)[1:])
