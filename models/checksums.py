"""Checksums of files, read in pieces, and of a network's weights."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from ..outside.files import CHECKPOINT, measured

if TYPE_CHECKING:
    from torch import nn

__all__ = ["checksum_of", "digest_of", "sha256_of"]


def checksum_of(path: Path, algorithm: Literal["md5", "sha256"]) -> str:
    """Lower-case hexadecimal digits. MD5 only because that is what is published.

    Raises:
        InputError: It is no regular file, or larger than any checkpoint.
        OSError: The file can't be read.
    """
    return measured(path, CHECKPOINT, algorithm)[1]


def sha256_of(path: Path) -> str:
    """SHA-256 of a file, as it goes into manifests.

    Raises:
        InputError, OSError: As `checksum_of`.
    """
    return checksum_of(path, "sha256")


def digest_of(module: nn.Module) -> str:
    """SHA-256 over names, shapes and values of a network's tensors."""
    digest = hashlib.sha256()
    for name, tensor in sorted(module.state_dict().items()):
        digest.update(f"{name} {tuple(tensor.shape)} {tensor.dtype}\n".encode())
        digest.update(tensor.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()
