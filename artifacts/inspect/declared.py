"""What a finished file declares, whatever its format, and where a manifest says otherwise."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from ..manifest import OldestRuntime, Tensor, TensorQuantization

__all__ = ["Declared", "Port", "differences"]

# Of a scale, which files keep in float32.
_SAME_SCALE = 1e-6


@dataclass(frozen=True, slots=True)
class Port:
    """An input or an output as its file declares it; None for what a format doesn't say.

    Attributes:
        name: By which an app finds it.
        shape: Sizes; None in the place of one that is open.
        dtype: NumPy's name of the type: ``float32``, ``bool``, ``int64``.
        image: It is an image of Core ML, in bytes.
        quantization: What its integers stand for.
    """

    name: str | None = None
    shape: tuple[int | None, ...] | None = None
    dtype: str | None = None
    image: bool = False
    quantization: TensorQuantization | None = None


@dataclass(frozen=True, slots=True)
class Declared:
    """A file, as far as it tells.

    Attributes:
        inputs: In the file's order.
        outputs: Likewise.
        operators: The kinds of operations in it, by the format's names, sorted.
        properties: What else its format says, for the manifest.
        oldest_runtimes: See there, one a runtime; none where nothing can be derived.
        sizes: All (height, width) that it takes, where they are enumerated.
    """

    inputs: tuple[Port, ...]
    outputs: tuple[Port, ...]
    operators: tuple[str, ...]
    properties: dict[str, Any] = field(default_factory=dict)
    oldest_runtimes: tuple[OldestRuntime, ...] = ()
    sizes: tuple[tuple[int, int], ...] = ()


def differences(
    inputs: Sequence[Tensor],
    outputs: Sequence[Tensor],
    declared: Declared,
    other_sizes: Sequence[tuple[int, int]] = (),
) -> list[str]:
    """Where what a manifest says of a file isn't what the file says, a sentence each."""
    found = [
        *_differing("takes", inputs, declared.inputs),
        *_differing("gives", outputs, declared.outputs),
    ]
    taken = set(declared.sizes)
    if other_sizes and not taken.issuperset(other_sizes):
        named = ", ".join(sorted(map(_sizes, taken))) or "one"
        found.append(f"the manifest says {', '.join(map(_sizes, other_sizes))}, the file {named}")
    return found


def _differing(verb: str, said: Sequence[Tensor], found: Sequence[Port]) -> Iterator[str]:
    if len(said) != len(found):
        yield f"the manifest says that it {verb} {len(said)} tensors, the file {verb} {len(found)}"
        return
    for tensor, port in zip(said, found, strict=True):
        if port.name is not None and port.name != tensor.name:
            yield f"the manifest calls what it {verb} {tensor.name}, the file {port.name}"
        for ours, theirs in _values(tensor, port):
            if ours != theirs:
                yield f"the manifest says {tensor.name} {ours}, the file {verb} {theirs}"


def _values(tensor: Tensor, port: Port) -> Iterator[tuple[str, str]]:
    """Of each thing that the file declares: how the manifest has it, and the file."""
    if port.shape is not None:
        shape = port.shape
        if port.image:  # its output's size follows the input's
            shape = tuple(b or a for a, b in zip(tensor.shape, shape, strict=False))
        yield _sizes(tensor.shape), _sizes(shape)
    if port.dtype is not None:
        yield tensor.dtype, port.dtype
    yield _kind(tensor.layout == "image"), _kind(port.image)
    if not port.image and not _same(tensor.quantization, port.quantization):
        yield _scale(tensor.quantization), _scale(port.quantization)


def _sizes(shape: Sequence[int | None]) -> str:
    return "x".join("?" if size is None else str(size) for size in shape) or "one number"


def _kind(image: bool) -> str:
    return "an image" if image else "an array"


def _same(ours: TensorQuantization | None, theirs: TensorQuantization | None) -> bool:
    if ours is None or theirs is None:
        return ours is theirs
    return ours.zero_point == theirs.zero_point and math.isclose(
        ours.scale, theirs.scale, rel_tol=_SAME_SCALE
    )


def _scale(quantization: TensorQuantization | None) -> str:
    if quantization is None:
        return "no scale"
    return f"scale {quantization.scale:.9g} and zero point {quantization.zero_point}"
