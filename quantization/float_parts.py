"""Which tensors a recipe leaves in float: its modules' own, and what passes between them."""

from __future__ import annotations

from ..errors import UsageError, did_you_mean
from .graph import NetworkGraph
from .recipe import Recipe

__all__ = ["check_float_modules", "in_float"]

_INTERPOLATING = frozenset({"upsample_bilinear2d", "avg_pool2d"})


def check_float_modules(graph: NetworkGraph, recipe: Recipe) -> None:
    """Each path that a recipe names computes something.

    Raises:
        UsageError: One does not.
    """
    modules = list(dict.fromkeys(p.module for p in graph.points.values() if p.module))
    known = {".".join(m.split(".")[:n]) for m in modules for n in range(1, m.count(".") + 2)}
    for path in recipe.float_modules:
        if path not in known:
            raise UsageError(
                f"The recipe leaves {path} in float, and no module of that path computes anything.",
                f"{did_you_mean(path, known, 3)}`maskport sensitivity` lists the parts.",
            )


def in_float(graph: NetworkGraph, recipe: Recipe) -> frozenset[str]:
    """Names of the points that are computed in float.

    Those of the recipe's float modules; and what is pooled, resized, joined or added between
    them, whatever module does it: where all that read it are in float, and it would have to be
    rounded otherwise, because one of its sources is in float or because it interpolates.
    """
    found = {p.name for p in graph.points.values() if recipe.is_float(p.module)}
    if not found:
        return frozenset()
    between: set[str] = set()
    for point in reversed(graph.points.values()):
        readers = {reader.name for reader in graph.readers[point.name]}
        if point.kind in {"kept", "sum"} and readers and readers <= found | between:
            between.add(point.name)
    between -= found
    while True:
        floats = frozenset(found | between)
        idle = {name for name in between if not _has_to_be_float(graph, floats, name)}
        if not idle:
            return floats
        between -= idle


def _has_to_be_float(graph: NetworkGraph, floats: frozenset[str], name: str) -> bool:
    """What only passes values on would round them, and all that reads them is in float."""
    sources = graph.sources(name)
    loses = graph.operation(name) in _INTERPOLATING or any(s in floats for s in sources)
    return loses and all(reader.name in floats for reader in graph.readers[name])
