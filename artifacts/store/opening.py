"""From an address to a place."""

from __future__ import annotations

import os
import re
from pathlib import Path

from ...errors import MissingToolError, ToolError, UsageError, did_you_mean
from ...outside.secrets import Secrets
from ...texts import first_line, shown
from .folder import Folder
from .hub import Hub
from .place import Place
from .remote import Remote

__all__ = ["open_place"]

# What fsspec asks for, by scheme: distribution and the extra of maskport that has it.
_DRIVERS = {
    **dict.fromkeys(("s3", "s3a"), ("s3fs", "store")),
    **dict.fromkeys(("gs", "gcs"), ("gcsfs", "gs")),
    "hf": ("huggingface_hub", "store"),
}


def open_place(url: str) -> Place:
    """The store at an address; nothing is asked of it yet.

    Args:
        url: A folder, ``file://…``, or an address of any file system that fsspec knows: ``s3://…``,
            ``gs://…``, ``hf://…``.

    Raises:
        UsageError: It is no address of a store.
        MissingToolError, ToolError: What reads such an address is not installed.
    """
    scheme, found, rest = url.partition("://")
    if not found:
        return _folder(url)
    if scheme in {"file", "local"}:
        return _folder(rest.lstrip("/") if os.name == "nt" else rest)
    secret = Secrets(url)
    safe = secret.without(shown(url))
    if not re.fullmatch(r"[A-Za-z][A-Za-z0-9+.-]*", scheme):
        raise UsageError(
            "What stands before :// is no kind of address.", "Give a folder, s3://, gs:// or hf://."
        )
    if "::" in rest or re.search(r"[?#*\[\]\s]", url) or "/../" in f"{url}/":
        raise UsageError(
            f"{secret.without(shown(re.split('[?#]', url)[0]))} is no address of a store.",
            "Give one without queries, wildcards, spaces, .. and ::; credentials belong where the "
            "store's own library looks for them (docs/store.md).",
        )
    if not rest.strip("/"):
        raise UsageError(f"{safe} names no store.", "Give the bucket, or a folder in one.")
    try:
        from fsspec.core import url_to_fs
        from fsspec.registry import known_implementations, registry
    except ImportError:
        raise MissingToolError("fsspec", "store", safe) from None
    if scheme not in {*known_implementations, *registry}:
        known = sorted(known_implementations)
        raise UsageError(
            f"fsspec knows no {scheme}:// addresses.",
            f"{did_you_mean(scheme, known)}Give a folder, s3://, gs:// or hf://.",
        )
    try:
        fs, root = url_to_fs(url)
    except ImportError as exc:
        if scheme in _DRIVERS:
            raise MissingToolError(*_DRIVERS[scheme], safe) from None
        raise ToolError(
            f"{safe} needs a file system that is not installed.", secret.without(first_line(exc))
        ) from None
    except Exception as exc:
        raise UsageError(
            f"{safe} can't be used: {secret.without(first_line(exc))[:300].rstrip('.')}.",
            "Check the address and the credentials (docs/store.md).",
        ) from None
    return (Hub if scheme == "hf" else Remote)(fs, root, scheme, safe, secret)


def _folder(path: str) -> Place:
    if not path or "\0" in path:
        raise UsageError("An empty address is no store.", "Give a folder, or an address.")
    return Folder(Path(path).expanduser().absolute())
