"""Which artifact a path means: a file of a bundle, a bundle and a target, or a copy elsewhere."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ...artifacts.bundle import MANIFEST, Bundle, describe_files, load_bundle
from ...artifacts.manifest import Artifact
from ...errors import UsageError
from ...runtimes.intermediates.stream import SHOWN

__all__ = ["Located", "is_bundle", "locate"]


@dataclass(frozen=True, slots=True)
class Located:
    """An artifact, the bundle that describes it, and where the file is.

    Attributes:
        changed: The file is not the one that the bundle's manifest describes.
    """

    bundle: Bundle
    artifact: Artifact
    path: Path
    changed: bool


def locate(path: Path, bundle: Path | None = None, target: str | None = None) -> Located:
    """Find what ``path`` is.

    Args:
        path: An artifact, or a bundle.
        bundle: Whose manifest describes it; the one that the file lies in where not given.
        target: Which of the bundle's artifacts it is; known by its name where not given.

    Raises:
        BundleError: There is no bundle, or it lacks the target.
        UsageError: There is no such file, it can't be told which artifact it is, or its format
            shows no tensors between image and mask.
    """
    if not path.exists():
        raise UsageError(f"There is no {path}.", "Give an artifact, or a bundle with --target.")
    if bundle is None and is_bundle(path):
        held = load_bundle(path)
        artifact = held.artifact(target or _only_target(held))
        path = held.path / artifact.path
    else:
        held = load_bundle(bundle or _bundle_around(path))
        artifact = held.artifact(target) if target is not None else _artifact_named(held, path)
    if artifact.format not in SHOWN:
        raise UsageError(
            f"{artifact.target} has the format {artifact.format}, whose runtime shows no "
            "tensors between image and mask.",
            f"Formats that do: {', '.join(SHOWN)}. Of this bundle: "
            f"{', '.join(_able(held)) or 'none'}.",
        )
    if not path.exists():
        raise UsageError(f"There is no {path}.", "Check the bundle: maskport verify.")
    _, _, digest = describe_files(path, path.parent)
    return Located(held, artifact, path, digest != artifact.sha256)


def _able(bundle: Bundle) -> list[str]:
    return [a.target for a in bundle.manifest.artifacts if a.format in SHOWN]


def _artifact_named(bundle: Bundle, path: Path) -> Artifact:
    named = [a for a in bundle.manifest.artifacts if Path(a.path).name == path.name]
    if len(named) == 1:
        return named[0]
    targets = ", ".join(a.target for a in bundle.manifest.artifacts)
    raise UsageError(
        f"{bundle.path} has no artifact called {path.name}.",
        f"Say which it is a copy of: --target NAME, one of {targets}.",
    )


def _only_target(bundle: Bundle) -> str:
    able = _able(bundle)
    if len(able) == 1:
        return able[0]
    raise UsageError(
        f"{bundle.path} is a bundle, and drift is found in one artifact.",
        f"Say which: --target NAME, one of {', '.join(able)}."
        if able
        else f"None of its artifacts shows its tensors; formats that do: {', '.join(SHOWN)}.",
    )


def _bundle_around(path: Path) -> Path:
    for folder in path.absolute().parents:
        if is_bundle(folder):
            return folder
    raise UsageError(
        f"{path} lies in no bundle, so nothing says what it takes and gives.",
        "Name the bundle that it is a copy from: --bundle DIR, and --target NAME.",
    )


def is_bundle(folder: Path) -> bool:
    """It holds a manifest of that very name: a Core ML package has a Manifest.json, which macOS
    takes for the same."""
    return folder.is_dir() and any(entry.name == MANIFEST for entry in folder.iterdir())
