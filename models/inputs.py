"""Networks that take something else than a photo of three channels: grey, and what is refused."""

from __future__ import annotations

import inspect
import re

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..errors import NetworkError
from ..specs import ImageSpec, ModelSpec

__all__ = ["Gray", "refused_channels", "refused_inputs"]

# ITU-R BT.601, as Pillow's ``convert("L")``, which rounds to bytes where this does not.
LUMA = (0.299, 0.587, 0.114)
ZEROS = "self.net(torch.cat([x, torch.zeros_like(x[:, :1])], 1))"


class Gray(nn.Module):
    """(N, 3, H, W) RGB in [0, 1] to the (N, 1, H, W) of grey that a network was trained on, as one
    1x1 convolution."""

    mix: Tensor
    offset: Tensor

    def __init__(self, spec: ImageSpec) -> None:
        super().__init__()
        low, high = spec.value_range
        mean, std = spec.mean[0], spec.std[0]
        mix = torch.tensor(LUMA, dtype=torch.float64) * ((high - low) / std)
        self.register_buffer("mix", mix.float().reshape(1, 3, 1, 1))
        self.register_buffer("offset", torch.tensor([(low - mean) / std]))

    def forward(self, x: Tensor) -> Tensor:
        return F.conv2d(x, self.mix, self.offset)


def refused_channels(exc: Exception, network: nn.Module, spec: ModelSpec) -> NetworkError | None:
    """The error of a network that was given a photo and whose convolution wants something else.

    Args:
        exc: What the network raised for a photo.
        network: The network.
        spec: Its name, and how many channels it was given: one of grey, or three.

    Returns:
        None where the channels are not the reason.
    """
    name, gray = spec.name, spec.image.color_order == "GRAY"
    pattern = rf"to have (\d+) channels, but got {1 if gray else 3} channels instead"
    found = re.search(pattern, str(exc))
    if found is None:
        return None
    wanted = int(found[1])
    convolution = next(
        (
            f": its first convolution, {own.removeprefix('body.').removeprefix('network.')}, has "
            f"in_channels={wanted}"
            for own, module in network.named_modules()
            if isinstance(module, nn.Conv2d) and module.in_channels == wanted
        ),
        "",
    )
    if wanted == 1:
        return NetworkError(
            f"{name} takes 1 channel, and photos have three (RGB){convolution}.",
            "If it is grey, say so, with the mean and std that it was trained with: --color-order "
            "GRAY --mean 0.5 --std 0.5. The grey is made in the graph.",
        )
    if gray:
        return NetworkError(
            f"{name} takes {wanted} channels, and is given one of grey{convolution}.",
            "Leave --color-order GRAY out; RGB or BGR is what three channels are.",
        )
    if wanted == 4:
        what = f"four channels, for example with an empty one: its forward returns {ZEROS}"
    else:
        what = f"{wanted} channels"
    return NetworkError(
        f"{name} takes {wanted} channels, and photos have three (RGB){convolution}.",
        f"Give a factory that wraps it in a module which makes of them {what}. The weights fit it "
        "as they are.",
    )


def refused_inputs(network: nn.Module, name: str) -> NetworkError | None:
    """The error of a network whose forward has parameters beside the photo, without defaults.

    Args:
        network: The network.
        name: Of it, for the message.

    Returns:
        None where a photo is all that it needs. What has a default keeps it: the states of a
        recurrent network are None in every file.
    """
    try:
        parameters = list(inspect.signature(network.forward).parameters.values())
    except (TypeError, ValueError):  # a forward that is no function of Python
        return None
    needed = [
        parameter.name
        for parameter in parameters
        if parameter.default is parameter.empty
        and parameter.kind not in {parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD}
    ]
    keyword_only = {p.name for p in parameters if p.kind is p.KEYWORD_ONLY}
    beside = [own for own in needed[1:] if own not in keyword_only]
    beside += [own for own in needed if own in keyword_only]
    if not beside:
        return None
    return NetworkError(
        f"{name} takes more than a photo: its forward also needs {', '.join(beside)}.",
        "Give a factory that wraps it in a module whose forward takes the photo alone: "
        f"return self.net(x, {', '.join(f'{own}=…' for own in beside)}), with constants or None.",
    )
