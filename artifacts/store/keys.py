"""Where things lie in a store, and how they may be called."""

from __future__ import annotations

import re
import secrets

from ...errors import UsageError

__all__ = [
    "BUNDLES",
    "INDEX",
    "LATEST",
    "PARTIAL",
    "checked",
    "manifest_key",
    "object_key",
    "parted",
    "partial_key",
    "signature_key",
    "tag_key",
]

BUNDLES, PARTIAL, INDEX = "bundles", "partial", "index.html"
# The tag that is moved where none is named, and pulled where no version is.
LATEST = "latest"

_NAME = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9._-]{0,98}[A-Za-z0-9_-])?")
_HELD = re.compile(
    rf"{BUNDLES}/(?P<name>[^/]+)/(?:versions/(?P<version>[^/]+)/manifest\.json|tags/(?P<tag>[^/]+))"
)


def checked(what: str, name: str) -> str:
    """A name, version or tag that every store can hold.

    Raises:
        UsageError: It isn't.
    """
    if _NAME.fullmatch(name) is None:
        raise UsageError(
            f"{name!r} can't be a {what}.",
            "It has 1 to 100 letters, digits, dots, hyphens and underscores, begins with no dot or "
            "hyphen and ends with no dot.",
        )
    return name


def object_key(sha256: str) -> str:
    """Of a file's bytes, whichever bundles have it."""
    return f"objects/sha256/{sha256[:2]}/{sha256}"


def manifest_key(name: str, version: str) -> str:
    """Of what makes a version visible."""
    return f"{BUNDLES}/{name}/versions/{version}/manifest.json"


def signature_key(name: str, version: str, manifest: str) -> str:
    """Of a version's signature, beside its manifest, whose SHA-256 it is called by: of two who
    publish different bundles as one version, none writes where the other one's lies.
    """
    return f"{BUNDLES}/{name}/versions/{version}/{manifest}.sig"


def tag_key(name: str, tag: str) -> str:
    """Of the name of the version that a tag means."""
    return f"{BUNDLES}/{name}/tags/{tag}"


def partial_key() -> str:
    """Of what has no name yet; nobody else has the same."""
    return f"{PARTIAL}/{secrets.token_hex(16)}"


def parted(key: str) -> tuple[str, str, str] | None:
    """Name, version and tag, one of which is empty, of a key below `BUNDLES`; none for others'."""
    found = _HELD.fullmatch(key)
    parts = found.groups("") if found else ()
    if not found or any(part and _NAME.fullmatch(part) is None for part in parts):
        return None
    return found["name"], found["version"] or "", found["tag"] or ""
