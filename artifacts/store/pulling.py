"""Pulling: a store is believed nothing; every byte is held against the version's manifest."""

from __future__ import annotations

import os
import re
import secrets
import shutil
import time
import unicodedata
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from ...errors import (
    BundleError,
    DownloadError,
    InputError,
    UsageError,
    did_you_mean,
)
from ...formats import Platform
from ...outputs import full, room_in
from ...outside.files import ARTIFACT, LONGEST_PATH, MANIFEST_FILE, MOST_FILES, measured
from ...texts import first_few, first_ten, short, shown
from ..bundle import (
    BOM,
    MANIFEST,
    NOT_LISTED,
    PROVENANCE,
    SIGNATURE,
    Bundle,
    manifest_text,
    parsed_manifest,
    verify,
    writing,
)
from ..manifest import FileEntry
from ..package import platform_part
from ..signing.envelope import SIGNATURE_FILE, read_envelope
from ..signing.signature import BESIDE, Signed, check, check_covers
from ..signing.trust import Trust
from .keys import LATEST, checked, manifest_key, object_key, signature_key
from .listing import names_in, read_tag
from .place import Absent, Place

__all__ = ["Pulled", "pull"]

Watch = Callable[[str, int, int], None]

# Seconds after which what was begun in the cache has been left by a process that was killed.
_ABANDONED = 86_400.0
# What file systems take as a name, and Windows takes in none.
_LONGEST_NAME = 255
_SHA256 = re.compile(r"[0-9a-f]{64}")
_NOT_ON_WINDOWS = frozenset('<>:"|?*')


@dataclass(frozen=True, slots=True)
class Pulled:
    """What came.

    Attributes:
        path: The bundle.
        name: What the store calls it.
        version: Which of it.
        signed: There is a signature beside the version; whose, and whether it holds, was looked at
            only where one was required.
        files: How many it has.
        bytes: Of these.
    """

    path: Path
    name: str
    version: str
    signed: bool
    files: int
    bytes: int


def pull(
    place: Place,
    out: Path | None = None,
    *,
    name: str = "",
    version: str = LATEST,
    platform: Platform | None = None,
    require_signature: Trust | None = None,
    cache: Path,
    watch: Watch = lambda _text, _done, _total: None,
) -> Pulled:
    """Have a version as a bundle in a folder, which appears whole or stays what it was.

    Args:
        place: The store.
        out: The folder; called after the name, and the platform, where left out.
        name: Of the bundle; may be left out where the store has one only.
        version: A version or a tag; a version goes before a tag.
        platform: Whose files are taken, as `write_package` takes them; all where left out.
        require_signature: Whose signature the version has to have; it is looked at before a file
            is fetched.
        cache: Folder in which files that came whole are kept until the pull has ended, so that the
            next attempt goes on there.
        watch: Told how far it is.

    Raises:
        UsageError: The store has no such name or version, nothing for the platform, or ``out`` is
            not to be written.
        BundleError: The manifest is none, or would write elsewhere than in ``out``.
        SignatureError: It lacks the signature that is required, or what lies there is none of it.
        DownloadError: What came is not what was published.
        InputError, ToolError: The store can't be read, or a disk is full.
    """
    name, version, content = _found(place, name, version)
    called = f"The manifest of {name} {version}"
    manifest = parsed_manifest(content, called)
    signed = None
    if require_signature is not None or platform is None:  # a part is not what was signed
        digest = sha256(content).hexdigest()
        signed = _signed(place, signature_key(name, version, digest), f"{name} {version}")
        if require_signature is not None:
            check(signed, manifest, content, require_signature, f"{name} {version}")
        elif signed is not None:
            check_covers(signed, manifest, content, f"{name} {version}")
    texts: dict[str, bytes] = {}
    if platform is not None:
        bundle = Bundle(Path(name), manifest)
        manifest, texts = platform_part(bundle, platform)
        content = manifest_text(manifest).encode()
    elif signed is not None:
        texts = {**signed.beside, SIGNATURE: signed.content}
    entries = manifest.entries
    _check_paths(entries, called)
    out = out or Path(f"{name}-{platform}" if platform else name)
    wanted = [entry for entry in entries if entry.path not in texts]
    with writing(out) as folder:
        objects = _Objects(place, cache)
        try:
            with room_in(folder):
                objects.fetch(wanted, watch)
                for entry in wanted:
                    objects.copy(entry, folder / entry.path)
                for path, text in {**texts, MANIFEST: content}.items():
                    _made(folder / path).write_bytes(text)
        except OSError as exc:
            raise InputError(
                f"{exc.filename or out} can't be written: {exc.strerror or exc}.",
                "Choose another --out, or set MASKPORT_CACHE to a folder that can be written.",
            ) from exc
        if differences := verify(folder):
            raise BundleError(
                f"{called} contradicts itself:\n{first_ten(differences)}",
                "Publish the bundle again, as another version.",
            )
    objects.forget(wanted)
    size = sum(entry.bytes for entry in entries)
    return Pulled(out, name, version, signed is not None, len(entries), size)


