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
from .checksums import checksum_of
from .download import fetch
from .licenses import license_beside
from .prepared import copied
from .seeding import seeded
from .wrappers import unwrapped

if TYPE_CHECKING:
    from torch import nn

__all__ = ["Resolved", "Weights", "load", "resolve"]

RANDOM = "random:"


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
        file: Its name, ``random:SEED``, or ``(in memory)``.
        path: Where it is; None where it is no file.
        source: Where it was published, or in words where it is from.
        license: As far as it is known.
        taken: What of the file was taken.
    """

    file: str
    path: Path | None
    source: str
    license: str
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
    entry = found.entry
    if weights is None and entry is None:
        return Weights("(in memory)", None, f"as {found.factory} made it", "not stated")
    if isinstance(weights, str) and drawn:
        seed = weights.removeprefix(RANDOM)
        if not seed.isdigit():
            raise UsageError(f"{weights} has no seed.", "Write a number: random:0.")
        image = found.spec.image
        seeded(found.module, int(seed), (image.height, image.width))
        source = f"drawn from seed {seed}: untrained, for trying the tool"
        return Weights(weights, None, source, "none needed")
    if weights is None and entry is not None:
        path, unknown = fetch(entry, progress=False), entry.origin
    else:
        path, unknown = Path(weights or ""), ""
    taken = load_weights(found.module, path, key)
    page = (_page(entry, path) if entry else "") or unknown
    stated = entry.license if entry and page else license_beside(path)
    return Weights(path.name, path, page or "given as a file", stated or "not stated", taken)


def _page(entry: catalog.Entry, path: Path) -> str:
    """Where a file was published, known by its checksum; empty for any other file."""
    for known in entry.sources:
        if known.checksum is not None:
            algorithm, digits = known.checksum
            if checksum_of(path, algorithm) == digits:
                return known.page
    return ""
