"""Files that aren't those of their manifest, and what to do about one that can't be loaded."""

from __future__ import annotations

from pathlib import Path

from ..artifacts.bundle import describe_files
from ..artifacts.manifest import Artifact
from ..errors import ArtifactError, ChangedError

__all__ = ["check_unchanged", "remedy", "unsupported"]


def check_unchanged(artifact: Artifact, path: Path) -> None:
    """Hold a file against its entry in a manifest.

    Raises:
        ChangedError: It is another one.
        ArtifactError: It can't be read, or is no artifact at all.
    """
    try:
        _, _, digest = describe_files(path, path.parent)
    except OSError as exc:
        raise ArtifactError(
            f"{path} can't be read: {exc.strerror or exc}.", "Check the bundle: maskport verify."
        ) from exc
    if digest != artifact.sha256:
        raise ChangedError(
            f"{path} is not the {artifact.target} that the manifest describes: its checksum is "
            f"{digest[:12]}… instead of {artifact.sha256[:12]}…, so it isn't run.",
            "Export the bundle again. If the change is yours, --force runs it.",
        )


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
        check_unchanged(artifact, path)
    except ArtifactError:
        return False
    return True
