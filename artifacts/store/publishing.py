"""Publishing: objects first, each held against its checksum; the manifest last, once."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from ...errors import ToolError, UsageError
from ...outside.files import MANIFEST_FILE
from ..bundle import SIGNATURE, load_bundle, parsed_manifest, read_manifest
from ..manifest import FileEntry
from ..signing.envelope import SIGNATURE_FILE
from ..signing.signature import check_covers, read_signature
from .keys import (
    INDEX,
    LATEST,
    PARTIAL,
    checked,
    manifest_key,
    object_key,
    partial_key,
    signature_key,
    tag_key,
)
from .page import page_of
from .place import Absent, Place

__all__ = ["Published", "Watch", "publish"]

# What is done, how much of it, and of how much.
Watch = Callable[[str, int, int], None]

# No upload takes so long; what is older was left by a process that was killed.
_ABANDONED = timedelta(days=7)


@dataclass(frozen=True, slots=True)
class Published:
    """What became of a publication.

    Attributes:
        name: Of the bundle in the store.
        version: Which of it.
        tags: That now mean it.
        already: It was there before, the same to the byte.
        signed: The bundle has a signature, which is there, too.
        files: Different files of the bundle.
        sent: Those that were uploaded; the store had the others.
        sent_bytes: Of these.
    """

    name: str
    version: str
    tags: tuple[str, ...]
    already: bool
    signed: bool
    files: int
    sent: int
    sent_bytes: int


def publish(
    bundle: Path,
    place: Place,
    *,
    name: str = "",
    version: str = "",
    tags: Iterable[str] = (LATEST,),
    reread: bool = False,
    page: bool = True,
    watch: Watch = lambda _text, _done, _total: None,
) -> Published:
    """Put a bundle into a store, as a version that appears whole or not at all and never changes.

    A signature, and the provenance and the bill of materials that it covers, come along. A version
    that lacks one may be given it; one that has one keeps it.

    Args:
        bundle: Whose files hold what its manifest says (`bundle.verify`).
        place: The store.
        name: Of the bundle there; its folder's where left out.
        version: Which of it; the first 12 digits of the manifest's SHA-256 where left out.
        tags: What else the version is called from now on.
        reread: Read what the store has already, too, and replace what is damaged.
        page: Draw the store's page anew, for which all of its manifests are read.
        watch: Told how far it is.

    Raises:
        UsageError: The store has another bundle as that version, or another signature of it, a
            version and a tag have one name, or one of the names can't be.
        BundleError: It is not a bundle.
        SignatureError: The bundle's signature is not one of what is there.
        InputError: The store can't be written.
        ToolError: What arrived there is not what was sent, or the store broke.
    """
    content = read_manifest(load_bundle(bundle).path)
    manifest = parsed_manifest(content, str(bundle))
    name = checked("name", name or bundle.resolve().name)
    digest = hashlib.sha256(content).hexdigest()
    version = checked("version", version or digest[:12])
    tags = tuple(dict.fromkeys(checked("tag", tag) for tag in tags))
    key = manifest_key(name, version)
    signed = read_signature(bundle)
    if signed is not None:
        check_covers(signed, manifest, content, str(bundle))
    _check_tags(place, name, version, tags)
    _held_as(place, key, content)
    _sweep(place)

    parts = [*manifest.entries, *(_entries(signed.beside) if signed else ())]
    entries = {entry.sha256: entry for entry in parts}
    sent = []
    for done, entry in enumerate(entries.values()):
        watch(f"publishing {entry.path}", done, len(entries))
        if not _is_there(place, entry, reread):
            _send(place, bundle, entry)
            sent.append(entry.bytes)
    watch("published", len(entries), len(entries))

    if signed is not None:
        # Before the manifest: whoever sees a version sees its signature.
        _sign(place, signature_key(name, version, digest), signed.content)
    created = place.create(key, content)
    _held_as(place, key, content)
    for tag in tags:
        place.replace(tag_key(name, tag), f"{version}\n".encode())
    if page:
        place.replace(INDEX, page_of(place).encode())
    return Published(
        name, version, tags, not created, signed is not None, len(entries), len(sent), sum(sent)
    )


def _check_tags(place: Place, name: str, version: str, tags: tuple[str, ...]) -> None:
    taken = [tag for tag in tags if tag == version or place.size(manifest_key(name, tag))]
    if taken or place.size(tag_key(name, version)):
        raise UsageError(
            f"{taken[0] if taken else version} would be both a version and a tag of {name}.",
            "Choose another --version or --tag.",
        )


def _held_as(place: Place, key: str, content: bytes) -> None:
    """Refuse to go on where a version is there and is another one."""
    try:
        same = place.read(key, MANIFEST_FILE) == content
    except Absent:
        return
    if not same:
        name, version = key.split("/")[1], key.split("/")[3]
        raise UsageError(
            f"{place.shown} has another bundle as {name} {version}; versions never change, and "
            "nothing of it was touched.",
            "Choose another --version, or leave it out.",
        )


def _entries(beside: dict[str, bytes]) -> Iterator[FileEntry]:
    for path, text in beside.items():
        yield FileEntry(path=path, bytes=len(text), sha256=hashlib.sha256(text).hexdigest())


def _sign(place: Place, key: str, signature: bytes) -> None:
    """Write a version's signature, or see that it has this one."""
    place.create(key, signature)
    if place.read(key, SIGNATURE_FILE) != signature:
        name, version = key.split("/")[1], key.split("/")[3]
        raise UsageError(
            f"{place.shown} has another signature of {name} {version}; what is published never "
            "changes.",
            f"Choose another --version, or publish without this signature: remove {SIGNATURE}.",
        )


def _is_there(place: Place, entry: FileEntry, reread: bool) -> bool:
    """An object got its name after it was read back; a size tells what was cut since."""
    key = object_key(entry.sha256)
    if place.size(key) != entry.bytes:
        return False
    return not reread or _read_back(place, key, entry) == entry.sha256


def _send(place: Place, bundle: Path, entry: FileEntry) -> None:
    key = object_key(entry.sha256)
    first = partial_key() if place.stages else key
    settled = False
    try:
        place.upload(bundle / entry.path, first)
        if _read_back(place, first, entry) != entry.sha256:
            place.remove(first)
            raise ToolError(
                f"What arrived in {place.shown} is not {entry.path}: its size or checksum differs.",
                "Run it again: what arrived whole is kept. If it stays so, `maskport verify` tells "
                "whether the file changed here.",
            )
        if place.stages:
            place.move(first, key)
        settled = True
    finally:
        if not settled and place.stages:
            place.remove(first)


def _read_back(place: Place, key: str, entry: FileEntry) -> str:
    """The checksum of what the store gives; nothing where that isn't as long as the file."""
    digest, size = hashlib.sha256(), 0
    try:
        for block in place.blocks(key):
            digest.update(block)
            size += len(block)
            if size > entry.bytes:
                break
    except Absent:
        return ""
    return digest.hexdigest() if size == entry.bytes else ""


def _sweep(place: Place) -> None:
    since = datetime.now(UTC) - _ABANDONED
    for key, held in place.listed(PARTIAL).items():
        if held.changed is not None and held.changed < since:
            place.remove(key)
