"""Bundles: written whole or not at all, read back, verified."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from ..errors import BundleError, SpecError, UsageError, did_you_mean
from ..outputs import Busy, held, room_in
from ..outside.files import MANIFEST_FILE, read_bytes
from ..specs import ModelSpec
from ..texts import shown
from .entries import compare, describe_files, files_in, tree_digest
from .manifest import SCHEMA_VERSION, Artifact, Manifest

__all__ = [
    "BOM",
    "LOG",
    "MANIFEST",
    "NOT_LISTED",
    "PROVENANCE",
    "REFERENCE",
    "SIGNATURE",
    "Bundle",
    "describe_files",
    "load_bundle",
    "manifest_text",
    "parsed_manifest",
    "read_manifest",
    "spec_of",
    "verify",
    "verify_artifact",
    "verify_reference",
    "write_manifest",
    "writing",
]

MANIFEST = "manifest.json"
REFERENCE = "reference.safetensors"
LOG = "export.log"
# Of a bundle that was signed; the first is where OpenSSF's model_signing writes its signatures.
SIGNATURE, PROVENANCE, BOM = "model.sig", "provenance.intoto.json", "bom.cdx.json"
# What lies beside the manifest, and isn't in it.
NOT_LISTED = frozenset({MANIFEST, LOG, SIGNATURE, PROVENANCE, BOM})


@dataclass(frozen=True)
class Bundle:
    """A folder of artifacts and the manifest that describes them."""

    path: Path
    manifest: Manifest

    def file(self, target: str) -> Path:
        """Where a target's file or folder is.

        Raises:
            BundleError: The bundle has no such target.
        """
        return self.path / self.artifact(target).path

    def artifact(self, target: str) -> Artifact:
        """What the manifest says of a target.

        Raises:
            BundleError: The bundle has no such target.
        """
        found = self.manifest.artifact(target)
        if found is None:
            held = ", ".join(a.target for a in self.manifest.artifacts) or "nothing"
            raise BundleError(f"{self.path} has no {target}; it has {held}.", "Export it first.")
        return found

    def selected(self, names: Sequence[str]) -> tuple[Artifact, ...]:
        """Artifacts by target, by format, or ``all``, in the manifest's order.

        A name that is both, such as ``executorch``, means the target where the bundle has it.

        Raises:
            UsageError: The bundle has no such target or format.
        """
        artifacts = self.manifest.artifacts
        targets = {a.target for a in artifacts}
        known = sorted(targets | {a.format for a in artifacts})
        for name in names:
            if name != "all" and name not in known:
                raise UsageError(
                    f"{self.path} has no target or format {name!r}.",
                    f"{did_you_mean(name, known)}It has {', '.join(a.target for a in artifacts)}.",
                )
        formats = set(names) - targets
        return tuple(
            a for a in artifacts if "all" in names or a.target in names or a.format in formats
        )

    def at_size(self, height: int, width: int) -> Bundle:
        """The same bundle as it is used at another size: of the files, those that take it.

        Raises:
            UsageError: None does.
            BundleError: The manifest's specification can't be read.
        """
        spec = spec_of(self.manifest)
        own = (spec.image.height, spec.image.width)
        if own == (height, width):
            return self
        artifacts = self.manifest.artifacts
        sizes = {(o.height, o.width) for a in artifacts for o in a.other_sizes}
        if (height, width) not in sizes:
            known = {own, *sizes}
            raise UsageError(
                f"No file of {self.path} takes {height}x{width}.",
                f"They take {', '.join(f'{h}x{w}' for h, w in sorted(known))}; other sizes are "
                "given at export: --flexible for Core ML, --size for the others.",
            )
        taken = [
            artifact.at_size(height, width)
            for artifact in artifacts
            if any((o.height, o.width) == (height, width) for o in artifact.other_sizes)
        ]
        resized = spec.resized(height, width).to_dict()
        return Bundle(
            self.path, self.manifest.model_copy(update={"spec": resized, "artifacts": taken})
        )


def load_bundle(path: str | os.PathLike[str]) -> Bundle:
    """Read a bundle's manifest. Files are not opened; `verify` checks them.

    Raises:
        BundleError: There is no manifest, or not one that this version reads.
    """
    folder = Path(path)
    file = folder / MANIFEST
    try:
        text = read_manifest(folder).decode()
    except FileNotFoundError as exc:
        raise BundleError(
            f"{folder} is not a bundle: it has no {MANIFEST}.",
            "Give the folder that `maskport export` wrote.",
        ) from exc
    except NotADirectoryError as exc:
        raise BundleError(
            f"{folder} is a file, not a bundle.", "Give the folder that holds it."
        ) from exc
    except (OSError, UnicodeDecodeError) as exc:
        raise BundleError(f"{file} can't be read: {exc}", "Export the bundle again.") from exc
    return Bundle(folder, parsed_manifest(text, str(file)))


def parsed_manifest(text: str | bytes, name: str) -> Manifest:
    """A manifest from anywhere, which errors call by a name.

    Raises:
        BundleError: It is not one that this version reads.
    """
    try:
        manifest = Manifest.model_validate_json(text)
    except ValidationError as exc:
        first = exc.errors()[0]
        where = ".".join(map(str, first["loc"])) or "the file"
        raise BundleError(
            f"{name} is not a manifest of version {SCHEMA_VERSION}: {where}: {first['msg']}.",
            "Export the bundle again, or use the version of maskport that wrote it.",
        ) from exc
    spec_of(manifest)
    return manifest


def read_manifest(folder: Path) -> bytes:
    """A bundle's manifest as it is on disk.

    Raises:
        BundleError: It is no regular file of the bundle's own, or too large for a manifest.
        OSError: It can't be read.
    """
    return read_bytes(folder / MANIFEST, MANIFEST_FILE, inside=folder, error=BundleError)


def spec_of(manifest: Manifest) -> ModelSpec:
    """The specification that a manifest holds; the only reader of it.

    Raises:
        BundleError: It is not one that this version reads.
    """
    try:
        return ModelSpec.from_dict(manifest.spec)
    except SpecError as exc:
        raise BundleError(
            f"The specification in the manifest of {manifest.network.name} can't be read: "
            f"{exc.what}",
            "Export the bundle again, or use the version of maskport that wrote it.",
        ) from exc


def verify(path: str | os.PathLike[str]) -> list[str]:
    """Hold a bundle's files against its manifest.

    Returns:
        One sentence a difference: missing, changed or unexpected files. Empty where all holds.

    Raises:
        BundleError: It is not a bundle at all.
    """
    bundle = load_bundle(path)
    manifest = bundle.manifest
    differences = [d for artifact in manifest.artifacts for d in verify_artifact(bundle, artifact)]
    for entry in manifest.beside:
        differences.extend(compare(bundle.path, entry))
    return [*differences, *(f"{name}: not in the manifest" for name in sorted(_strays(bundle)))]


def verify_artifact(bundle: Bundle, artifact: Artifact) -> list[str]:
    """Hold one artifact's files against the manifest; one sentence a difference."""
    differences: list[str] = []
    root = bundle.path / artifact.path
    if root.is_symlink():
        return [f"{artifact.path}: a link instead of a file or folder"]
    expected = {entry.path: entry for entry in artifact.files}
    for entry in expected.values():
        differences.extend(compare(bundle.path, entry))
    if root.is_dir():
        found = {p.relative_to(bundle.path).as_posix() for p in files_in(root)}
        strays = sorted(found - expected.keys())
        differences.extend(f"{name}: not in the manifest" for name in strays)
    if tree_digest(artifact.path, artifact.files) != artifact.sha256:
        differences.append(f"{artifact.path}: its checksum is not that of its files' checksums")
    return differences


