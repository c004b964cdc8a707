"""What a network gives, as the planes of a mask: floats, truth values, class numbers.

Networks end as their authors liked: in a threshold, an ``argmax``, a mask without a channel
dimension. A file's mask is floats in planes, one a class, so these become 0.0 and 1.0 in the
graph. What can't be meant is an error, never a guess.
"""

from __future__ import annotations

import torch
from torch import Tensor

from ..errors import NetworkError
from ..specs import ModelSpec

__all__ = ["as_planes", "check_numbers"]


def as_planes(given: Tensor, spec: ModelSpec) -> Tensor:
    """The planes (N, C, H, W), floating-point, that a network's output stands for.

    Decided by type and shape alone, so that it can be traced:

    * floats stay what they are;
    * truth values and whole numbers become 0.0 and 1.0, whole numbers of one plane where the
      mask has several channels being class numbers: one plane for each class;
    * a single plane without a channel dimension, (N, H, W), is given one.

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
    planes, channels = given, spec.mask.channels
    if _whole(given) and channels > 1:
        # A dimension that may be squeezed away is one plane: asked by its size, a trace would
        # take the answer for something that depends on the photo.
        numbers = given if given.ndim == 3 else given.squeeze(1)
        if numbers.ndim == 3:
            names = torch.arange(channels, dtype=given.dtype, device=given.device)
            planes = numbers.unsqueeze(1) == names.reshape(1, channels, 1, 1)
    elif given.ndim == 3 and channels == 1:
        planes = given.unsqueeze(1)
    return planes if floats else planes.float()


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
    numbered = channels > 1 and (given.ndim == 3 or given.shape[1] == 1)
    if low >= 0 and high < (channels if numbered else 2):
        return
    allowed = (
        f"{channels} channels are classes 0 to {channels - 1}"
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
