"""Which network and which weights are meant: of the catalog, of a factory, or as they are given."""

from __future__ import annotations

from dataclasses import dataclass, field
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import UsageError
from ..specs import ImageSpec, MaskSpec, ModelSpec
from . import catalog, factory
from .checkpoints import Taken, load_weights
from .download import fetch
from .origins import RANDOM, WeightsOrigin, origin_of, seed_of
from .prepared import copied
from .seeding import seeded
from .wrappers import unwrapped

if TYPE_CHECKING:
    from torch import nn

__all__ = ["Resolved", "Weights", "load", "resolve"]


@dataclass(frozen=True)
class Resolved:
    """A network, and how it was asked for."""

    module: nn.Module
    spec: ModelSpec
    factory: str
    entry: catalog.Entry | None


def resolve(
    network: str | nn.Module,
    spec: ModelSpec | None = None,
    size: int | str | tuple[int, int] | None = None,
) -> Resolved:
    """The network, without weights yet.

    Args:
        network: A name of the catalog, ``package.module:factory``, or the network itself.
        spec: Its specification; the catalog's own where None.
        size: To use it at, where that is not its specification's.

    Raises:
        UsageError: There is none of that name, or its specification is missing.
    """
    entry = None
    if not isinstance(network, str):
        name = type(network).__qualname__
        module = copied(unwrapped(network, f"the {name}"))
    elif ":" in network:
        module, name = factory.build(network), network
    else:
        entry = catalog.entry(network)
        module, name = entry.build(), entry.name
        spec = spec or entry.spec
    if spec is None:
        if size is None:
            raise UsageError(
                f"{name} is not of the catalog, so its specification must be given.",
                "Give --size at least; --spec FILE.toml or options say the rest.",
            )
        spec = ModelSpec(factory.plain_name(name), ImageSpec(1, 1), MaskSpec())
    if size is not None:
        spec = factory.with_options(spec, {"size": size})
    return Resolved(module.eval(), spec, name, entry)


@dataclass(frozen=True)
class Weights:
    """What was put into a network.

    Attributes:
        origin: Where it is from.
        taken: What of the file was taken.
    """

    origin: WeightsOrigin
    taken: Taken = field(default_factory=Taken)


def load(found: Resolved, weights: str | PathLike[str] | None, key: str | None = None) -> Weights:
    """Put the weights into the network, which is changed.

    Args:
        found: The network.
        weights: A file, ``random:SEED``, or None for the catalog's own.
        key: Which weights of a file that holds several sets; see `load_weights`.

    Raises:
        CheckpointError: The file can't be read, or doesn't fit.
        DownloadError: The catalog's own can't be fetched.
        UsageError: There is no such seed, or a key and no file.
    """
    drawn = isinstance(weights, str) and weights.startswith(RANDOM)
    if key is not None and (weights is None or drawn):
        raise UsageError(
            f"There is no file of weights to take {key!r} from.", "Give it as well: --weights FILE."
        )
    if drawn and isinstance(weights, str):
        image = found.spec.image
        seeded(found.module, seed_of(weights), (image.height, image.width))
        return Weights(origin_of(found.entry, found.factory, weights))
    if weights is not None:
        path = Path(weights)
    elif found.entry is not None:
        path = fetch(found.entry, progress=False)
    else:
        return Weights(origin_of(None, found.factory, None))
    # Whatever is wrong with the file is said before anything is asked of it.
    taken = load_weights(found.module, path, key)
    return Weights(origin_of(found.entry, found.factory, weights), taken)
