"""A sweep's bundles on a node: each is had once by all tasks there."""

from __future__ import annotations

import hashlib
import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from ..artifacts.bundle import read_manifest
from ..artifacts.store import open_place, pull
from ..artifacts.store.keys import manifest_key
from ..models.download import cache_folder
from ..outputs import held
from ..outside.files import MANIFEST_FILE
from .plan import Cell

__all__ = ["bundle_here", "forget", "making", "store_of", "version_of"]

# Bundles that no task has used for so long leave a node's disk when others come.
UNUSED_SECONDS = 6 * 3600.0
# An export or a pull of the same bundle is waited for so long.
PATIENCE = 4 * 3600.0


def store_of(out: str) -> str:
    """The address of the store in a sweep's place."""
    return f"{out.rstrip('/')}/store"


def version_of(cell: Cell) -> str:
    """What a bundle is called in the store, beside its name."""
    return cell.key[:12]


@contextmanager
def making(out: str, cell: Cell) -> Iterator[Path]:
    """The folder of a bundle here, which nobody else on this node makes or has meanwhile."""
    folder = _folder(out, cell)
    folder.parent.mkdir(parents=True, exist_ok=True)
    _forget_unused(folder.parent.parent)
    with held(folder.parent / "made", PATIENCE):
        yield folder
        os.utime(folder.parent)


def bundle_here(out: str, cell: Cell) -> Path:
    """A bundle of the sweep's store, in a folder on this node; it is the store's, to the byte.

    Raises:
        MaskportError: The store can't be read, or the disk is full.
        Absent: The store doesn't have it.
    """
    place = open_place(store_of(out))
    content = place.read(manifest_key(cell.name, version_of(cell)), MANIFEST_FILE)
    with making(out, cell) as folder:
        if _manifest(folder) != content:
            shutil.rmtree(folder, ignore_errors=True)  # another build, or what a kill has left
            cache = folder.parent / "objects"
            pull(place, folder, name=cell.name, version=version_of(cell), cache=cache)
    return folder


def forget(out: str, cell: Cell) -> None:
    """Remove this node's copy."""
    shutil.rmtree(_folder(out, cell).parent, ignore_errors=True)


def _folder(out: str, cell: Cell) -> Path:
    place = hashlib.sha256(out.encode()).hexdigest()[:8]
    return cache_folder() / "sweeps" / f"{place}-{cell.key[:16]}" / cell.name


def _manifest(folder: Path) -> bytes:
    with suppress(OSError):
        return read_manifest(folder)
    return b""


def _forget_unused(folder: Path) -> None:
    for bundle in folder.iterdir():
        with suppress(OSError):  # gone, or in use
            if time.time() - bundle.stat().st_mtime > UNUSED_SECONDS:
                with held(bundle / "made"):
                    shutil.rmtree(bundle, ignore_errors=True)
