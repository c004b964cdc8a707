"""Which values the integers of activations stand for, decided by a recipe from what photos show."""

from __future__ import annotations

from .encodings import Encoding
from .graph import NetworkGraph
from .ranges import RangeHistogram, estimate
from .recipe import Recipe

__all__ = ["activation_encodings"]

# sigmoid(+-8) is 0.99966 and 0.00034: the bytes 255 and 0.
_SATURATION = 8.0
# A pixel's byte is its real value times 255, on both sides of a file.
_BYTE = Encoding(1 / 255, -128)


def activation_encodings(
    graph: NetworkGraph, seen: dict[str, RangeHistogram], recipe: Recipe
) -> dict[str, Encoding]:
    """What the integers of each group of a graph stand for, by its name.

    Args:
        graph: Of the network.
        seen: What photos showed of each group.
        recipe: Whose estimator gives a range, but where the operation or the contract has its own.
    """
    found = {}
    for group, points in graph.groups.items():
        low, high = estimate(seen[group], recipe.ranges, recipe.percentile)
        found[group] = Encoding.of_range(low, high, recipe.activation_bits)
        demanded = [p.fixed for p in points if p.fixed is not None]
        if demanded:
            found[group] = Encoding(*demanded[0])
    found[graph.points[next(iter(graph.points))].group] = _BYTE
    ending = graph.points[graph.mask].group
    # Where the end is rounded, a sigmoid or softmax in it has the runtimes' own steps.
    if recipe.wide_tail or not any(point.fixed for point in graph.groups[ending]):
        found[ending] = _BYTE
    if recipe.wide_tail and graph.operation(graph.mask) == "sigmoid":
        found.update(_clipped_ends(graph, seen, recipe))
    return found


def _clipped_ends(
    graph: NetworkGraph, seen: dict[str, RangeHistogram], recipe: Recipe
) -> dict[str, Encoding]:
    """The last convolutions' ranges, without what the sigmoid can't show.

    Where logits are a sum of several, one of them may be clipped where all others together
    can't bring the sum back to where the sigmoid moves.
    """
    ends = [p for p in graph.points.values() if p.tail and p.kind == "conv"]
    if not _tail_only_sums(graph):
        return {}
    found = {}
    reach = {p.name: max(-seen[p.group].minimum, seen[p.group].maximum) for p in ends}
    for end in ends:
        low, high = estimate(seen[end.group], recipe.ranges, recipe.percentile)
        limit = _SATURATION + sum(reach.values()) - reach[end.name]
        found[end.group] = Encoding.of_range(
            max(low, -limit), min(high, limit), recipe.activation_bits
        )
    return found


def _tail_only_sums(graph: NetworkGraph) -> bool:
    """Behind the last convolutions nothing but sums and resizes of logits comes, up to the end."""
    return all(
        p.kind in {"conv", "sum"} or graph.operation(p.name).startswith("upsample")
        for p in graph.points.values()
        if p.tail and p.name != graph.mask
    )
