"""What the formats say of one of their nodes, in one vocabulary."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from ...specs import Count, Number

__all__ = ["INPUT", "SKETCH", "NodeInfo", "batches", "planes", "sketch", "weighted"]

Item = TypeVar("Item")

# The kind of a stream's first item: the image as the file takes it.
INPUT = "input"
# Bytes of tensors that one run gives; a graph with more is run again for the rest.
AT_ONCE = 1 << 28
# Numbers in a sketch. Two unrelated weights then have a similarity of 0 ± 0.13.
SKETCH = 64


@dataclass(frozen=True, slots=True)
class NodeInfo:
    """One tensor that depends on the image, and the node that makes it.

    Attributes:
        name: The node, as the file calls it; may be empty.
        kind: Its operation, in the format's own words: ``Conv``, ``CONV_2D``, ``conv``.
        inputs: The tensors it reads that depend on the image, in order.
        output: The tensor, as the file calls it; unique in a file.
        position: Which of the node's outputs it is.
        shape: Of the tensor as it is handed on; images are (1, C, H, W).
        activation: What the node applies to its result itself, in the format's own words.
        kernel: Shape of its weights as PyTorch would store them, (out, in, height, width) or
            (out, in); empty where it has none.
        sketch: See `sketch`; empty where it has no weights.
    """

    name: str
    kind: str
    inputs: tuple[str, ...]
    output: str
    position: Count
    shape: tuple[Count, ...]
    activation: str = ""
    kernel: tuple[Count, ...] = ()
    sketch: tuple[Number, ...] = ()


def sketch(weights: NDArray[Any]) -> tuple[float, ...]:
    """64 numbers whose inner product with another sketch is the weights' similarity.

    The cosine is 1 for equal weights, stays near it after quantisation, and is about 0 for
    weights that have nothing to do with each other. Rows are normalised first, so that a batch
    norm folded into an output channel changes nothing.

    Source: count sketch; Charikar, Chen, Farach-Colton, "Finding frequent items in data
    streams", 2004.

    Args:
        weights: (out, in, height, width) or (out, in), real values.

    Returns:
        Of norm 1; all 0 where the weights are.
    """
    rows = np.asarray(weights, np.float64).reshape(len(weights), -1)
    norms = np.linalg.norm(rows, axis=1, keepdims=True)
    with np.errstate(invalid="ignore", divide="ignore"):
        flat = np.nan_to_num(rows / norms, nan=0.0, posinf=0.0, neginf=0.0).ravel()
    rng = np.random.default_rng(flat.size)
    bins = rng.integers(0, SKETCH, flat.size)
    signs = rng.integers(0, 2, flat.size) * 2 - 1
    sums = np.bincount(bins, weights=flat * signs, minlength=SKETCH)
    length = math.sqrt(float(sums @ sums))
    return tuple((sums / length).tolist()) if length else (0.0,) * SKETCH


def weighted(weights: NDArray[Any] | None) -> dict[str, Any]:
    """Fields of a `NodeInfo` by weights, as PyTorch would store them; nothing of none."""
    return {} if weights is None else {"kernel": weights.shape, "sketch": sketch(weights)}


def batches(items: Iterable[Item], node: Callable[[Item], NodeInfo]) -> Iterator[list[Item]]:
    """Items whose nodes' tensors one run may give, in order; each batch has at least one."""
    batch: list[Item] = []
    size = 0
    for item in items:
        own = 4 * math.prod(node(item).shape)
        if batch and size + own > AT_ONCE:
            yield batch
            batch, size = [], 0
        batch.append(item)
        size += own
    if batch:
        yield batch


def planes(values: NDArray[Any]) -> NDArray[np.float32]:
    """A tensor of a file that keeps channels last, with channels first; other ranks as they are."""
    moved = values.transpose(0, 3, 1, 2) if values.ndim == 4 else values
    return np.ascontiguousarray(moved, dtype=np.float32)
