"""What is found in a file, as it comes from the process that read it and goes into JSON."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from ...artifacts.inspect.contents import Stored
from ...artifacts.manifest import OldestRuntime, Properties
from ...specs import Count, Finite, Integer
from ..costs.counting import Layer

__all__ = ["Acceptance", "End", "Inspected", "Share"]


@dataclass(frozen=True, slots=True)
class End:
    """An input or an output; None for what the file doesn't say.

    Attributes:
        name: By which an app finds it.
        dtype: NumPy's name of the type.
        shape: Sizes; None in the place of one that is open.
        layout: ``image`` of Core ML; where its sizes tell, ``NCHW`` or ``NHWC``.
        scale: Of integers: real = scale * (stored - zero_point).
        zero_point: Likewise.
    """

    name: str | None
    dtype: str | None
    shape: list[Integer | None] | None
    layout: Literal["NCHW", "NHWC", "image"] | None
    scale: Finite | None
    zero_point: Integer | None


@dataclass(frozen=True, slots=True)
class Share:
    """What is of one type, of the weights or of the values between operations.

    Attributes:
        dtype: NumPy's name of it, or such as ``palette6``.
        tensors: How many.
        values: Numbers in them; None where a size is open.
        bytes: Of weights in the file, of other values in memory; None likewise.
    """

    dtype: str
    tensors: Count
    values: Count | None
    bytes: Count | None


@dataclass(frozen=True, slots=True)
class Acceptance:
    """Whether a part of a device takes the file.

    Attributes:
        by: What would run it.
        whole: It takes all operations, in one part; None where that can't be told here.
        says: What is taken and what isn't, or why it can't be told.
    """

    by: str
    whole: bool | None
    says: str


@dataclass(frozen=True, slots=True)
class Inspected:
    """A file, as far as it can be told without running it.

    Attributes:
        file: Its name.
        format: A row of `formats.FORMATS`.
        bytes: Of a folder, of all files in it.
        sha256: As manifests have it.
        inputs: In the file's order.
        outputs: Likewise.
        properties: What its format says of its version, and of how it is called.
        parameters: Numbers in its weights.
        weights: By type, the most bytes first.
        activations: Values between operations that depend on the photo, likewise; none where the
            format doesn't say.
        operations: How often each kind stands in the file, the most frequent first; None where
            that couldn't be counted.
        macs: Multiply-accumulates for one photo, as `Cost` has them; None where that can't be
            counted.
        uncounted: Why; empty where they are.
        largest_weights: The largest first; not all of them.
        heaviest_layers: Those that multiply most, likewise; none where only the sum is known.
        oldest_runtimes: The oldest release of each runtime that has all that the file uses, as far
            as is known.
        accelerators: What takes it whole, and what not.
        metadata: What the file says for people and tools, by its own keys.
    """

    file: str
    format: str
    bytes: Count
    sha256: str
    inputs: list[End]
    outputs: list[End]
    properties: Properties
    parameters: Count
    weights: list[Share]
    activations: list[Share]
    operations: dict[str, Count | None]
    macs: Count | None
    uncounted: str
    largest_weights: list[Stored]
    heaviest_layers: list[Layer]
    oldest_runtimes: list[OldestRuntime]
    accelerators: list[Acceptance]
    metadata: dict[str, str]
