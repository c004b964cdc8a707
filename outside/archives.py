"""ZIP archives as PyTorch writes them, held against what they say of themselves: its readers don't
look.
"""

from __future__ import annotations

import zipfile

__all__ = ["has_checksums", "wrong_member"]

# Of a member's external attributes, DOS's mark of a folder.
_FOLDER = 0x10


def has_checksums(archive: zipfile.ZipFile) -> bool:
    """Whether there are any: all are 0 where PyTorch was told to write none."""
    return any(member.CRC for member in archive.infolist())


def wrong_member(archive: zipfile.ZipFile) -> str | None:
    """What is wrong with the first member that isn't what was written; None where all are.

    Of one that is marked as a folder PyTorch reads nothing, and takes what happens to be in memory.

    Raises:
        zipfile.BadZipFile, OSError, …: A damaged archive makes zipfile raise nearly anything.
    """
    for member in archive.infolist():
        if member.external_attr & _FOLDER and not member.is_dir():
            return f"what it holds as {member.filename} is marked as a folder"
    wrong = archive.testzip() if has_checksums(archive) else None
    if wrong is None:
        return None
    return f"what it holds as {wrong} is not what was written (its CRC-32 is another)"
