"""Which network and which weights are meant, and what a manifest says of them."""

from __future__ import annotations

from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING

from ..artifacts.manifest import Checkpoint
from ..errors import UsageError
from ..models import catalog, factory
from ..models.checkpoints import load_weights
from ..models.checksums import checksum_of, digest_of, sha256_of
from ..models.download import fetch
from ..models.prepared import copied
from ..models.seeding import seeded
from ..models.wrappers import unwrapped
from ..specs import ImageSpec, MaskSpec, ModelSpec

if TYPE_CHECKING:
    from torch import nn

__all__ = ["Found", "find", "load"]

RANDOM = "random:"


@dataclass(frozen=True)
class Found:
    """A network, and how it was asked for."""

    module: nn.Module
    spec: ModelSpec
    factory: str
    entry: catalog.Entry | None


def find(
    network: str | nn.Module, spec: ModelSpec | None, size: int | str | tuple[int, int] | None
) -> Found:
    """The network, without weights yet: of the catalog, of a factory, or as it is given.

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
    return Found(module.eval(), spec, name, entry)


def load(
    found: Found,
    weights: str | PathLike[str] | None,
    key: str | None,
    source: str,
    license: str,
) -> Checkpoint:
    """Put the weights into the network; what the manifest says of them.

    Args:
        found: The network, which is changed.
        weights: A file, ``random:SEED``, or None for the catalog's own.
        key: Which weights of a file that holds several sets; see `load_weights`.
        source: Where they came from; found out where empty.
        license: Likewise.

    Raises:
        CheckpointError: The file can't be read, or doesn't fit.
        UsageError: There is no such seed, or a key and no file.
    """
    drawn = isinstance(weights, str) and weights.startswith(RANDOM)
    if key is not None and (weights is None or drawn):
        raise UsageError(
            f"There is no file of weights to take {key!r} from.", "Give it as well: --weights FILE."
        )
    if weights is None:
        if found.entry is not None:
            return _published_checkpoint(found, found.entry, source, license)
        return Checkpoint(
            file="(in memory)",
            sha256=digest_of(found.module),
            source=source or f"as {found.factory} made it",
            license=license or "not stated",
        )
    if isinstance(weights, str) and weights.startswith(RANDOM):
        seed = weights.removeprefix(RANDOM)
        if not seed.isdigit():
            raise UsageError(f"{weights} has no seed.", "Write a number: random:0.")
        image = found.spec.image
        seeded(found.module, int(seed), (image.height, image.width))
        return Checkpoint(
            file=weights,
            sha256=digest_of(found.module),
            source=f"drawn from seed {seed}: untrained, for trying the tool",
            license="none needed",
        )
    path = Path(weights)
    taken = load_weights(found.module, path, key)
    page = _page(found.entry, path) if found.entry else ""
    return Checkpoint(
        file=path.name,
        sha256=sha256_of(path),
        source=source or page or "given as a file",
        license=license or (found.entry.license if found.entry and page else "not stated"),
        key=taken.key,
        prefix=taken.prefix,
        ignored=list(taken.ignored),
        notes=list(taken.notes),
    )


def _published_checkpoint(
    found: Found, entry: catalog.Entry, source: str, license: str
) -> Checkpoint:
    path = fetch(entry, progress=False)
    load_weights(found.module, path)
    return Checkpoint(
        file=path.name,
        sha256=sha256_of(path),
        source=source or _page(entry, path) or entry.origin,
        license=license or entry.license,
    )


def _page(entry: catalog.Entry, path: Path) -> str:
    """Where a file was published, known by its checksum; empty for any other file."""
    for known in entry.sources:
        if known.checksum is not None:
            algorithm, digits = known.checksum
            if checksum_of(path, algorithm) == digits:
                return known.page
    return ""
