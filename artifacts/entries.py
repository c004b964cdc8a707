"""Files of a bundle as they are on disk: described, and held against what a manifest says."""

from __future__ import annotations

import hashlib
import stat
from collections.abc import Iterator
from pathlib import Path

from ..errors import ArtifactError, InputError
from ..outside.files import ARTIFACT, MOST_FILES, measured
from .manifest import FileEntry

__all__ = ["compare", "describe_files", "files_in", "tree_digest"]


def describe_files(
    root: Path, bundle: Path, *, inside: Path | None = None
) -> tuple[list[FileEntry], int, str]:
    """The files of an artifact, its size in bytes, and its checksum.

    Args:
        root: A file, or a folder that a format calls a file.
        bundle: The folder that paths are relative to.
        inside: The folder that no link may lead out of; ``root`` where that is a folder.

    Raises:
        ArtifactError: One is no regular file, larger than a file may be, or a link leads out.
        OSError: One can't be read.
    """
    entries = []
    within = inside or (root if root.is_dir() else None)
    for file in files_in(root):
        size, digest = measured(file, ARTIFACT, inside=within, error=ArtifactError)
        path = file.relative_to(bundle).as_posix()
        entries.append(FileEntry(path=path, bytes=size, sha256=digest))
    name = root.relative_to(bundle).as_posix()
    return entries, sum(e.bytes for e in entries), tree_digest(name, entries)


def compare(folder: Path, entry: FileEntry) -> Iterator[str]:
    """How a file differs from its entry, in one sentence; nothing where it doesn't."""
    name, file = entry.path, folder / entry.path
    try:
        if not stat.S_ISREG(file.lstat().st_mode):
            yield f"{name}: not a regular file"
            return
        size = file.stat().st_size
        if size == entry.bytes:  # else nothing of it needs to be read
            size, digest = measured(file, ARTIFACT, inside=folder)
    except InputError as exc:
        yield f"{name}: {exc.what.removeprefix(f'{file} is ').rstrip('.')}"
        return
    except FileNotFoundError:
        yield f"{name}: missing"
        return
    except OSError as exc:
        yield f"{name}: can't be read ({exc.strerror})"
        return
    if size != entry.bytes:
        yield f"{name}: {size} bytes instead of {entry.bytes}"
    elif digest != entry.sha256:
        yield f"{name}: its content changed (sha256 {digest[:12]}… instead of {entry.sha256[:12]}…)"


def files_in(root: Path) -> list[Path]:
    """All of an artifact that is no folder, sorted; links are followed nowhere.

    Raises:
        ArtifactError: There are more than any format has.
    """
    if not root.is_dir():
        return [root]
    found: list[Path] = []
    for path in root.rglob("*"):
        if path.is_symlink() or not path.is_dir():
            found.append(path)
        if len(found) > MOST_FILES:
            raise ArtifactError(
                f"{root} holds more than {MOST_FILES:,} files.",
                "Check the folder.",
            )
    return sorted(found)


def tree_digest(name: str, entries: list[FileEntry]) -> str:
    """The checksum of an artifact, of its files' checksums (`manifest.Artifact`)."""
    if [e.path for e in entries] == [name]:
        return entries[0].sha256
    lines = [f"{e.sha256}  {e.path.removeprefix(f'{name}/')}\n" for e in entries]
    return hashlib.sha256("".join(lines).encode()).hexdigest()
