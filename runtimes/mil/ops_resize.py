"""Resizing and cropping of the last two dimensions.

Sampling positions are those of coremltools' definitions of ``upsample_bilinear`` and
``resize_bilinear`` (mil/ops/defs/iOS15/image_resizing.py). Where torch samples at the same
positions, torch does it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from .arguments import Uncovered, integers

__all__ = ["EXACT", "OPERATIONS", "positions"]

_MODES = frozenset(
    {"DEFAULT", "STRICT_ALIGN_CORNERS", "ALIGN_CORNERS", "UNALIGN_CORNERS", "OFFSET_CORNERS"}
)


def positions(mode: str, before: int, after: int) -> Tensor:
    """Where ``after`` samples lie on the grid 0 .. ``before`` - 1; float64, clamped to it."""
    index = torch.arange(after, dtype=torch.float64)
    steps = max(after - 1, 1)
    match mode:
        case "STRICT_ALIGN_CORNERS":
            grid = index * ((before - 1) / steps)
        case "ALIGN_CORNERS":
            grid = index * ((before - 1) / steps) if after > 1 else index + (before - 1) / 2
        case "DEFAULT":
            grid = index * (before / after)
        case "OFFSET_CORNERS":
            delta = max(1, before - 1) / after
            grid = (index + 0.5) * delta
        case "UNALIGN_CORNERS":
            grid = (index + 0.5) * (before / after) - 0.5
        case _:
            raise Uncovered(f"sampling_mode {mode!r}")
    return grid.clamp(0, before - 1)


def resize_bilinear(
    x: Tensor,
    target_size_height: int = 1,
    target_size_width: int = 1,
    sampling_mode: str = "DEFAULT",
) -> Tensor:
    """(..., H, W) to the target size."""
    return _linear(x, (target_size_height, target_size_width), sampling_mode)


def upsample_bilinear(
    x: Tensor,
    scale_factor_height: Tensor | int = 1,
    scale_factor_width: Tensor | int = 1,
    align_corners: bool = True,
    half_pixel_centers: bool | None = None,
) -> Tensor:
    """(..., H, W) to (..., floor(H * scale), floor(W * scale)); the step is sizes' quotient."""
    centered = not align_corners if half_pixel_centers is None else half_pixel_centers
    if align_corners and centered:
        raise Uncovered("align_corners together with half_pixel_centers")
    mode = "UNALIGN_CORNERS" if centered else "DEFAULT"
    size = _scaled(x, scale_factor_height, scale_factor_width)
    return _linear(x, size, "STRICT_ALIGN_CORNERS" if align_corners else mode)


def upsample_nearest_neighbor(
    x: Tensor, scale_factor_height: Tensor | int = 1, scale_factor_width: Tensor | int = 1
) -> Tensor:
    """(..., H, W) to (..., floor(H * scale), floor(W * scale))."""
    return _nearest(x, _scaled(x, scale_factor_height, scale_factor_width), "DEFAULT")


def resize_nearest_neighbor(x: Tensor, target_size_height: int, target_size_width: int) -> Tensor:
    """(..., H, W) to the target size."""
    return _nearest(x, (target_size_height, target_size_width), "DEFAULT")


def resize(
    x: Tensor,
    shape: Tensor,
    resized_dims: int,
    interpolation_mode: str = "LINEAR",
    sampling_mode: str = "DEFAULT",
) -> Tensor:
    """The last ``resized_dims`` dimensions to the last entries of ``shape``; 0 keeps a size."""
    if not 1 <= resized_dims <= 2 or sampling_mode not in _MODES:
        raise Uncovered(f"{resized_dims} resized dimensions, sampling_mode {sampling_mode!r}")
    wanted = integers(shape)[-resized_dims:]
    kept = x.shape[-resized_dims:]
    sizes = [size or old for size, old in zip(wanted, kept, strict=True)]
    target = (x.shape[-2], sizes[0]) if resized_dims == 1 else (sizes[0], sizes[1])
    method = _linear if interpolation_mode == "LINEAR" else _nearest
    return method(x, target, sampling_mode)


def crop(x: Tensor, crop_height: Tensor, crop_width: Tensor) -> Tensor:
    """Elements off the top and bottom, left and right."""
    top, bottom = integers(crop_height)
    left, right = integers(crop_width)
    return x[..., top : x.shape[-2] - bottom, left : x.shape[-1] - right]


def _scaled(x: Tensor, height: Tensor | int, width: Tensor | int) -> tuple[int, int]:
    # In float32, as coremltools infers the shape: 40 / 15 of 15 must not fall below 40.
    rows, columns = np.float32(float(height)), np.float32(float(width))
    return math.floor(rows * x.shape[-2]), math.floor(columns * x.shape[-1])


def _linear(x: Tensor, size: tuple[int, int], mode: str) -> Tensor:
    if mode == "UNALIGN_CORNERS" or (mode.endswith("ALIGN_CORNERS") and min(size) > 1):
        return _as_images(x, size, align_corners=mode != "UNALIGN_CORNERS")
    for axis, after in zip((-2, -1), size, strict=True):
        x = _along(x, axis, positions(mode, x.shape[axis], after))
    return x


def _as_images(x: Tensor, size: Sequence[int], *, align_corners: bool) -> Tensor:
    images = x if x.ndim == 4 else x.reshape(1, -1, *x.shape[-2:])
    done = F.interpolate(images, size=list(size), mode="bilinear", align_corners=align_corners)
    return done if x.ndim == 4 else done.reshape(*x.shape[:-2], *size)


def _along(x: Tensor, axis: int, grid: Tensor) -> Tensor:
    """Linear interpolation at the positions ``grid`` of one axis."""
    low = grid.floor().long()
    high = (low + 1).clamp(max=x.shape[axis] - 1)
    weight = (grid - low).float()
    weight = weight.reshape(-1, 1) if axis == -2 else weight
    return torch.lerp(x.index_select(axis, low), x.index_select(axis, high), weight)


def _nearest(x: Tensor, size: tuple[int, int], mode: str) -> Tensor:
    """DEFAULT takes the element at or before a position, the other modes the one nearest."""
    for axis, after in zip((-2, -1), size, strict=True):
        grid = positions(mode, x.shape[axis], after)
        # 1e-9: a quotient of sizes that should be whole must not fall below it.
        offset = 1e-9 if mode == "DEFAULT" else 0.5 + 1e-9
        index = (grid + offset).floor().long().clamp(max=x.shape[axis] - 1)
        x = x.index_select(axis, index)
    return x


OPERATIONS: dict[str, Callable[..., Any]] = {
    "crop": crop,
    "resize": resize,
    "resize_bilinear": resize_bilinear,
    "resize_nearest_neighbor": resize_nearest_neighbor,
    "upsample_bilinear": upsample_bilinear,
    "upsample_nearest_neighbor": upsample_nearest_neighbor,
}
EXACT = frozenset({"crop", "resize_nearest_neighbor", "upsample_nearest_neighbor"})
