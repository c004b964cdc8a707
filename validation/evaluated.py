"""Anything that draws masks, opened as one function: a checkpoint, or a file of a bundle."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..artifacts.bundle import Bundle, load_bundle, spec_of
from ..artifacts.manifest import Artifact
from ..errors import UsageError
from ..models import catalog
from ..runtimes.isolated import IsolatedRunner, Limits, default_memory_limit
from ..specs import ModelSpec
from .drift.locate import is_bundle

__all__ = ["LIMITS_SECONDS", "Evaluated", "in_a_bundle", "open_evaluated"]

Map = NDArray[np.float32]
LIMITS_SECONDS = 600.0
# torch.fx traces a network by a patch of nn.Module, which other threads' networks run into.
_TORCH = threading.Lock()


@dataclass(frozen=True, slots=True)
class Evaluated:
    """What draws.

    Attributes:
        name: For people: the file, and what runs it.
        spec: How photos go in, and what its maps mean.
        family: Of its network in U²-Net's paper, ``"u2net"`` or ``"u2netp"``; empty for others.
        draw: (1, 3, H, W) in [0, 1] to (1, C, H, W).
        taken: What of a checkpoint was taken, where it is more than weights; empty for others.
    """

    name: str
    spec: ModelSpec
    family: str
    draw: Callable[[Map], Map]
    taken: str = ""


@contextmanager
def open_evaluated(
    what: str,
    network: str | None,
    threads: int | None = None,
    size: int | None = None,
    weights_key: str | None = None,
    target: str | None = None,
    seconds: float = LIMITS_SECONDS,
    *,
    force: bool = False,
) -> Iterator[Evaluated]:
    """Open a checkpoint, a bundle, or a file of one, for as long as the block lasts.

    Args:
        what: A name of the catalog, for its own weights; or a bundle, or a file or folder that a
            bundle's manifest names, which is run in a process of its own; any other file is a
            checkpoint.
        network: What a checkpoint is of: a name of the catalog, or ``package.module:factory``,
            which needs a size; u2netp where None.
        threads: CPU threads of a file's runtime.
        size: Side of a checkpoint's photos; its network's own where None.
        weights_key: Which weights of a checkpoint that holds several sets.
        target: Which of a bundle's files; its first where None.
        seconds: What a file may take to be loaded, and again for each mask.
        force: Run a file although it isn't the one that its manifest describes.

    Raises:
        InputError: There is no such file, or it is neither; or a bundle's file, which has a size
            of its own, is given another.
        ChangedError: It is not the file that its manifest describes.
        ToolError: The file's runtime is missing, or refuses it.
    """
    path = Path(what)
    if what in catalog.CATALOG and not path.is_file():
        from ..models.download import fetch

        yield _checkpoint(fetch(catalog.entry(what)), network or what, size, weights_key)
        return
    if not path.exists():
        raise UsageError(
            f"There is no {path}.",
            "Give a checkpoint, a file of a bundle, or a name of the catalog "
            f"({', '.join(catalog.CATALOG)}).",
        )
    held = _held(path, target)
    if held is None:
        yield _checkpoint(path, network or "u2netp", size, weights_key)
        return
    bundle, artifact = held
    path = bundle.path / artifact.path
    if size is not None:
        raise UsageError(f"{path} was exported for one size.", "Leave --size out.")
    if weights_key is not None:
        raise UsageError(f"{path} is no checkpoint.", "Leave --weights-key out.")
    limits = Limits(seconds, seconds, default_memory_limit())
    with IsolatedRunner(artifact, path, threads=threads, limits=limits, force=force) as runner:
        loaded = runner.load()
        emulated = ", emulated" if loaded.emulated else ""
        yield Evaluated(
            f"{path.name} ({loaded.runtime}{emulated})",
            spec_of(bundle.manifest),
            _family(bundle.manifest.network.factory),
            lambda image: runner.run(image)[0],
        )


def _checkpoint(path: Path, network: str, size: int | None, key: str | None) -> Evaluated:
    # A bundle's files are drawn without torch.
    from ..models import factory
    from ..models.devices import best_device
    from ..models.prepared import Reference
    from ..models.resolve import load, resolve

    with _TORCH:
        if ":" in network:
            options = {"size": size, "output": 0}
            found = resolve(
                network, factory.spec_from_options(factory.plain_name(network), options)
            )
        else:
            found = resolve(network, None, size)
        taken = load(found, path, key).taken
        reference = Reference(found.module, found.spec)
    device = best_device()

    def draw(image: Map) -> Map:
        with _TORCH:
            return reference.draw(image, device)

    return Evaluated(
        f"{path.name} (PyTorch, {device})", found.spec, _family(network), draw, str(taken)
    )


def _family(network: str) -> str:
    known = catalog.CATALOG.get(network)
    return known.network.rpartition(":")[2] if known else ""


def _held(path: Path, target: str | None) -> tuple[Bundle, Artifact] | None:
    """A bundle and which of its files is meant; None of a checkpoint."""
    if is_bundle(path):
        bundle = load_bundle(path)
        return bundle, bundle.artifact(target) if target else bundle.manifest.artifacts[0]
    if target is not None:
        raise UsageError(f"{path} is no bundle.", "Leave --target out.")
    return in_a_bundle(path)


def in_a_bundle(path: Path) -> tuple[Bundle, Artifact] | None:
    """The bundle that a file lies in, and its entry there; None where it is no artifact of one."""
    folder = path.absolute().parent
    if not is_bundle(folder):
        return None
    bundle = load_bundle(folder)
    found = [a for a in bundle.manifest.artifacts if a.path == path.name]
    return (bundle, found[0]) if found else None
