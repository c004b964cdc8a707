"""Packages: what one platform's apps need of a bundle, as one zip.

Unpacked, a package is a bundle: its manifest has the platform's artifacts only, and
`maskport verify` holds its files against it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from zipfile import ZIP_STORED, ZipFile, ZipInfo

from ..errors import BundleError, UsageError
from ..formats import FORMATS, Platform
from ..outputs import written_whole
from ..outside.files import ARTIFACT, read_bytes
from .bundle import MANIFEST, Bundle, manifest_text
from .documents import Fidelity, documents
from .manifest import Artifact, FileEntry, Manifest
from .snippets import snippets

__all__ = ["platform_part", "write_package"]

_PERMISSIONS = 0o644 << 16


def write_package(
    bundle: Bundle,
    platform: Platform,
    out: Path | None = None,
    *,
    targets: Iterable[str] = ("all",),
    fidelity: Fidelity | None = None,
) -> Path:
    """Write a package; it is there whole or not at all, and the same inputs give the same bytes.

    Files are stored as they are: weights hardly shrink, and how they do depends on the library.

    Args:
        bundle: Whose files hold what its manifest says (`bundle.verify`).
        platform: Whose files are taken.
        out: The zip; beside the bundle, called after it and the platform, where left out.
        targets: Targets or formats of the bundle, or ``"all"``.
        fidelity: For the card.

    Returns:
        The zip.

    Raises:
        UsageError: The bundle has nothing for the platform, or no such target.
        InputError: The zip can't be written.
    """
    top = f"{bundle.path.resolve().name}-{platform}"
    out = out or bundle.path.resolve().with_name(f"{top}.zip")
    manifest, texts = platform_part(bundle, platform, targets=targets, fidelity=fidelity)
    texts[MANIFEST] = manifest_text(manifest).encode()
    chosen = manifest.artifacts
    files = {entry.path: bundle.path / entry.path for a in chosen for entry in a.files}
    with written_whole(out) as partial, ZipFile(partial, "w", ZIP_STORED) as archive:
        for name in sorted({*texts, *files}):
            info = ZipInfo(f"{top}/{name}")  # of 1980
            info.create_system, info.external_attr = 3, _PERMISSIONS  # as on Unix
            archive.writestr(info, texts[name] if name in texts else _held(bundle, files[name]))
    return out


def platform_part(
    bundle: Bundle,
    platform: Platform,
    *,
    targets: Iterable[str] = ("all",),
    fidelity: Fidelity | None = None,
) -> tuple[Manifest, dict[str, bytes]]:
    """What a platform's apps need of a bundle: a manifest of its own, and the documents in it.

    Nothing is read but the bundle's manifest; arguments and errors are those of `write_package`.

    Returns:
        The manifest, and the documents by their paths.
    """
    manifest = bundle.manifest.model_copy(
        update={
            "artifacts": _chosen(bundle, platform, list(targets)),
            **{"reference": None, "recipes": [], "documents": []},
        }
    )
    texts = {name: text.encode() for name, text in _texts(manifest, platform, fidelity)}
    entries = [
        FileEntry(path=name, bytes=len(text), sha256=hashlib.sha256(text).hexdigest())
        for name, text in sorted(texts.items())
    ]
    return manifest.model_copy(update={"documents": entries}), texts


def _held(bundle: Bundle, file: Path) -> bytes:
    return read_bytes(file, ARTIFACT, inside=bundle.path, error=BundleError)


def _chosen(bundle: Bundle, platform: Platform, names: list[str]) -> list[Artifact]:
    named = bundle.selected(names)
    taken = [a for a in named if a.format in FORMATS and platform in FORMATS[a.format].platforms]
    if not taken:
        runs = [name for name, row in FORMATS.items() if platform in row.platforms]
        raise UsageError(
            f"Nothing of {', '.join(a.target for a in named) or 'nothing'} is for {platform}.",
            f"Export one of its formats: {', '.join(runs)}.",
        )
    return taken


def _texts(
    manifest: Manifest, platform: Platform, fidelity: Fidelity | None
) -> Iterator[tuple[str, str]]:
    """Name and text of each document."""
    yield from documents(manifest, fidelity, platform).items()
    checkpoint = manifest.checkpoint
    yield (
        "LICENSE.txt",
        f"License of the weights, as far as it is known: {checkpoint.license}\n"
        f"They come from: {checkpoint.source}\n",
    )
    for artifact in manifest.artifacts:
        for snippet in snippets(manifest, artifact):
            if platform in snippet.language.platforms:
                yield f"snippets/{artifact.target}/{snippet.file}", snippet.text
