"""ZIP archives as PyTorch writes them, held against their own checksums: its readers don't look."""

from __future__ import annotations

import zipfile

__all__ = ["has_checksums", "wrong_member"]


def has_checksums(archive: zipfile.ZipFile) -> bool:
    """Whether there are any: all are 0 where PyTorch was told to write none."""
    return any(member.CRC for member in archive.infolist())


def wrong_member(archive: zipfile.ZipFile) -> str | None:
    """The first member that is not what was written, by its CRC-32; None where all are, or there
    are no checksums.

    Raises:
        zipfile.BadZipFile, OSError, …: A damaged archive makes zipfile raise nearly anything.
    """
    return archive.testzip() if has_checksums(archive) else None
