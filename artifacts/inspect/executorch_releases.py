"""Since when ExecuTorch's packages for phones have what a program uses.

ExecuTorch promises that newer releases load a file, and nothing of older ones. What a file needs by
name is known of older ones all the same: the parts of XNNPACK's graphs that are in the schema of
its back end, and the operators that are registered. `executorch_releases.json` is read from the
wheels (`benchmarks/executorch_releases.py`). Files were seen to draw their mask in the oldest of
these, 0.6.0, in 0.7.0 and in 1.0.1 (`benchmarks/runtimes.md`); 0.6.0 is also the first whose docs
name the package of Maven Central.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from functools import cache
from importlib.resources import files
from typing import Any

from ..manifest import OldestRuntime

__all__ = ["ANDROID", "SWIFT", "oldest"]

# The first has XNNPACK's back end and all kernels in it (ExecuTorch's docs, "Using ExecuTorch on
# Android"); of the second, an app links the products that it needs ("Using ExecuTorch on iOS").
ANDROID, SWIFT = "org.pytorch:executorch-android", "ExecuTorch's Swift package"
_PRODUCTS = {"XnnpackBackend": "backend_xnnpack"}


def oldest(
    backends: Iterable[str],
    graphs: Iterable[dict[str, Any]],
    operators: Iterable[str],
) -> tuple[OldestRuntime, ...]:
    """The oldest releases that have all; none where another back end is asked for, or no release
    that was read has something.

    Args:
        backends: Identifiers: ``XnnpackBackend``.
        graphs: XNNPACK's, as `executorch.xnnpack_graph` gives them.
        operators: Outside of the back ends: ``aten::mm.out``.
    """
    backends, operators = list(backends), sorted(operators)
    if set(backends) - set(_PRODUCTS):
        return ()
    needs = [(0, "all that it uses; no older release was read")]
    for kind, name in sorted({*_parts(graphs), *(("operators", name) for name in operators)}):
        since = _known()[kind].get(name)
        if since is None:
            return ()
        needs.append((since, name))
    release, because = max(needs, key=lambda need: need[0])
    version: str = _known()["releases"][release]
    products = [*(_PRODUCTS[backend] for backend in backends), *_kernels(operators)]
    return (
        OldestRuntime(runtime=ANDROID, version=version, because=because),
        OldestRuntime(runtime=SWIFT, version=version, because=because, links=products),
    )


def _parts(graphs: Iterable[dict[str, Any]]) -> Iterator[tuple[str, str]]:
    """What older schemas of the back end may lack."""
    for graph in graphs:
        for node in graph["xnodes"]:
            yield "nodes", node["xnode_union_type"]
        for value in graph["xvalues"]:
            union = value["xvalue_union"]
            yield "types", union.get("tensor_value", union)["datatype"]
            # Where scales lie beside the weights, older readers find none.
            if union.get("quant_params", {}).get("scale_buffer_idx"):
                yield "fields", f"{union['quant_params_type']}.scale_buffer_idx"


def _kernels(operators: list[str]) -> list[str]:
    """The libraries of kernels that have them."""
    quantized = [name.startswith("quantized_decomposed::") for name in operators]
    return [
        *(["kernels_optimized"] if not all(quantized) else []),
        *(["kernels_quantized"] if any(quantized) else []),
    ]


@cache
def _known() -> dict[str, Any]:
    data = files(__package__).joinpath("executorch_releases.json").read_text(encoding="utf-8")
    read: dict[str, Any] = json.loads(data)
    return read