def verify_reference(bundle: Bundle) -> list[str]:
    """Hold the weights that the bundle keeps against the manifest; as `verify_artifact`."""
    entry = bundle.manifest.reference
    return [] if entry is None else list(compare(bundle.path, entry))


@contextmanager
def writing(out: Path) -> Iterator[Path]:
    """A temporary sibling of ``out`` that takes its place when the block ends well.

    Whatever interrupts the block, ``out`` is then what it was before, or absent. What a killed
    process left behind is removed by the next one that writes there. Of a link, the folder that it
    leads to is written.

    Raises:
        UsageError: ``out`` exists and is no bundle, so replacing it could destroy a user's work;
            another process is writing it; it can't be written; or its name isn't UTF-8.
        ToolError: The disk is full.
    """
    out = Path(os.path.realpath(out))
    if shown(str(out)) != str(out):
        raise UsageError(
            f"The name of {out} is not UTF-8, so converters can't write there.",
            "Choose another --out.",
        )
    if out.exists() and not (out / MANIFEST).is_file() and not _is_empty_folder(out):
        raise UsageError(
            f"{out} exists and is not a bundle, so it is not replaced.",
            "Choose another --out, or remove it.",
        )
    partial, old = (out.with_name(f".{out.name}.{kind}") for kind in ("partial", "old"))
    with ExitStack() as stack:
        try:
            out.parent.mkdir(parents=True, exist_ok=True)
            stack.enter_context(held(out))
            _remove_leftovers(out, partial, old)
            partial.mkdir()
        except Busy as exc:
            raise UsageError(
                f"{out} is being written by another process.",
                "Wait until it has ended, or choose another --out.",
            ) from exc
        except OSError as exc:
            where = f" ({exc.filename})" if exc.filename else ""
            raise UsageError(
                f"{out} can't be written: {exc.strerror or exc}{where}.", "Choose another --out."
            ) from exc
        try:
            with room_in(out.parent):
                yield partial
                _replace(partial, out, old)
        finally:
            shutil.rmtree(partial, ignore_errors=True)


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """Write the manifest; the last step, because with it the folder is a bundle."""
    (folder / MANIFEST).write_text(manifest_text(manifest), encoding="utf-8")


def manifest_text(manifest: Manifest) -> str:
    """A manifest as its file holds it."""
    return manifest.model_dump_json(indent=2, exclude_none=True) + "\n"


def _replace(partial: Path, out: Path, old: Path) -> None:
    if out.exists():
        out.rename(old)
    try:
        partial.rename(out)
    except BaseException:
        if old.exists():
            old.rename(out)
        raise
    shutil.rmtree(old, ignore_errors=True)


def _remove_leftovers(out: Path, partial: Path, old: Path) -> None:
    """What a killed process left, which the lock says is gone; the bundle that it had moved away
    comes back.
    """
    if not out.exists() and (old / MANIFEST).is_file():
        old.rename(out)
    for folder in (partial, old):
        if folder.exists():
            shutil.rmtree(folder)


def _is_empty_folder(path: Path) -> bool:
    return path.is_dir() and not any(path.iterdir())


def _strays(bundle: Bundle) -> Iterator[str]:
    """What lies in a bundle, outside of its artifacts, and isn't in the manifest."""
    listed = {entry.path for entry in bundle.manifest.entries}
    artifacts = {artifact.path for artifact in bundle.manifest.artifacts}
    for path in bundle.path.iterdir():
        if path.name in artifacts or (path.name in NOT_LISTED and not path.is_dir()):
            continue
        if not any(name.partition("/")[0] == path.name for name in listed):
            yield path.name
            continue
        found = {file.relative_to(bundle.path).as_posix() for file in files_in(path)}
        yield from found - listed
