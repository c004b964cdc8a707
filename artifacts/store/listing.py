"""What a store holds: read from what is there, so that no index can be wrong."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from ...errors import BundleError
from ...outside.files import MANIFEST_FILE, Kind
from ..bundle import parsed_manifest
from ..manifest import Manifest
from .keys import BUNDLES, manifest_key, parted, tag_key
from .place import Absent, Place

__all__ = ["Listed", "listed", "names_in", "read_tag"]

_TAG = Kind("a tag", 1024)


@dataclass(frozen=True, slots=True)
class Listed:
    """A version in a store.

    Attributes:
        name: Of the bundle.
        version: Which of it.
        tags: That mean it.
        published: When its manifest was written, as far as the store says.
        targets: What it has.
        bytes: Of all its files together.
        license: Of its weights.
        damage: Why its manifest can't be read; empty where it can.
    """

    name: str
    version: str
    tags: tuple[str, ...]
    published: datetime | None
    targets: tuple[str, ...] = ()
    bytes: int = 0
    license: str = ""
    damage: str = field(default="", kw_only=True)


def listed(place: Place, most: int | None = None) -> list[Listed]:
    """The versions by name, the newest first.

    Args:
        place: The store.
        most: So many of the newest; all where left out.

    Raises:
        InputError, ToolError: The store can't be read.
    """
    versions, tags = names_in(place)
    found = [
        (when.timestamp() if when else 0.0, name, version, when)
        for name, held in versions.items()
        for version, when in held.items()
    ]
    newest = sorted(sorted(found, reverse=True)[:most], key=lambda one: (one[1], -one[0], one[2]))
    return [
        _version(place, name, version, _tags_of(tags[name], version), when)
        for _, name, version, when in newest
    ]


def names_in(
    place: Place,
) -> tuple[dict[str, dict[str, datetime | None]], dict[str, dict[str, str]]]:
    """By name: the versions with their times, and the tags with their versions."""
    versions: dict[str, dict[str, datetime | None]] = {}
    tags: dict[str, dict[str, str]] = {}
    for key, held in place.listed(BUNDLES).items():
        if (parts := parted(key)) is None:
            continue
        name, version, tag = parts
        tags.setdefault(name, {})
        if version:
            versions.setdefault(name, {})[version] = held.changed
        elif meant := read_tag(place, name, tag):
            tags[name][tag] = meant
    return versions, tags


def read_tag(place: Place, name: str, tag: str) -> str:
    """The version that a tag means; nothing where there is none that can be read."""
    try:
        meant = place.read(tag_key(name, tag), _TAG).decode("ascii", "replace")
    except (Absent, BundleError):
        return ""
    version = meant.removesuffix("\n")
    return version if meant.endswith("\n") and parted(manifest_key(name, version)) else ""


def _tags_of(tags: dict[str, str], version: str) -> tuple[str, ...]:
    return tuple(sorted(tag for tag, meant in tags.items() if meant == version))


def _version(
    place: Place, name: str, version: str, tags: tuple[str, ...], when: datetime | None
) -> Listed:
    try:
        content = place.read(manifest_key(name, version), MANIFEST_FILE)
        manifest: Manifest = parsed_manifest(content, f"The manifest of {name} {version}")
    except Absent:
        return Listed(name, version, tags, when, damage="it was removed meanwhile")
    except BundleError as exc:
        return Listed(name, version, tags, when, damage=exc.what)
    targets = tuple(artifact.target for artifact in manifest.artifacts)
    size = sum(entry.bytes for entry in manifest.entries)
    return Listed(name, version, tags, when, targets, size, manifest.checkpoint.license)
