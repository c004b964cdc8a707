"""Families: what is known of a network by its class, beside what it computes.

A family is one module, which ends in its record, and one row here. Nothing else asks what class a
network has: a network of no family is exported, seeded and loaded by what holds for all.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from torch import nn

from ..specs import MaskSpec

__all__ = ["FAMILIES", "Family", "SupervisedNetwork", "all_families", "ancestor_of", "family_of"]

FAMILIES: Mapping[str, str] = {
    "u2net:U2Net": "u2net:FAMILY",
    "isnet:ISNet": "isnet:FAMILY",
    "basnet:BASNet": "basnet:FAMILY",
}
"""Class and record, both as ``module:name`` of this folder. Modules are imported when needed."""


class SupervisedNetwork(nn.Module):
    """A network that `training` can supervise.

    Its forward pass gives maps (N, outputs, H, W), the mask first, all of the photo's size.

    Attributes:
        outputs: Channels of each map.
        sigmoid: Maps are in [0, 1]; logits where it is False.
    """

    outputs: int
    sigmoid: bool


@dataclass(frozen=True, slots=True)
class Family:
    """What the rest of the package knows of a family.

    Attributes:
        rewritten: Makes of a copy of the network, in evaluation mode and float32 on the CPU, the
            module that is exported: normalised photos (N, 3, H, W) to the first map's mask
            (N, C, H, W) in [0, 1], equal in exact arithmetic. It may change the copy.
        variants: The networks that weights are recognised for, of so many output channels, by
            what a user would call them.
        logits: Convolutions that `seeding.spread` gives contrast, in order of execution, with
            the standard deviation of what each gives then.
        loaded: Called on a network that weights were loaded into; may put right what older
            files say in another way. Returns what it did, for people; empty for nothing.
    """

    rewritten: Callable[[Any, MaskSpec], nn.Module]
    variants: Callable[[int], Iterator[tuple[str, nn.Module]]]
    logits: Mapping[str, float] = field(hash=False)
    loaded: Callable[[Any], str] = lambda _network: ""


def family_of(network: nn.Module) -> Family | None:
    """The family of a network of exactly its class.

    A subclass is none: it may do anything in its forward pass.
    """
    return _record(type(network))


def ancestor_of(network: nn.Module) -> Family | None:
    """The family of a network or of the nearest class that it inherits from."""
    records = (_record(kind) for kind in type(network).__mro__)
    return next((record for record in records if record is not None), None)


def all_families() -> Iterator[Family]:
    """Every family's record."""
    return map(_named, FAMILIES.values())


def _record(kind: type) -> Family | None:
    module = kind.__module__.removeprefix(f"{__package__}.")
    row = f"{module}:{kind.__qualname__}"
    if row not in FAMILIES or _named(row) is not kind:
        return None
    record: Family = _named(FAMILIES[row])
    return record


def _named(reference: str) -> Any:
    module, _, name = reference.partition(":")
    return getattr(importlib.import_module(f".{module}", __package__), name)
