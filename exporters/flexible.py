"""Core ML files for several sizes, in operations that the Neural Engine has.

A trace computes the sizes that it upsamples to, and coremltools has no operation for that; factors
that are the same at all sizes, it has.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import torch
from torch.jit._fuser import optimized_execution
from torch.utils._python_dispatch import TorchDispatchMode

from ..errors import ExportError, UsageError
from ..formats import Target
from ..models.factory import with_options
from ..models.prepared import Reference, check_output
from .run import Size

__all__ = ["other_sizes", "with_constant_factors"]

_UPSAMPLING = {
    torch.ops.aten.upsample_bilinear2d.default: "aten::upsample_bilinear2d",
    torch.ops.aten.upsample_nearest2d.default: "aten::upsample_nearest2d",
}

Factors = tuple[float, float]
_ALIKE = 1.25
_ONE_BY_ONE = "Export it once for each size."


def other_sizes(
    reference: Reference,
    given: Iterable[int | str | tuple[int, int]],
    rows: Iterable[Target],
) -> tuple[Size, ...]:
    """The (height, width) that are not the network's own, each once.

    Raises:
        InputError: One is none, the network doesn't draw masks at it, or nothing takes any.
    """
    spec, sizes = reference.spec, []
    for one in given:
        other = with_options(spec, {"size": one}, where="a size of Core ML's")
        check_output(Reference(reference.network, other), other)
        sizes.append((other.image.height, other.image.width))
    own = (spec.image.height, spec.image.width)
    found = tuple(size for size in dict.fromkeys(sizes) if size != own)
    if found and not any(row.format == "coreml" and not row.recipe for row in rows):
        raise UsageError(
            "None of the targets takes several sizes.",
            "Add one of Core ML's, such as coreml-fp16, or export once for each size.",
        )
    return found


def with_constant_factors(traced: Any, name: str, sizes: Sequence[Size]) -> Any:
    """A frozen trace, changed in place: it upsamples by factors instead of to sizes.

    Args:
        traced: From (1, 3, H, W) to a mask.
        name: Of the network, for messages.
        sizes: (height, width) of photos that it must hold for.

    Raises:
        ExportError: It fails at one of them, or its factors differ between them.
    """
    found = [_factors(traced, name, size) for size in sizes]
    torch._C._jit_pass_inline(traced.graph)
    nodes = [node for node in traced.graph.nodes() if node.kind() in _UPSAMPLING.values()]
    if {len(factors) for factors in found} != {len(nodes)}:
        raise ExportError(f"{name} upsamples in a loop or a branch.", _ONE_BY_ONE)
    for node, *factors in zip(nodes, *found, strict=True):
        if len(set(factors)) > 1 or not all(factor.is_integer() for factor in factors[0]):
            raise _uneven(name, factors, sizes)
        _multiply(traced.graph, node, factors[0])
    torch._C._jit_pass_dce(traced.graph)
    return traced


def _multiply(graph: Any, node: Any, factors: Factors) -> None:
    """Let a node upsample by factors."""
    graph.setInsertPoint(node)
    last = node.inputsSize() - 1
    if "scale_factors" in node.schema():  # (input, size or None, …, both factors or None)
        node.replaceInput(1, graph.insertConstant(None))
        node.replaceInput(last, graph.insertConstant(list(factors)))
    else:  # (input, size, …, factor of rows or None, factor of columns or None)
        for position, factor in zip((last - 1, last), factors, strict=True):
            node.replaceInput(position, graph.insertConstant(factor))


def _factors(traced: Any, name: str, size: Size) -> list[Factors]:
    """By what each of its upsamplings multiplies rows and columns, in their order."""
    noted = _Noted()
    try:
        with torch.no_grad(), optimized_execution(False), noted:
            traced(torch.full((1, 3, *size), 0.5))
    except Exception as exc:  # of sizes that the trace took for constants
        height, width = size
        raise ExportError(
            f"{name} was traced at another size, and its trace fails at {height}x{width}: {exc}",
            f"It computes with its own size as with a constant. {_ONE_BY_ONE}",
        ) from exc
    return noted.factors


class _Noted(TorchDispatchMode):
    """Notes by what is upsampled."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.factors: list[Factors] = []

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        result = func(*args, **(kwargs or {}))
        if func in _UPSAMPLING:
            (rows, columns), (high, wide) = args[0].shape[-2:], result.shape[-2:]
            self.factors.append((high / rows, wide / columns))
        return result


def _uneven(name: str, factors: Sequence[Factors], sizes: Sequence[Size]) -> ExportError:
    by_size = ", ".join(
        f"{rows:.4g} and {columns:.4g} at {height}x{width}"
        for (rows, columns), (height, width) in zip(factors, sizes, strict=True)
    )
    what = (
        f"{name} upsamples rows and columns by factors that are not whole and the same at all "
        f"sizes: {by_size}."
    )
    # Sizes that are not halved evenly give factors that are nearly the same; a photo that is pooled
    # whole, or scaled to one size, gives others.
    if any(max(along) > _ALIKE * min(along) for along in zip(*factors, strict=True)):
        return ExportError(what, f"What it upsamples has one size at all of them. {_ONE_BY_ONE}")
    return ExportError(what, "Take sizes that it halves without a rest: multiples of 64 will do.")
