"""The texts that formats embed."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Card"]


@dataclass(frozen=True, slots=True)
class Card:
    """What a file says of itself: the texts that formats embed.

    Attributes:
        name: Of the network.
        author: Who made it, or exported it.
        license: Of the weights.
        version: The beginning of the checkpoint's SHA-256.
        description: What it draws, and of what.
        source: Where the weights are from; empty where that isn't known.
    """

    name: str
    author: str
    license: str
    version: str
    description: str
    source: str = ""
