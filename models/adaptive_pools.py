"""Adaptive pools of any size as pools of constant slices, exactly.

torch's tracing ONNX export has adaptive pools only where their size divides their input's; pyramid
pooling (Zhao et al., "Pyramid Scene Parsing Network", CVPR 2017) has bins of 3 and 6. Where the
size of a photo is fixed, so is each window: from floor(i n / o) to ceil((i + 1) n / o), for i of o.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

__all__ = ["constant_pools"]

Pool = Callable[..., Tensor]

# By the names of torch.nn.functional. An average of averages over rows of one length is the
# average; a maximum of maxima, the maximum.
_POOLS: dict[str, tuple[Pool, int]] = {
    "adaptive_avg_pool1d": (F.avg_pool1d, 1),
    "adaptive_avg_pool2d": (F.avg_pool2d, 2),
    "adaptive_max_pool1d": (F.max_pool1d, 1),
    "adaptive_max_pool2d": (F.max_pool2d, 2),
}
_ADAPTIVE = {name: getattr(F, name) for name in _POOLS}


@contextmanager
def constant_pools() -> Iterator[None]:
    """Within it, adaptive pools whose sizes are no factors of their input's are rewritten. Those
    that give positions too are left alone.

    torch's functions are exchanged: modules and functions alike find them by their names, and a
    tracer names values after the variables of the code that calls, so a mode that every call
    goes through would take the names of all values away.
    """
    try:
        for name in _POOLS:
            setattr(F, name, _constant(name))
        yield
    finally:
        for name, function in _ADAPTIVE.items():
            setattr(F, name, function)


def _constant(name: str) -> Callable[..., Any]:
    @wraps(_ADAPTIVE[name])  # torch.export asks for names
    def pool(*args: Any, **kwargs: Any) -> Any:
        return _adaptive(name, *args, **kwargs)

    return pool


def _adaptive(name: str, input: Tensor, output_size: Any, return_indices: bool = False) -> Any:
    pool, dimensions = _POOLS[name]
    sizes = [int(n) for n in input.shape[-dimensions:]]
    wanted = (
        list(output_size) if isinstance(output_size, tuple | list) else [output_size] * dimensions
    )
    wanted = [n if o is None else int(o) for n, o in zip(sizes, wanted, strict=True)]
    if return_indices or not any(n % o for n, o in zip(sizes, wanted, strict=True)):
        given = (return_indices,) if "max" in name else ()
        return _ADAPTIVE[name](input, output_size, *given)
    for axis, (n, o) in enumerate(zip(sizes, wanted, strict=True)):
        input = _pooled(input, axis, n, o, pool, dimensions)
    return input


def _pooled(x: Tensor, axis: int, n: int, o: int, pool: Pool, dimensions: int) -> Tensor:
    """One of the last axes brought from n values to o."""
    if n == o:
        return x

    def along(length: int) -> list[int]:
        return [length if i == axis else 1 for i in range(dimensions)]

    if n % o == 0:
        return pool(x, along(n // o), along(n // o))
    position = x.ndim - dimensions + axis
    parts = [
        pool(torch.ops.aten.slice.Tensor(x, position, start, end), along(end - start), 1)
        for start, end in _windows(n, o)
    ]
    return torch.cat(parts, position)


def _windows(n: int, o: int) -> Iterator[tuple[int, int]]:
    for i in range(o):
        yield i * n // o, -(-(i + 1) * n // o)
