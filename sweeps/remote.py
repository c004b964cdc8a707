"""Photos, masks and weights at addresses: every node has them from there."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from contextlib import closing
from functools import partial
from pathlib import Path, PurePosixPath
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from ..artifacts.store import Place, open_place
from ..artifacts.store.place import Held
from ..errors import ImageError, UsageError
from ..imaging.photos import PHOTO_SUFFIXES, read_photo
from ..imaging.truth import read_mask
from ..models.checksums import sha256_of
from ..processes.scratch import Scratch
from ..validation.photoset import FoundPhotos, PhotoSource, find_photos

__all__ = ["checksum_at", "local_copy", "photos_at"]

Pixels = TypeVar("Pixels", NDArray[np.uint8], NDArray[np.float32])


def photos_at(photos: str | None, masks: str | None) -> FoundPhotos:
    """The photos of a plan: of a folder, a list file, or all below an address.

    At an address a photo is known by its name, size and time, and a mask by its photo's name; of
    files here the content is read.

    Raises:
        ImageError: There are none.
    """
    if photos is None or "://" not in photos:
        if masks is not None and "://" in masks:
            raise UsageError(
                "Masks at an address belong to photos at one.", "Put them in one place."
            )
        return find_photos(
            None if photos is None else Path(photos), None if masks is None else Path(masks)
        )
    place = open_place(photos)
    found = _pictures(place)
    if not found:
        raise ImageError(f"{place.shown} holds no photos.", "Check the plan's photos.")
    truths: dict[str, tuple[str, Held]] = {}
    truth_place = None if masks is None else open_place(masks)
    if truth_place is not None:
        truths = {_named(key): (key, held) for key, held in _pictures(truth_place).items()}
        if not any(_named(key) in truths for key in found):
            raise ImageError(
                f"No mask in {truth_place.shown} is named as a photo.", "Name them alike."
            )
    sources = []
    for key, held in found.items():
        identity, read_truth, name = _identity(photos, key, held), None, ""
        if _named(key) in truths:
            name, mask = truths[_named(key)]
            identity += f" {_identity(str(masks), name, mask)}"
            read_truth = partial(_read, read_mask, str(masks), name)
        sources.append(
            PhotoSource(key, identity, partial(_read, read_photo, photos, key), read_truth, name)
        )
    return FoundPhotos(tuple(sources), (), place.shown, truth_place.shown if truth_place else "")


def checksum_at(address: str) -> str:
    """SHA-256 of a file, or of all below an address with their names."""
    with closing(Scratch()) as scratch:
        copied = Path(local_copy(address, scratch.path))
        files = [copied] if copied.is_file() else sorted(copied.rglob("*"))
        told = [
            f"{file.relative_to(copied).as_posix()} {sha256_of(file)}"
            for file in files
            if file.is_file()
        ]
    return hashlib.sha256("\n".join(told).encode()).hexdigest()


def local_copy(address: str, folder: Path) -> str:
    """A file, or all below an address, in a folder here.

    Returns:
        The file's path, or that of a folder with what was below it.

    Raises:
        UsageError: There is nothing.
    """
    parent, _, name = address.rstrip("/").rpartition("/")
    place = open_place(parent)
    to = folder / "copies" / name
    if place.size(name) is not None:
        _copy(place, name, to)
        return str(to)
    place = open_place(address)
    keys = list(place.listed(""))
    if not keys:
        raise UsageError(f"There is nothing at {place.shown}.", "Check the plan.")
    for key in keys:
        if ".." in key.split("/"):
            raise UsageError(f"{key} in {place.shown} is no name of a file here.", "Rename it.")
        _copy(place, key, to / key)
    return str(to)


def _pictures(place: Place) -> dict[str, Held]:
    listed = place.listed("")
    return {key: listed[key] for key in sorted(listed) if _suffix(key) in PHOTO_SUFFIXES}


def _suffix(key: str) -> str:
    return PurePosixPath(key).suffix.lower()


def _named(key: str) -> str:
    return PurePosixPath(key).with_suffix("").as_posix()


def _identity(address: str, key: str, held: Held) -> str:
    return f"{address} {key} {held.bytes} {held.changed}"


def _read(read: Callable[[Path], Pixels], address: str, key: str) -> Pixels:
    with closing(Scratch()) as scratch:
        file = scratch.path / PurePosixPath(key).name
        _copy(open_place(address), key, file)
        return read(file)


def _copy(place: Place, key: str, to: Path) -> None:
    to.parent.mkdir(parents=True, exist_ok=True)
    with to.open("xb") as file:
        for block in place.blocks(key):
            file.write(block)
