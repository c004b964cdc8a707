"""What to do about a file that can't be loaded or read: that depends on whether it is damaged."""

from __future__ import annotations

from pathlib import Path

from ..artifacts.bundle import describe_files
from ..artifacts.manifest import Artifact
from ..errors import InputError

__all__ = ["remedy", "unsupported"]


def remedy(artifact: Artifact, path: Path, intact: str) -> str:
    """A remedy for a refusal.

    Args:
        artifact: The file's entry in its manifest.
        path: Where it is.
        intact: What to do where the file is the one that was exported.
    """
    if _is_as_exported(artifact, path):
        return f"The file is as it was exported. {intact}"
    return (
        "The file is damaged, of another format, or not the one of the manifest, whose checksum "
        "is another: export it again."
    )


def unsupported(artifact: Artifact, release: str) -> str:
    """What to do about a sound file that a runtime doesn't load.

    Args:
        artifact: The file's entry in its manifest.
        release: The runtime and its version: ``ai-edge-litert 2.3.0``.
    """
    oldest = " or ".join(map(str, artifact.oldest_runtimes))
    needs = f" It needs {oldest}." if oldest else ""
    return f"{release} doesn't take it.{needs} Use another target, or another release."


def _is_as_exported(artifact: Artifact, path: Path) -> bool:
    try:
        return describe_files(path, path.parent)[2] == artifact.sha256
    except (InputError, OSError):
        return False
