"""What a server offers: artifacts and checkpoints by name, each of which can be opened."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass

from ..apps.segmenter import Segmenter
from ..errors import InputError, UsageError, did_you_mean

__all__ = ["Offer", "Offers", "UnknownOffer"]


@dataclass(frozen=True, slots=True)
class Offer:
    """Something that draws masks.

    Attributes:
        name: What clients call it.
        network: What it is a file of; rembg's clients ask for it by this name, too.
        kind: Its target, or ``checkpoint``.
        bytes: Its size on disk; 0 where it is not known.
        labels: Of its classes.
        open: Opens it; several times, where several photos are drawn at once.
    """

    name: str
    network: str
    kind: str
    bytes: int
    labels: tuple[str, ...]
    open: Callable[[], AbstractContextManager[Segmenter]]


class UnknownOffer(InputError):
    """Nothing of that name is served."""


class Offers:
    """All that is served, of which the first is taken where no name is given.

    Raises:
        UsageError: Two have one name, or there are none.
    """

    def __init__(self, offers: Sequence[Offer]) -> None:
        self.rows = tuple(offers)
        if not self.rows:
            raise UsageError("There is nothing to serve.", "Give a bundle, a file or a checkpoint.")
        names = [offer.name for offer in self.rows]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise UsageError(
                f"Two would be served as {twice[0]}.", "Name them: NAME=WHAT for each."
            )
        self._by_name = {offer.name: offer for offer in self.rows}

    def find(self, name: str | None) -> Offer:
        """By name; the first where there is none.

        Raises:
            UnknownOffer: Nothing is called so.
        """
        if not name:
            return self.rows[0]
        if (found := self._by_name.get(name)) is not None:
            return found
        raise UnknownOffer(
            f"{name[:80]!r} is not served.",
            f"{did_you_mean(name[:80], self._by_name)}There is {', '.join(self._by_name)}.",
        )

    def find_model(self, name: str | None) -> Offer:
        """As `find`; or the first file of a network of that name.

        Raises:
            UnknownOffer: Likewise.
        """
        of_network = (offer for offer in self.rows if offer.network == name)
        return next(of_network, None) or self.find(name)