def _found(place: Place, name: str, version: str) -> tuple[str, str, bytes]:
    """Name, version and manifest of what is asked for."""
    checked("version", version)
    if name:
        checked("name", name)
        for one in (version, read_tag(place, name, version)):
            with suppress(Absent):
                if one:
                    return name, one, place.read(manifest_key(name, one), MANIFEST_FILE)
    versions, tags = names_in(place)
    if not name and len(versions) == 1:
        return _found(place, next(iter(versions)), version)
    if not versions:
        raise UsageError(f"{place.shown} holds no bundles.", "Check the address.")
    if name not in versions:
        asked = f"has no bundle {name!r}" if name else "has several bundles"
        near = did_you_mean(name, versions) if name else ""
        raise UsageError(
            f"{place.shown} {asked}.", f"{near}Give --name: {first_few(sorted(versions))}."
        )
    known = [*sorted(tags[name]), *sorted(versions[name])]
    raise UsageError(
        f"{place.shown} has no version or tag {version!r} of {name}.",
        f"{did_you_mean(version, known)}Give --version: {first_few(known)}.",
    )


def _signed(place: Place, key: str, called: str) -> Signed | None:
    """A version's signature, and what it names beside the manifest's files; none where there is
    none.
    """
    try:
        content = place.read(key, SIGNATURE_FILE)
    except Absent:
        return None
    files = read_envelope(content, called).files
    beside = {}
    for path in (PROVENANCE, BOM):
        if path in files and _SHA256.fullmatch(files[path]):
            with suppress(Absent):
                beside[path] = place.read(object_key(files[path]), BESIDE)
    return Signed(content, beside)


def _check_paths(entries: list[FileEntry], called: str) -> None:
    """That each is relative and leads nowhere else is the manifest's own rule; these are of all of
    them together, and of file systems.
    """

    def refuse(reason: str) -> BundleError:
        return BundleError(
            f"{called} can't be pulled: {reason}.", "Don't use it, unless you know who made it."
        )

    if len(entries) > MOST_FILES:
        raise refuse(f"it has more than {MOST_FILES:,} files")
    paths = set(NOT_LISTED)
    for entry in entries:
        path = unicodedata.normalize("NFC", entry.path).casefold()
        parts = entry.path.split("/")
        if entry.bytes > ARTIFACT.most:
            raise refuse(f"{short(entry.path)} has more than {ARTIFACT.most:,} bytes")
        if (
            not entry.path.isprintable()
            or shown(entry.path) != entry.path
            or len(os.fsencode(entry.path)) > LONGEST_PATH // 4
            or max(len(os.fsencode(part)) for part in parts) > _LONGEST_NAME
            or (os.name == "nt" and _NOT_ON_WINDOWS & set(entry.path))
        ):
            raise refuse(f"{short(entry.path)} is no name of a file here")
        if path in paths:
            raise refuse(f"two files are called {short(entry.path)}, or differ by letters' case")
        paths.add(path)
    for path in paths:
        folders = path.split("/")[:-1]
        if any("/".join(folders[: i + 1]) in paths for i in range(len(folders))):
            raise refuse(f"{short(path)} lies in a file")


