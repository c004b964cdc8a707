"""What moves values and leaves them as they are: shapes, slices, joins, pads."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from .arguments import Uncovered, integers

__all__ = ["EXACT", "OPERATIONS"]


def concat(values: list[Tensor], axis: int, interleave: bool = False) -> Tensor:
    """Joined along an axis; interleaved, the first of each comes first, then the second."""
    if not interleave:
        return torch.cat(values, axis)
    axis %= values[0].ndim
    return torch.stack(values, axis + 1).flatten(axis, axis + 1)


def split(
    x: Tensor, axis: int, num_splits: int | None = None, split_sizes: Tensor | None = None
) -> tuple[Tensor, ...]:
    """Parts of the given sizes, else that many equal ones."""
    if split_sizes is not None:
        return torch.split(x, integers(split_sizes), axis)
    if num_splits is None:
        raise Uncovered("neither num_splits nor split_sizes")
    return torch.split(x, x.shape[axis] // num_splits, axis)


def reshape(x: Tensor, shape: Tensor) -> Tensor:
    """To ``shape``; 0 keeps the size at that place, -1 is what is left."""
    wanted = integers(shape)
    sizes = [
        x.shape[place] if size == 0 and place < x.ndim else size
        for place, size in enumerate(wanted)
    ]
    return x.reshape(sizes)


def expand_dims(x: Tensor, axes: Tensor) -> Tensor:
    """New dimensions of size 1 at these places of the result."""
    places = integers(axes)
    rank = x.ndim + len(places)
    for axis in sorted(axis % rank for axis in places):
        x = x.unsqueeze(axis)
    return x


def squeeze(x: Tensor, axes: Tensor | None = None) -> Tensor:
    """Without these dimensions of size 1, or without any."""
    return x.squeeze() if axes is None else x.squeeze(integers(axes))


def slice_by_index(
    x: Tensor,
    begin: Tensor,
    end: Tensor,
    stride: Tensor | None = None,
    begin_mask: Tensor | None = None,
    end_mask: Tensor | None = None,
    squeeze_mask: Tensor | None = None,
) -> Tensor:
    """NumPy's slices; masks leave a bound open, or index instead of slicing."""

    def flags(mask: Tensor | None) -> list[int]:
        return [0] * x.ndim if mask is None else integers(mask)

    steps = [1] * x.ndim if stride is None else integers(stride)
    bounds = zip(integers(begin), integers(end), steps, strict=True)
    masks = zip(flags(begin_mask), flags(end_mask), flags(squeeze_mask), strict=True)
    picked: list[int] = []
    for axis, ((first, last, step), (from_start, to_end, single)) in enumerate(
        zip(bounds, masks, strict=True)
    ):
        size = x.shape[axis]
        if single:
            x = x.narrow(axis, first % size, 1)
            picked.append(axis)
            continue
        chosen = slice(None if from_start else first, None if to_end else last, step)
        start, stop, _ = chosen.indices(size)
        if (start, stop, step) == (0, size, 1):
            continue
        # torch has no negative steps.
        index = torch.arange(size)[start:stop:step] if step > 0 else _backwards(chosen, size)
        x = x.index_select(axis, index)
    return x.squeeze(picked) if picked else x


def _backwards(chosen: slice, size: int) -> Tensor:
    return torch.tensor(list(range(size))[chosen], dtype=torch.long)


def slice_by_size(x: Tensor, begin: Tensor, size: Tensor) -> Tensor:
    """From ``begin`` this many elements of each dimension; -1 takes the rest."""
    for axis, (first, count) in enumerate(zip(integers(begin), integers(size), strict=True)):
        start = first % x.shape[axis]
        x = x.narrow(axis, start, x.shape[axis] - start if count == -1 else count)
    return x


def pad(
    x: Tensor, pad: Tensor, mode: str = "constant", constant_val: Tensor | float = 0.0
) -> Tensor:
    """Before and after each of the last dimensions, in turn."""
    amounts = integers(pad)
    pairs = list(zip(amounts[::2], amounts[1::2], strict=True))
    backwards = [amount for pair in reversed(pairs) for amount in pair]
    if mode == "constant":
        return F.pad(x, backwards, value=float(constant_val))
    if mode not in {"reflect", "replicate"}:
        raise Uncovered(f"mode {mode!r}")
    first = x.ndim - len(pairs)
    for axis, (before, after) in enumerate(pairs, first):
        size = x.shape[axis]
        index = torch.arange(-before, size + after)
        if mode == "reflect":
            index = (size - 1) - ((size - 1) - index.abs()).abs()
        x = x.index_select(axis, index.clamp(0, size - 1)) if before or after else x
    return x


def depth_to_space(x: Tensor, block_size: int) -> Tensor:
    """Like ``pixel_shuffle``, but channels vary slowest over the block, not over depth."""
    n, c, h, w = x.shape
    blocks = x.reshape(n, block_size, block_size, c // block_size**2, h, w)
    return blocks.permute(0, 3, 4, 1, 5, 2).reshape(n, -1, h * block_size, w * block_size)


def space_to_depth(x: Tensor, block_size: int) -> Tensor:
    """The inverse of `depth_to_space`."""
    n, c, h, w = x.shape
    blocks = x.reshape(n, c, h // block_size, block_size, w // block_size, block_size)
    return blocks.permute(0, 3, 5, 1, 2, 4).reshape(n, -1, h // block_size, w // block_size)


def gather(
    x: Tensor, indices: Tensor | int, axis: int = 0, batch_dims: int = 0, **_: bool
) -> Tensor:
    """Elements of one axis by index; negative ones count from the end."""
    if batch_dims:
        raise Uncovered("batch_dims")
    chosen = torch.as_tensor(indices).long()
    flat = torch.where(chosen < 0, chosen + x.shape[axis], chosen).reshape(-1)
    axis %= x.ndim
    shape = (*x.shape[:axis], *chosen.shape, *x.shape[axis + 1 :])
    return x.index_select(axis, flat).reshape(shape)


OPERATIONS: dict[str, Callable[..., Any]] = {
    "concat": concat,
    "depth_to_space": depth_to_space,
    "expand_dims": expand_dims,
    "fill": lambda shape, value=0.0: torch.full(integers(shape), float(value)),
    "flatten2d": lambda x, axis=1: x.reshape(x.shape[:axis].numel(), -1),
    "gather": gather,
    "identity": lambda x: x,
    "pad": pad,
    "pixel_shuffle": lambda x, upscale_factor: F.pixel_shuffle(x, upscale_factor),  # noqa: PLW0108
    "reshape": reshape,
    "reverse": lambda x, axes=None: x.flip(range(x.ndim) if axes is None else integers(axes)),
    "shape": lambda x: torch.tensor(x.shape, dtype=torch.int32),
    "slice_by_index": slice_by_index,
    "slice_by_size": slice_by_size,
    "space_to_depth": space_to_depth,
    "split": split,
    "squeeze": squeeze,
    "stack": lambda values, axis: torch.stack(values, axis),  # noqa: PLW0108  (names)
    "tile": lambda x, reps: x.repeat(integers(reps)),
    "transpose": lambda x, perm: x.permute(integers(perm)),
}
EXACT = frozenset(OPERATIONS) - {"fill"}
