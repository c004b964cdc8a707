"""The network itself, of what training wraps it in."""

from __future__ import annotations

from typing import cast

import torch
from torch import nn
from torch.nn.parallel import DistributedDataParallel
from torch.optim.swa_utils import AveragedModel

from ..errors import NetworkError

__all__ = ["unwrapped"]


def unwrapped(network: nn.Module, name: str) -> nn.Module:
    """Take the wrappers off a network.

    `DataParallel`, `DistributedDataParallel`, `AveragedModel` and what `torch.compile` gives run
    the one module that they hold. So does a module without a `forward` of its own whose
    parameters are all of one of its children, as a Lightning module is that only trains.

    Args:
        network: As a factory gives it; what it computes stays as it is.
        name: What to call it in messages.

    Raises:
        NetworkError: It is a TorchScript program; or it has no ``forward``, and not one child
            that could be meant.
    """
    while True:
        if isinstance(network, torch.jit.ScriptModule):
            raise NetworkError(
                f"{name} is a TorchScript program, whose layers can't be rewritten for phones.",
                "Return the network that it was scripted or traced from; its weights are "
                "torch.jit.load(file).state_dict().",
            )
        inner = _wrapped(network, name)
        if inner is None:
            return _traceable(network)
        network = inner


def _wrapped(network: nn.Module, name: str) -> nn.Module | None:
    if isinstance(network, nn.DataParallel | DistributedDataParallel | AveragedModel):
        return cast(nn.Module, network.module)
    compiled = getattr(network, "_orig_mod", None)
    if isinstance(compiled, nn.Module):
        return compiled
    runs = next(kind for kind in type(network).__mro__ if "forward" in vars(kind))
    if runs is not nn.Module and runs.__name__ != "LightningModule":
        return None
    trained = [own for own, child in network.named_children() if list(child.parameters())]
    if len(trained) == 1 and not list(network.parameters(recurse=False)):
        return network.get_submodule(trained[0])
    raise NetworkError(
        f"{name} is a {type(network).__name__} without a forward of its own, and with "
        f"{', '.join(trained) or 'nothing'} in it to run.",
        "Return the one that draws the mask, for example module.net.",
    )


def _traceable(network: nn.Module) -> nn.Module:
    """Lightning's own switch: without it, tracing asks its modules for the trainer they lack."""
    for module in network.modules():
        if hasattr(module, "_jit_is_scripting"):
            setattr(module, "_jit_is_scripting", True)  # noqa: B010  # no attribute of nn.Module
    return network
