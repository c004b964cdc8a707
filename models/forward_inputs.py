"""Why a network refuses a photo: its forward wants more than that."""

from __future__ import annotations

import inspect

from torch import nn

from ..errors import NetworkError

__all__ = ["refused_inputs"]


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
