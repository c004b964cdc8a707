"""Why a network refuses a photo: it takes another number of channels than three."""

from __future__ import annotations

import re

from torch import nn

from ..errors import NetworkError

__all__ = ["refused_channels"]

# What makes one channel of three as Pillow does (ITU-R BT.601), and what makes more of them.
GREY = "self.net(0.299 * x[:, :1] + 0.587 * x[:, 1:2] + 0.114 * x[:, 2:])"
ZEROS = "self.net(torch.cat([x, torch.zeros_like(x[:, :1])], 1))"


def refused_channels(exc: Exception, network: nn.Module, name: str) -> NetworkError | None:
    """The error of a network that was given a photo and whose convolution wants something else.

    Args:
        exc: What the network raised for an input of three channels.
        network: The network.
        name: Of it, for the message.

    Returns:
        None where the channels are not the reason.
    """
    found = re.search(r"to have (\d+) channels, but got 3 channels instead", str(exc))
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
        what = f"one channel of grey: its forward returns {GREY}"
    elif wanted == 4:
        what = f"four channels, for example with an empty one: its forward returns {ZEROS}"
    else:
        what = f"{wanted} channels"
    return NetworkError(
        f"{name} takes {wanted} channel{'s' if wanted > 1 else ''}, and photos have three "
        f"(RGB){convolution}.",
        f"Give a factory that wraps it in a module which makes of them {what}. The weights fit it "
        "as they are.",
    )