class _Objects:
    """Files of a store by their checksums, kept in the cache while a pull lasts."""

    def __init__(self, place: Place, cache: Path) -> None:
        self._place, self._cache = place, cache
        with suppress(OSError):
            for file in cache.glob("*/*.partial"):
                if file.stat().st_mtime < time.time() - _ABANDONED:
                    file.unlink()

    def fetch(self, entries: list[FileEntry], watch: Watch) -> None:
        """Have all of them in the cache.

        Raises:
            DownloadError: Some are missing or damaged; all of these are named.
        """
        differing = []
        different = {entry.sha256: entry for entry in entries}
        self._check_room(sum(entry.bytes for entry in different.values()))
        for done, entry in enumerate(different.values()):
            watch(f"fetching {entry.path}", done, len(different))
            if not self._is_kept(entry) and (fault := self._fetch(entry)):
                differing.append(f"{entry.path}: {fault}")
        if differing:
            raise DownloadError(
                f"{self._place.shown} doesn't have what was published:\n{first_ten(differing)}",
                "Nothing was written. Who has the bundle mends the store: publish it again with "
                "--reread and the same --name and --version.",
            )
        watch("fetched", len(different), len(different))

    def copy(self, entry: FileEntry, to: Path) -> None:
        """Write one of them, once more from the store where it left the cache meanwhile."""
        for _ in range(3):  # another pull that has ended takes what it had in common with it
            if not self._is_kept(entry) and (fault := self._fetch(entry)):
                raise DownloadError(f"{entry.path}: {fault}", "Try again.")
            with suppress(FileNotFoundError):
                shutil.copyfile(self._file(entry), _made(to))
                return
        raise DownloadError(f"{entry.path} is removed from {self._cache} again and again.", "Wait.")

    def forget(self, entries: list[FileEntry]) -> None:
        """Remove them from the cache."""
        for entry in entries:
            with suppress(OSError):
                self._file(entry).unlink(missing_ok=True)

    def _file(self, entry: FileEntry) -> Path:
        return self._cache / entry.sha256[:2] / entry.sha256

    def _is_kept(self, entry: FileEntry) -> bool:
        with suppress(OSError):
            return measured(self._file(entry), ARTIFACT) == (entry.bytes, entry.sha256)
        return False

    def _fetch(self, entry: FileEntry) -> str:
        """What is wrong with it; nothing where it is now in the cache."""
        file = _made(self._file(entry))
        partial = file.with_name(f"{entry.sha256}.{secrets.token_hex(4)}.partial")
        digest, size = sha256(), 0
        try:
            with partial.open("xb") as target:
                for block in self._place.blocks(object_key(entry.sha256)):
                    size += len(block)
                    if size > entry.bytes:
                        return f"longer than its {entry.bytes} bytes"
                    digest.update(block)
                    target.write(block)
            if size < entry.bytes:
                return f"cut off: {size} bytes of {entry.bytes}"
            if (got := digest.hexdigest()) != entry.sha256:
                return f"its content differs (sha256 {got[:12]}… instead of {entry.sha256[:12]}…)"
            partial.replace(file)
        except Absent:
            return "missing"
        finally:
            partial.unlink(missing_ok=True)
        return ""

    def _check_room(self, needs: int) -> None:
        self._cache.mkdir(parents=True, exist_ok=True)
        if shutil.disk_usage(self._cache).free < needs:
            raise full(self._cache, needs)


def _made(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    return path
