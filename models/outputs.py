"""Which of a network's outputs is the mask, however they lie in one another, and as which planes.

Networks end as their authors liked: in a threshold, an ``argmax``, a mask without a channel
dimension. A file's mask is floats in planes, one a class, so truth values and class numbers become
0.0 and 1.0 in the graph. What can't be meant is an error, never a guess.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from ..errors import NetworkError
from ..specs import ModelSpec
from ..texts import first_few

__all__ = ["as_planes", "check_channel", "check_numbers", "select_output"]

# So many are named where none was chosen rightly.
NAMED = 12


def select_output(outputs: Any, spec: ModelSpec) -> Tensor:
    """The mask among a network's outputs: a tensor, a sequence, a dict, a dataclass, or these in
    one another.

    Args:
        outputs: What the network gave.
        spec: Which of them: a position, a key, or a path of them with dots between (``"0.0"``,
            ``"aux.0"``). A key that has dots itself is tried as it is first. Where it says
            nothing, the only one.

    Raises:
        NetworkError: ``spec.output`` names none of them.
    """
    chosen: Any = outputs
    if spec.output is None:
        while isinstance(chosen, dict | list | tuple) and len(chosen) == 1:
            chosen = _part(chosen, 0)
    else:
        chosen = _part(outputs, spec.output)
        if chosen is None and isinstance(spec.output, str):
            chosen = outputs
            for step in spec.output.split("."):
                chosen = _part(chosen, step)
    if not isinstance(chosen, Tensor):
        wrong = (
            "and nothing says which of them is the mask"
            if spec.output is None
            else f"and output {spec.output!r} is no tensor among them"
        )
        raise NetworkError(
            f"{spec.name} gives {_described(outputs)}, {wrong}.",
            "Say which output is the mask: --output POSITION or --output KEY, or a path of them "
            "with dots, --output 0.0.",
        )
    return chosen


def _part(outputs: Any, step: int | str) -> Any:
    """One step into outputs; None where there is none."""
    if isinstance(outputs, Tensor):
        return outputs if step == 0 else None
    if isinstance(step, str):
        found = outputs.get(step) if isinstance(outputs, dict) else getattr(outputs, step, None)
        if found is not None or not step.isdecimal():
            return found
        step = int(step)
    parts = list(outputs.values()) if isinstance(outputs, dict) else outputs
    if not isinstance(parts, list | tuple):
        return None
    return parts[step] if -len(parts) <= step < len(parts) else None


def _described(outputs: Any) -> str:
    if isinstance(outputs, Tensor):
        return f"a tensor of shape {tuple(outputs.shape)}"
    found = [f"{path} {tuple(tensor.shape)}" for path, tensor in _tensors(outputs)]
    if not found:
        return f"a {type(outputs).__name__} without tensors"
    return f"{len(found)} outputs: {first_few(found, NAMED)}"


def _tensors(outputs: Any, before: str = "") -> Iterator[tuple[str, Tensor]]:
    """Every tensor, with the path that names it."""
    named: list[tuple[Any, Any]] = []
    if isinstance(outputs, dict):
        named = list(outputs.items())
    elif isinstance(outputs, list | tuple):
        named = list(enumerate(outputs))
    elif is_dataclass(outputs):
        named = [(field.name, getattr(outputs, field.name)) for field in fields(outputs)]
    for name, part in named:
        if isinstance(part, Tensor):
            yield f"{before}{name}", part
        else:
            yield from _tensors(part, f"{before}{name}.")


def as_planes(given: Tensor, spec: ModelSpec) -> Tensor:
    """The planes (N, C, H, W), floating-point, that a network's output stands for.

    Decided by type and shape alone, so that it can be traced:

    * floats stay what they are;
    * truth values and whole numbers become 0.0 and 1.0, whole numbers of one plane where the
      mask has several channels, or is one of several, being class numbers: one plane for each
      class;
    * a single plane without a channel dimension, (N, H, W), is given one;
    * where the specification says so, planes of another size are brought to the photo's.

    Args:
        given: The output that is the mask.
        spec: Its channels, and what is applied to it.

    Raises:
        NetworkError: Something is to be applied to truth values or whole numbers.
    """
    floats = given.is_floating_point()
    if not floats and spec.mask.activation != "none":
        raise NetworkError(
            f"{spec.name} gives {_kind(given)}, and {spec.mask.activation} is to be applied to "
            "them; it is for floats.",
            "Leave --activation out: a mask is decided already. Or let the network give its "
            "logits.",
        )
    planes = given
    # The plane that is wanted is chosen after the activation, and is the last that is needed.
    channels = spec.mask.channels if spec.mask.channel is None else spec.mask.channel + 1
    if _whole(given) and (channels > 1 or spec.mask.channel is not None):
        # A dimension that may be squeezed away is one plane: asked by its size, a trace would
        # take the answer for something that depends on the photo.
        numbers = given if given.ndim == 3 else given.squeeze(1)
        if numbers.ndim == 3:
            names = torch.arange(channels, dtype=given.dtype, device=given.device)
            planes = numbers.unsqueeze(1) == names.reshape(1, channels, 1, 1)
    elif given.ndim == 3 and spec.mask.channels == 1:
        planes = given.unsqueeze(1)
    planes = planes if floats else planes.float()
    if spec.mask.upsample == "none":
        return planes
    size = (spec.image.height, spec.image.width)
    return F.interpolate(planes, size, mode=spec.mask.upsample, align_corners=False)


def check_channel(given: Tensor, spec: ModelSpec) -> None:
    """Hold the planes that a network gives against the one of them that is to be the mask.

    Args:
        given: The output that is the mask, as for `as_planes`.
        spec: Which of its planes that is.

    Raises:
        NetworkError: There is no such plane, or a softmax over the only one.
    """
    channel = spec.mask.channel
    planes = given.shape[1] if given.ndim == 4 else 1
    if channel is None or (_whole(given) and planes == 1):
        return
    if channel >= planes:
        raise NetworkError(
            f"{spec.name} gives {planes} plane{'s' if planes > 1 else ''}, and channel {channel} "
            "is to be the mask; they are counted from 0.",
            f"Say which of them it is: --channel 0 to {planes - 1}."
            if planes > 1
            else "Leave --channel out.",
        )
    if planes == 1 and spec.mask.activation == "softmax":
        raise NetworkError(
            f"{spec.name} gives one plane, and a softmax over it is 1 everywhere.",
            "Use --activation sigmoid, and leave --channel out.",
        )


def check_numbers(given: Tensor, spec: ModelSpec) -> None:
    """Hold the whole numbers that a network gave for a photo against the mask's channels.

    Args:
        given: The output that is the mask, as for `as_planes`; anything else than whole numbers
            is fine.
        spec: How many channels the mask has.

    Raises:
        NetworkError: They are neither 0 and 1 nor numbers of its classes.
    """
    if not _whole(given) or not given.numel():
        return
    low, high = int(given.min()), int(given.max())
    channels = spec.mask.channels
    one_of_many = spec.mask.channel is not None
    numbered = (channels > 1 or one_of_many) and (given.ndim == 3 or given.shape[1] == 1)
    if low >= 0 and (high < (channels if numbered else 2) or (numbered and one_of_many)):
        return
    allowed = (
        "classes are counted from 0"
        if numbered and one_of_many
        else f"{channels} channels are classes 0 to {channels - 1}"
        if numbered
        else "a plane of whole numbers is 0 and 1"
    )
    remedy = "Let it give floats from 0 to 1."
    if low >= 0 and (numbered or channels == 1):
        remedy = f"If they are class numbers, say how many there are: --channels {high + 1}"
        remedy += " or more. If not, let the network give floats from 0 to 1."
    raise NetworkError(f"{spec.name} gives {_kind(given)} from {low} to {high}; {allowed}.", remedy)


def _whole(given: Tensor) -> bool:
    return given.dtype != torch.bool and not given.is_floating_point()


def _kind(given: Tensor) -> str:
    name = str(given.dtype).removeprefix("torch.")
    return f"truth values ({name})" if given.dtype == torch.bool else f"whole numbers ({name})"
